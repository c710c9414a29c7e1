#!/usr/bin/perl

# The file of a new table is made and written to the disk by a child of the
# worker.  The worker has no second thread, ever: that would make each of its
# calls slower.  A child that ends without an answer is said, and the next one
# does it; where there can be none, the worker does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes 'sleep';
use TRV;

my $ONCE = 1000;                        # ids a call

my $redis = redis();
my $edge = edge(redis => $redis, workers => 2,
                main => 'worker_cpu_affinity 01;');
my ($good, $bad) = (token(), token());
my $last_id = 0;

sub revoke_many {
    my ($times, @more) = @_;
    for (1 .. $times) {
        my @ids = map { sprintf '%016x%016x', ++$last_id, $last_id }
                  1 .. $ONCE - @more;
        my $answer = $edge->revoke({ ids => [ @ids, splice @more ] });
        return 0 if $answer->{status} !~ /^20[02]$/;
    }
    return 1;
}

sub jobs {
    my %jobs;
    for my $worker ($edge->workers) {
        for (split ' ', slurp("/proc/$worker/task/$worker/children")) {
            $jobs{$_} = 1 if slurp("/proc/$_/cmdline") =~ /token revocation job/;
        }
    }
    return keys %jobs;
}

sub threads {
    return map { slurp("/proc/$_/status") =~ /^Threads:\s+(\d+)/m ? $1 : 0 }
           $edge->workers;
}

sub cpus { slurp("/proc/$_[0]/status") =~ /^Cpus_allowed_list:\s+(\S+)/m; $1 }

sub rebuilds { scalar $edge->logged(qr/table \d+ is in force/) }


# a table is outgrown

ok(wait_for(10, sub { (() = threads()) == 2 }), 'two workers');
is_deeply([ threads() ], [ 1, 1 ], 'of one thread');
ok(revoke_many(10, token_id($bad)), 'revoked');

my @jobs;
ok(wait_for(10, sub { @jobs = jobs(); rebuilds() && @jobs }),
   'a table that a child has made is in force');
is_deeply([ threads() ], [ 1, 1 ], 'still of one thread');

# what it shares with its worker is no connection, no socket, no lock
my %open = map { (readlink($_) || '') => 1 } glob "/proc/$jobs[0]/fd/*";
delete $open{$_} for '', '/dev/null', $edge->{log};
is_deeply([ grep { m{^socket|/writer|/control|pipe} } keys %open ], [],
          'it holds nothing that is not its own');

is(cpus(($edge->workers)[0]), '0', 'a worker is bound to a CPU');
is(cpus($jobs[0]), cpus($edge->{pid}), 'the child is not');

is($edge->call($bad), 401, 'refused');
is($edge->call($good), 200, 'passed');
ok(wait_for(20, sub { !jobs() }), 'the child leaves');

# nobody has the old tables mapped any more
ok(wait_for(10, sub {
    !grep { slurp("/proc/$_/maps") =~ m{/table\.\S+ \(deleted\)} }
         $edge->workers;
}), 'and what they replace is unmapped');


# killed at whatever it does

allow_log(qr/\[alert\].*unknown process \d+ exited on signal 9/);
allow_log(qr{\[alert\].*is full: calls are answered as if it were stale});

my $killer = bless {}, 'TRV::Process';
$killer->fork_loop(sub {
    while (1) {
        kill 'KILL', jobs();
        sleep 0.0002;
    }
});

# some have done their work already: more tables, until one has not
my $said = qr/\[crit\].*cannot make table.*10: No child processes/;
my $calls = 10;
until ($edge->logged($said) || $calls == 1000) {
    revoke_many(1) or last;
    $calls++;
}
ok(scalar $edge->logged($said), "said, after $calls calls");

$killer->stop;
ok(scalar $edge->logged(qr/unknown process \d+ exited on signal 9/), 'killed');

ok(wait_for(10, sub {
    slurp($edge->{log}) =~ /.*cannot make table.*?\n.*table \d+ is in force/s
}), 'the next child makes one');
ok(wait_for(20, sub {
    my $state = $edge->state;
    $state->{agrees} && $state->{entries} == $calls * $ONCE;
}), 'nothing is lost') or diag(explain($edge->state));
ok(wait_for(10, sub { (() = glob "$edge->{replica}/table.*") == 1 }),
   'nothing is left behind')
    or diag(join "\n", glob "$edge->{replica}/table.*");
is($edge->call($bad), 401, 'refused');
is_deeply([ threads() ], [ 1, 1 ], 'still of one thread');


# where no child can be had, the worker does it

SKIP: {
    skip 'nothing limits the processes of root', 4
        unless grep { (stat "/proc/$_")[4] } $edge->workers;

    $edge->stop;

    # a sanitizer looks for leaks in a process of its own
    $edge = edge(redis => $redis, workers => 1,
                 under => [ 'prlimit', '--nproc=0' ],
                 env => { ASAN_OPTIONS => join ':', 'detect_leaks=0',
                          $ENV{ASAN_OPTIONS} || () });
    $edge->wait_ready;
    ok(wait_for(20, sub { $edge->state->{agrees} }), 'has read all of it');

    my $seen = 0;
    my $most = $calls + 2000;
    my $before = rebuilds();
    while (rebuilds() == $before && $calls < $most) {
        revoke_many(1) or last;
        $calls++;
        $seen += jobs();
    }
    cmp_ok(rebuilds(), '>', $before, "another table after $calls calls");
    is($seen, 0, 'of no child');
    ok(wait_for(20, sub {
        my $state = $edge->state;
        $state->{agrees} && $state->{entries} == $calls * $ONCE;
    }), 'nothing is lost') or diag(explain($edge->state));
}

finish();
