#!/usr/bin/perl

# Every way in which Redis and the edges can come to differ: whatever one of
# them knows all of them know in the end, nothing is lost and nothing invented,
# and the edges say why they merged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Clock;
use TRV::Fleet;

my $fleet = TRV::Fleet->new(3, set => 'timeout 1s;');
my ($one, $two, $three) = $fleet->edges;

my $good = token();
my @acked;                              # each of them was answered with 200
my $day = 86400;
my $clock = TRV::Clock->new;            # of the fourth edge

sub redis_is { $fleet->redis->command(@_) }
sub key { "{partners}:$_[0]" }

# revokes n fresh tokens; returns them
sub revoke {
    my ($edge, $n, %more) = @_;
    my @tokens = map { token() } 1 .. $n;
    my $answer;

    # repeating is safe: the link of a worker may be about to come back
    wait_for(10, sub {
        $answer = $edge->revoke({ tokens => \@tokens, %more });
        $answer->{status} == 200;
    }) or die "not revoked on $edge->{node}: $answer->{raw}\n";

    push @acked, @tokens;
    return @tokens;
}

sub expiry {
    my ($days) = @_;
    my @t = gmtime(time + $days * $day);
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1,
                   @t[3, 2, 1, 0];
}

sub members { redis_is('ZCARD', key('revoked')) }

my %seen;                               # bytes of each log read so far

