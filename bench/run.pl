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

heading('The check alone');
system('taskset', '-c', $Bench::CPU_SERVER, program('check'), 1000, 1000000,
       quick() ? () : 10000000) == 0 or exit 1;

for my $part ('contest.pl', 'edge.pl', 'fleet.pl') {
    system($^X, "$FindBin::Bin/$part") == 0 or exit 1;
}
