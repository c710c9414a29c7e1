#!/usr/bin/perl

# Many edges at one Redis: from the POST of a revocation until all of them
# refuse its token, revocations a second in bulk, and what Redis does for edges
# that have nothing to do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use JSON::PP ();
use List::Util qw(max sum0);
use POSIX ();
use Time::HiRes qw(time sleep);
use TRV;
use TRV::Http;

my $LEN = 43;
my $RATE = 100;
my $SECONDS = quick() ? 3 : 10;
my $IDLE = quick() ? 3 : 10;
my $CALLS = quick() ? 100 : 500;
my $IDS = 1000;                         # of a call in bulk
my @FLEETS = (1, 3, quick() ? () : 50);

# commands of the edges, those inside of their scripts not counted
sub round_trips {
    my ($redis) = @_;
    my $text = $redis->command('INFO', 'commandstats');
    return sum0($text =~ /^cmdstat_(?:evalsha|xread|ping|wait):calls=(\d+)/mg);
}


# one revocation after the other, each POSTed to the next edge; for each of
# them ms from the first byte sent to the last edge that has it in its table
sub latency {
    my ($redis, @edges) = @_;

    my $n = $RATE * $SECONDS;
    my @tokens = split /\n/, capture(program('tokens'), 'list', 0, $n, $LEN);
    my @requests = map { TRV::Http::revocation({ token => $_ }) } @tokens;
    my @links = map { TRV::Http::open_link($_->{socket}) } @edges;

    # a file: it does not wait for anybody to read
    my $seen = dir() . '/watch';
    my $watch = fork // die "fork: $!\n";
    if ($watch == 0) {
        open STDOUT, '>', $seen or POSIX::_exit(2);
        exec program('watch'), $LEN, $SECONDS + 20, 1, 0, $n,
             map { $_->{replica} } @edges or POSIX::_exit(2);
    }
    wait_for(10, sub { slurp($seen) =~ /^watching/ }) or die;

    my $cpu = cpu_ns($redis->{pid});
    my ($begin, @sent, @answered) = time;
    for my $i (0 .. $n - 1) {
        my $left = $begin + $i / $RATE - time;
        sleep $left if $left > 0;
        $sent[$i] = time;
        my $answer = TRV::Http::ask($links[$i % @links], $requests[$i]);
        die "$answer->{status}: $answer->{body}" if $answer->{status} != 200;
        $answered[$i] = 1000 * (time - $sent[$i]);
    }

    waitpid $watch, 0;
    die "not all edges have all of them\n" if $?;

    my @last;
    for (slurp($seen) =~ /^(\d.*)/mg) {
        my ($token, $edge, $when) = split;
        my $ms = 1000 * ($when - $sent[$token]);
        $last[$token] = $ms if $ms > ($last[$token] || 0);
    }

    return [ map { sprintf '%.1f', $_ } quantile(0.5, @answered),
             quantile(0.99, @answered), quantile(0.5, @last),
             quantile(0.99, @last), max(@last),
             (cpu_ns($redis->{pid}) - $cpu) / 1000 / $n ];
}


# whether a caller in bulk has ended
sub ended {
    my ($pid) = @_;
    waitpid($pid, POSIX::WNOHANG()) or return 0;
    die "a bulk call was refused\n" if $?;
    return 1;
}


# a second, on one edge, from two clients; how long until all edges agree; and
# bytes of the table in force, and of all tables, by its entries
sub bulk {
    my ($before, @edges) = @_;

    my @ids = map { token_id("bulk $_") } 1 .. $CALLS * $IDS;
    my @bodies = map {
        TRV::Http::revocation({ ids => [ splice @ids, 0, $IDS ] })
    } 1 .. $CALLS;

    my $begin = time;
    my @pids = map {
        my $who = $_;
        my $pid = fork // die "fork: $!\n";
        if ($pid == 0) {
            my $link = TRV::Http::open_link($edges[0]{socket});
            for (grep { $_ % 2 == $who } 0 .. $#bodies) {
                TRV::Http::ask($link, $bodies[$_])->{status} == 200
                    or POSIX::_exit(1);
            }
            POSIX::_exit(0);
        }
        $pid;
    } 0, 1;

    my (@force, @all);
    while (@pids) {
        sleep 0.1;
        my $entries = $edges[0]->metric('entries');
        my @bytes = sort { $a <=> $b } map { -s || () }
                    glob "$edges[0]{replica}/table.*";
        if ($entries > $CALLS * $IDS / 10 && @bytes) {
            push @force, $bytes[0] / $entries;
            push @all, sum0(@bytes) / $entries;
        }
        @pids = grep { !ended($_) } @pids;
    }
    my $took = time - $begin;

    for my $edge (@edges) {
        wait_for(60, sub {
            my $state = $edge->state;
            $state->{entries} == $before + $CALLS * $IDS && $state->{agrees};
        }) or die "$edge->{node} did not keep up: " . JSON::PP::encode_json($edge->state) . "\n";
    }

    return [ sprintf('%.0f', $CALLS * $IDS / $took),
             sprintf('%.1f', time - $begin - $took),
             sprintf('%.1f', sum0(@force) / @force), sprintf('%.1f', max(@all)) ];
}


my @latency = [ 'edges', 'answered, median ms', 'p99', 'refused by all, median ms',
                'p99', 'longest', 'CPU of Redis, us each' ];
my @idle = [ 'edges', 'round trips a second, each', 'CPU of Redis, %' ];
my @bulk = [ 'edges', 'revocations a second',
             's more until all edges have them and agree',
             'bytes each meanwhile, on average', 'most, with a table being made' ];

for my $n (@FLEETS) {
    my $redis = redis();
    my @edges = map { edge(redis => $redis, node => "edge-$_", workers => 1,
                           http => 'keepalive_requests 1000000;') } 1 .. $n;
    $_->wait_ready for @edges;

    sleep 3;
    my ($trips, $cpu, $began) = (round_trips($redis), cpu_ns($redis->{pid}), time);
    sleep $IDLE;
    my $seconds = time - $began;
    push @idle, [ $n,
        sprintf('%.1f', (round_trips($redis) - $trips) / $seconds / $n),
        sprintf('%.2f', (cpu_ns($redis->{pid}) - $cpu) / 1e7 / $seconds) ];

    if ($n > 1) {
        push @latency, [ $n, @{ latency($redis, @edges) } ];
    }
    if ($n < 5) {
        push @bulk, [ $n, @{ bulk($n > 1 ? $RATE * $SECONDS : 0, @edges) } ];
    }

    $_->stop for @edges;
    $redis->stop;
}

heading("From the POST of a revocation to its refusal, $RATE a second");
table(@latency);

heading("Revocations in bulk, $IDS a call, two callers of one edge");
table(@bulk);

heading('Redis, and edges that have nothing to do');
table(@idle);
