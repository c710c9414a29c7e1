#!/usr/bin/perl

# What a check costs, in instructions of our own code: the same number on any
# machine, so that a slower check is seen where a clock would see nothing.
# OpenSSL is left out: what it executes depends on its version and the CPU.

use strict;
use warnings;

use FindBin;
use Test::More;

# instructions a check, 412 and 2023 when this was written; a change that needs
# more has to raise these bounds, and to say why
my %BOUND = (43 => 430, 900 => 2150);

my $N = 2000;
my $check = "$FindBin::Bin/../build/bench/check";


# callgrind's count for functions of one program or library
sub instructions {
    my ($n, $len) = @_;

    my $out = "/tmp/trv-callgrind-$$";
    system("valgrind --tool=callgrind --callgrind-out-file=$out"
           . " --collect-atstart=no --toggle-collect=bench_check"
           . " $check --repeat $n $len > $out.log 2>&1") == 0
        or die "valgrind:\n" . `cat $out.log`;

    open my $in, '<', $out or die "$out: $!\n";
    my (%names, $object, $skip);
    my $sum = 0;

    while (<$in>) {
        if (/^ob=\((\d+)\)(?: (.*))?/) {
            $names{$1} = $2 if defined $2;
            $object = $names{$1};
        } elsif (/^cob=\((\d+)\)(?: (.*))?/) {
            $names{$1} = $2 if defined $2;
        } elsif (/^calls=/) {
            $skip = 1;                  # the next line is of the callee
        } elsif (my ($cost) = /^[+\-*\d]\S* (\d+)/) {
            $sum += $cost if !$skip && ($object || '') =~ m{/check$};
            $skip = 0;
        }
    }

    unlink $out, "$out.log";
    return $sum / $n;
}


for my $len (sort { $a <=> $b } keys %BOUND) {
    my $count = instructions($N, $len);
    my $again = instructions($N, $len);

    cmp_ok($count, '>', 100, "$len bytes: there is something to count");
    cmp_ok($count, '<=', $BOUND{$len},
           "$len bytes: $count instructions, at most $BOUND{$len}");
    cmp_ok(abs($count - $again), '<=', $count / 100,
           "$len bytes: the same when counted again");
}

done_testing();
