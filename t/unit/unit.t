#!/usr/bin/perl

# Runs the unit tests of src/core, which are programs that speak TAP, and the
# stress tests; every test of theirs is one here.

use strict;
use warnings;

use FindBin;
use Test::More;

my $build = "$FindBin::Bin/../../build";
my $soak = $ENV{TRV_SOAK};

my @stress = ([ "$build/thread/trv_table_stress", $soak ? 5000000 : 200000 ],
              [ "$build/thread/trv_tries_stress", $soak ? 5000000 : 200000 ],
              [ "$build/stress/trv_replica_stress", $soak ? 5000 : 200 ]);
my @programs = map { s{.*/}{}r =~ s{\.c$}{}r } glob "$FindBin::Bin/*_test.c";

ok(@programs >= 8, 'there are unit tests');

chdir "$FindBin::Bin/../..";
$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
$ENV{TSAN_OPTIONS} = 'halt_on_error=1';

for my $command ((map { [ "$build/unit/$_" ] } @programs), @stress) {
    my ($name) = $command->[0] =~ m{([^/]+)$};

    my $pid = open my $out, '-|';
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec { $command->[0] } @$command or exit 127;
    }

    my ($planned, $seen) = (0, 0);

    while (my $line = <$out>) {
        chomp $line;

        if ($line =~ /^1\.\.(\d+)/) {
            $planned += $1;

        } elsif ($line =~ /^(not )?ok \d+ - (.*)/) {
            ok(!$1, "$name: $2");
            $seen++;

        } else {
            diag($line) unless $line =~ /^# ok - /;
        }
    }

    close $out;
    is($?, 0, "$name: ends well");
    ok($planned && $seen == $planned, "$name: all were run");
}

done_testing();
