#!/usr/bin/perl

# What a check costs: CPU of the server's worker per call, beside what people
# would use instead, for sets of all sizes.
#
# contest.pl [NAME ...]: only these contestants, and the floor

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Bench::Contest;
use TRV;

my $LEN = $ENV{BENCH_TOKEN_LEN} || 43;
my @SIZES = quick() ? 1000 : (0, 1000, 1000000, 10000000);

my $ROUNDS = $ENV{BENCH_ROUNDS} || (quick() ? 2 : 5);
my @ANSWERS = ([ 'a tiny file', '/file/file' ],
               quick() ? () : [ 'a proxied answer', '/api/x' ]);

for my $size (sizes(800, @SIZES)) {
    my @names = @ARGV ? @ARGV
                : $size ? ()
                : qw(module dry_run map);
    my $contest = Bench::Contest->new(size => $size, len => $LEN,
                                      names => \@names, rounds => $ROUNDS);
    $contest->run(@ANSWERS);

    note("- $_") for $contest->notes;
    $contest->stop;
}
