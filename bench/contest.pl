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

# as many as it takes to tell the module from `map`, and from its goals
my $ROUNDS = $ENV{BENCH_ROUNDS} || (quick() ? 2 : 13);
my $ROUNDS_FEW = 6;                     # at 1 M they differ by more

for my $size (sizes(800, @SIZES)) {
    my @names = @ARGV ? @ARGV
                : $size ? ()
                : qw(module dry_run map);
    my $contest = Bench::Contest->new(size => $size, len => $LEN,
                                      names => \@names,
                                      rounds => $size == 1000000 ? $ROUNDS_FEW
                                                                 : $ROUNDS);

    for my $answer ([ '/file/file', 'a tiny file' ],
                    [ '/api/x', 'a proxied answer' ]) {
        heading("$size revocations, $LEN-byte token, $answer->[1]");
        $contest->run($answer->[0]);
    }

    note("- $_") for $contest->notes;
    $contest->stop;
}
