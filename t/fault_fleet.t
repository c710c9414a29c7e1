#!/usr/bin/perl

# Edges cut off, alone and all of them, asleep, in another time, while tokens are
# revoked and called with: the histories hold no violation.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;
use TRV::Arena;
use TRV::Faults;

my $arena = TRV::Arena->new(seed => $ENV{SEED} || 1);

for my $fault (TRV::Faults::named('fleet')) {
    next if @ARGV && $fault->{name} !~ /$ARGV[0]/;
    $arena->inflict($fault);
}

$arena->verdict;
finish();
