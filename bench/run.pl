#!/usr/bin/perl

# make bench: where it is measured, then all of the measurements.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use TRV;

$| = 1;

my ($cpu) = slurp('/proc/cpuinfo') =~ /^model name\s*: (.*)/m;
my ($load) = slurp('/proc/loadavg') =~ /^(\S+)/;

heading('Where');
note("- $cpu, Linux " . capture('uname', '-r') =~ s/\n//r
     . ", load before it began: $load");
note('- ' . join ', ', map { (split /\n/, `$_ 2>&1`)[0] }
     'nginx -v', 'openssl version', 'redis-server --version', 'haproxy -v');

my @sizes = sizes(60, 1000, 1000000, quick() ? () : 10000000);

my @PARTS = (
    [ 'The check alone', 'taskset', '-c', $Bench::CPU_SERVER,
      program('check'), @sizes ],
    [ 'Counters of many workers', program('counters'), 1, 2, 64 ],
    map { [ "bench/$_", $^X, "$FindBin::Bin/$_" ] }
        qw(contest.pl calls.pl edge.pl fleet.pl)
);

my @times = [ 'part', 'minutes', 'taken by the host, % of a CPU' ];
my @began = (time, stolen());

sub took {
    my ($title, $from, $stolen) = @_;
    my $took = time - $from;
    return [ $title, sprintf('%.1f', $took / 60),
             sprintf('%.1f', 100 * (stolen() - $stolen) / $took) ];
}

for (@PARTS) {
    my ($title, @command) = @$_;
    my @from = (time, stolen());

    heading($title) unless $title =~ m{/};
    system(@command) == 0 or exit 1;
    push @times, took($title, @from);
}

heading('How long it took');
table(@times, took('all of it', @began));