# causes of merges since the last look, as "edge-1:gap"
sub causes {
    my @causes;
    for my $edge ($fleet->edges) {
        my $text = slurp($edge->{log});
        my $new = substr $text, $seen{ $edge->{node} } // 0;
        $seen{ $edge->{node} } = length $text;
        push @causes, map { "$edge->{node}:$_" }
                      $new =~ /merged with Redis \((\w+)/g;
    }
    return join ' ', @causes;
}

# in the end of each case
sub healed {
    my ($name, $cause, $since) = @_;

    ok($fleet->settled($since), "$name: all agree")
        or diag(map { $_->last_lines } $fleet->edges);

    for my $edge ($fleet->edges) {
        my @passed = $fleet->judged_otherwise($edge, 401, @acked);
        is(scalar @passed, 0, "$name: $edge->{node} refuses all " . @acked);
        is($edge->call($good), 200, "$name: and nothing else");
    }

    is(members(), scalar @acked, "$name: neither lost nor invented in Redis");
    my $causes = causes();
    like($causes, $cause, "$name: the cause");
}

# whether a script was sent by way of a proxy
sub asked {
    my ($proxy, $name) = @_;
    return $proxy->counts->{scripts}{$name};
}

sub restart_redis {
    my ($dump) = @_;
    my $redis = $fleet->redis;
    $redis->kill_hard;
    unlink "$redis->{dir}/dump.rdb" unless $dump;
    $redis->start;
    unlink "$redis->{dir}/dump.rdb";
}


# name, causes that are to be logged, what is done

my @cases = (

[ 'log trimmed past an edge, and nothing follows', qr/edge-3:stuck/, sub {
    $fleet->cut_off(2);
    revoke($one, 5);
    redis_is('XTRIM', key('log'), 'MAXLEN', 0);
    $fleet->connect(2);
} ],

[ 'log trimmed past an edge, and entries follow', qr/edge-3:gap/, sub {
    $fleet->cut_off(2);
    revoke($one, 5);
    redis_is('XTRIM', key('log'), 'MAXLEN', 0);
    revoke($one, 1);
    $fleet->connect(2);
} ],

[ 'log is gone: ids of edges above its top', qr/edge-1:behind/, sub {
    redis_is('DEL', key('log'));
} ],

[ 'replication id changed', qr/edge-1:replication_id/, sub {
    redis_is('REPLICAOF', '127.0.0.1', 1);
    redis_is('REPLICAOF', 'NO', 'ONE');
} ],

[ 'FLUSHALL', qr/:unborn/, sub { redis_is('FLUSHALL') } ],

[ 'restarted empty', qr/:unborn/, sub { restart_redis() } ],

[ 'restarted with an older dump', qr/:replication_id/, sub {
    redis_is('SAVE');
    revoke($two, 7);
    restart_redis('dump');
} ],

[ 'two edges and Redis know different things', qr/edge-[12]:/, sub {
    $fleet->cut_off(1, 2);
    revoke($one, 3);                    # on edge 1 alone, once Redis is empty
    $fleet->cut_off(0);
    restart_redis();
    $fleet->connect(1);
    wait_for(10, sub { members() }) or die "edge 2 does not fill Redis\n";
    revoke($two, 4);                    # on edge 2 alone
    $fleet->cut_off(1);
    restart_redis();
    $fleet->connect(2);
    wait_for(10, sub { members() }) or die "edge 3 does not fill Redis\n";
    revoke($three, 5);                  # on Redis and edge 3 only
    $fleet->connect(0, 1);
} ],

[ 'total digest wrong', qr/:(digest|count)/, sub {
    my $total = redis_is('HGET', key('days'), 'total');
    redis_is('HSET', key('days'), 'total', $total =~ tr/0-9a-f:/1-9a-f0:/r);
} ],

[ 'total digest is none', qr/:count/, sub {
    redis_is('HSET', key('days'), 'total', 'junk');
} ],

[ 'digest of a day wrong, and of the total', qr/:(digest|count)/, sub {
    my %days = @{ redis_is('HGETALL', key('days')) };
    my ($some) = grep { $_ ne 'total' } keys %days;
    redis_is('HSET', key('days'), $some, '1:' . '0' x 32);
    redis_is('HSET', key('days'), 'total', '1:' . '0' x 32);
} ],

[ 'revoked is gone', qr/:count/, sub { redis_is('DEL', key('revoked')) } ],
[ 'days is gone', qr/:count/, sub { redis_is('DEL', key('days')) } ],

[ 'an operator takes one back', qr/:count/, sub {
    redis_is('ZREM', key('revoked'), token_id($acked[2]));
} ],

[ 'only the digest is wrong', qr/:digest/, sub {

    # the number fits then: only the digest can tell
    my ($n, $xor) = split /:/, redis_is('HGET', key('days'), 'total');
    my $other = unpack 'H*', pack('H*', $xor) ^ pack('H*', token_id(token()));
    redis_is('HSET', key('days'), 'total', "$n:$other");
} ],

[ 'set id is gone', qr/:unborn/, sub { redis_is('HDEL', key('meta'), 'set_id') } ],

[ 'another set id', qr/edge-1:set_id/, sub {
    redis_is('HSET', key('meta'), 'set_id', '0123456789abcdef' x 2);
} ],

[ 'expiries raised while an edge merges', qr/edge-3:(gap|stuck)/, sub {
    my @tokens = map { revoke($one, 1000, expires_at => expiry(9)) } 1 .. 2;
    $fleet->settled($fleet->now) or die "not settled\n";
    $fleet->cut_off(2);
    revoke($one, 1, expires_at => expiry(9));
    redis_is('XTRIM', key('log'), 'MAXLEN', 0);
    revoke($one, 1, expires_at => expiry(9));

    # each page takes a while, and what it holds moves to a later day meanwhile
    $fleet->proxy(2)->fault(delay_ms => 100);
    my $n = 12;
    for my $part (map { [ splice @tokens, 0, 200 ] } 1 .. 10) {
        my $expires_at = expiry($n++);
        my $answer;
        wait_for(10, sub {
            $answer = $one->revoke({ tokens => $part,
                                     expires_at => $expires_at });
            $answer->{status} == 200;
        }) or die "not raised: $answer->{raw}\n";
        Time::HiRes::sleep(0.1);
    }
    $fleet->connect(2);
} ],

[ 'Redis evicts', qr/:(unborn|count|behind|gap|stuck|digest)/, sub {
    redis_is('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
    redis_is('CONFIG', 'SET', 'maxmemory', 1);
    wait_for(10, sub { redis_is('DBSIZE') < 3 }) or die "evicts nothing\n";
    redis_is('CONFIG', 'SET', 'maxmemory', 0);
    wait_for(15, sub { $one->logged(qr/\[error\].*Redis may evict keys/) })
        or die "not said that Redis evicts\n";
    redis_is('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
} ],

[ 'unborn, and a new edge is there before those that know', qr/edge-1:unborn/,
  sub {
    my $id = redis_is('HGET', key('meta'), 'set_id');
    $fleet->cut_off(0 .. 2);
    redis_is('FLUSHALL');

    my $new = $fleet->add('edge-4', env => $clock->env);
    my $proxy = $fleet->proxy(3);
    wait_for(10, sub { asked($proxy, 'heartbeat') }) or die "asks nothing\n";
    is($new->call($_), 503, 'a new edge knows nothing yet')
        for $good, $acked[0];
    is(redis_is('EXISTS', key('meta')), 0, 'and waits for those that know');
    $proxy->fault(stall => 'both');

    $fleet->connect(0);
    wait_for(10, sub { members() == @acked }) or die "edge 1 does not fill\n";
    is(redis_is('HGET', key('meta'), 'set_id'), $id, 'it is the same set');
    $fleet->connect(1 .. 3);
} ],

[ 'unborn, and a new edge is there for long', qr/edge-1:(set_id|gap)/, sub {
    my $id = redis_is('HGET', key('meta'), 'set_id');
    $fleet->cut_off(0 .. 3);
    redis_is('FLUSHALL');
    my $new = $fleet->add('edge-5');
    $new->wait_ready;
    isnt(redis_is('HGET', key('meta'), 'set_id'), $id, 'it is another set');
    is($new->call($acked[0]), 200, 'which knows nothing');
    $fleet->connect(0 .. 3);
} ],

[ 'a day that is wrong though the total is right, until the daily scrub',
  qr/edge-4:daily/, sub {
    my %days = @{ redis_is('HGETALL', key('days')) };
    my ($some) = grep { $_ ne 'total' } sort keys %days;
    redis_is('HSET', key('days'), $some, '1:' . '0' x 32);
    $clock->set(0, 2 * $day);           # two days go by on one edge
} ],

);

revoke($one, 20);
ok($fleet->settled($fleet->now), 'at first all agree');
causes();

my $only = shift @ARGV;

for my $case (@cases) {
    my ($name, $cause, $do) = @$case;
    next if defined $only && $name !~ /$only/;

    my $start = Time::HiRes::time();
    eval { $do->(); 1 } or fail("$name: $@");
    healed($name, $cause, $fleet->now);
    note(sprintf '%s: %.1f s', $name, Time::HiRes::time() - $start);
}

finish();
