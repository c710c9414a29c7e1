#!/usr/bin/perl

# What 50, 1,000 and 10,000 edges cost one Redis, and how long a revocation
# takes to all of them, with and without replicas that the log is read from:
# edges that build/bench/crowd stands for, beside real ones where that can be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Time::HiRes qw(time sleep);
use TRV;

# each edge has two connections, and all are from one process
my ($LIMIT) = capture('sh', '-c', 'ulimit -Hn') =~ /^(\d+)/ ? $1 : 1e6;
my $MOST = int(($LIMIT - 100) / 200) * 100;

my $SECONDS = quick() ? 3 : 6;
my $REAL = 50;
my @FLEETS = map { $_ < $MOST ? $_ : $MOST }
             split ' ', $ENV{BENCH_EDGES} || (quick() ? '50 1000' : '50 1000 10000');
my @REPLICAS = quick() ? (0, 1) : (0, 1, 3);

# revocations a second; whether somebody waits for all edges
my @LOADS = quick() ? ([ 1, 0 ], [ 1, 1 ])
                    : ([ 1, 0 ], [ 10, 0 ], [ 1, 1 ], [ 10, 1 ]);


# a Redis on the CPU that is measured, its replicas on the other one
sub servers {
    my ($replicas) = @_;
    my @all = map { redis(tcp => 1, args => [ '--maxclients', $LIMIT - 40 ]) }
                  0 .. $replicas;
    my ($redis, @others) = @all;
    $_->follow($redis) for @others;
    pin($Bench::CPU_SERVER, $redis->{pid});
    pin($Bench::CPU_CLIENT, map { $_->{pid} } @others);
    return @all;
}


# what it says, by name
sub crowd {
    my ($n, $rate, $wait, $calls, @addresses) = @_;
    my %said = map { /^(\w+) (.*)/ ? ($1 => [ split ' ', $2 ]) : () }
               split /\n/, capture('taskset', '-c', $Bench::CPU_CLIENT,
                                   program('crowd'), $n, $SECONDS, $rate,
                                   $wait, $calls, @addresses);
    ($said{redis}, @{ $said{replicas} }) = @{ $said{cpu} };
    $said{crowd} = pop @{ $said{replicas} };
    return \%said;
}


sub crowd_at {
    my ($n, $replicas, @load) = @_;
    my @all = servers($replicas);
    my $said = crowd($n, @load, map { "127.0.0.1:$_->{port}" } @all);
    $_->stop for reverse @all;
    return $said;
}


sub rounded { map { sprintf $_ < 10 ? '%.1f' : '%.0f', $_ } @_ }

# median, 99 of 100, longest
sub of_times {
    my ($n, @ms) = @{ $_[0] };
    return $n ? join ' / ', rounded(@ms) : '-';
}

sub cpu_cells {
    my ($said) = @_;
    return (rounded($said->{redis}),
            join(' ', rounded(@{ $said->{replicas} })) || '-',
            rounded($said->{crowd}));
}


# real edges with nothing to do, then as many of the others at the same Redis
sub beside_real_ones {
    my $redis = redis();
    pin($Bench::CPU_SERVER, $redis->{pid});
    my @edges = fleet($REAL, $redis, workers => 1);
    sleep 3;
    my ($cpu, $began) = (cpu_ns($redis->{pid}), time);
    sleep $SECONDS;
    my $real = (cpu_ns($redis->{pid}) - $cpu) / 1e6 / (time - $began);
    $_->stop for @edges;
    $redis->command('FLUSHALL');
    my $said = crowd($REAL, 0, 0, 0, $redis->{socket});
    $redis->stop;
    return [ $REAL, rounded($real, $said->{redis}) ];
}


heading('Edges that are real, and that are not: idle, on a unix socket');
table([ 'edges', 'CPU of Redis with real ones, ms/s', 'with the others' ],
      beside_real_ones());

heading('Edges that have nothing to do');
my @idle;
for my $n (@FLEETS) {
    for my $calls (0, 1) {
        my $said = crowd_at($n, 0, 0, 0, $calls);
        push @idle, [ $n, $calls ? 'yes' : 'no', (cpu_cells($said))[0, 2],
                      rounded($said->{redis} * 1000 / $n),
                      of_times($said->{heartbeats}), $said->{late}[0],
                      $said->{lost}[0], rounded($said->{memory}[0] / 1e6) ];
    }
}
table([ 'edges', 'with calls', 'CPU of Redis, ms/s', 'of the crowd',
        'of Redis, us an edge', 'heartbeat answered, ms', 'late', 'lost',
        'memory of Redis, MB' ], @idle);

heading('Revocations');
my @revocations;
for my $n (@FLEETS) {
    for my $replicas (@REPLICAS) {
        for my $load ([ 0, 0 ], @LOADS) {
            my ($rate, $wait) = @$load;
            my $said = crowd_at($n, $replicas, $rate, $wait, 0);
            push @revocations, [ $n, $replicas, $rate, $wait ? 'yes' : 'no',
                cpu_cells($said), of_times($said->{heartbeats}),
                "$said->{late}[0] / $said->{lost}[0]",
                map { of_times($said->{$_}) } qw(read confirmed answered) ];
        }
    }
}
table([ 'edges', 'replicas', 'a second', 'waits', 'CPU of Redis, ms/s',
        'of each replica', 'of the crowd', 'heartbeat answered, ms',
        'late / lost', 'read by all, ms', 'reported by all', 'answered' ],
      @revocations);
note('Times are median / 99 of 100 / longest.');
