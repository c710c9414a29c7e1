#!/usr/bin/perl

# Faults picked at random, one after the other.  The seed is printed, and the
# same seed picks the same faults again:
#
#     make soak MINUTES=60
#     make soak MINUTES=60 SEED=12345
#
# Without TRV_MINUTES only some, in their short forms, always the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Arena;
use TRV::Faults;

my $minutes = $ENV{TRV_MINUTES};
my $seed = $ENV{SEED} || ($minutes ? time % 1_000_000 : 1);

diag("seed $seed") if $minutes;
note("seed $seed");
alarm $minutes * 60 + 600 if $minutes;

my $arena = TRV::Arena->new(seed => $seed, long => $minutes ? 1 : 0);
my @faults = TRV::Faults::all();
my $end = Time::HiRes::time() + ($minutes // 0) * 60;

for (my $n = 1; $minutes ? Time::HiRes::time() < $end : $n <= 3; $n++) {

    # inflicting one changes what is random
    srand $seed * 1000 + $n;
    my $fault = $faults[ rand @faults ];
    diag(sprintf '%s %d. %s', scalar localtime, $n, $fault->{name}) if $minutes;
    last unless $arena->inflict($fault);

    # a history of hours would not fit into memory
    if ($n % 20 == 0) {
        $arena->verdict;
        $arena->begin;
    }
}

$arena->verdict;
finish();
