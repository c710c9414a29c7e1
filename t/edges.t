#!/usr/bin/perl

# GET edges: what it says of an edge is so, and what an edge measures of itself:
# lag, and how long revocations take.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my ($one, $two) = fleet(2, $redis, workers => 1, set => 'timeout 1s;');

sub edges {
    return { map { $_->{node} => $_ }
             @{ json($one->admin('edges')->{body})->{items} } };
}

ok(wait_for(5, sub { keys %{ edges() } == 2 }), 'two edges');
is($one->revoke({ token => token() }, Prefer => 'wait=5')->{status}, 200,
   'revoked');

sub log_last { $redis->command('XREVRANGE', '{partners}:log', '+', '-',
                               'COUNT', 1)->[0][0] }

my $edges;
ok(wait_for(5, sub {
    $edges = edges();
    !grep { !$_->{at_end} || !$_->{agrees} || $_->{entries} != 1
            || !defined $_->{last_contact} } values %$edges;
}), 'both are there');

for my $edge ($one, $two) {
    my $item = $edges->{ $edge->{node} };
    my ($table) = glob "$edge->{replica}/table.*";
    is($item->{position}, log_last(), 'position: the end of the log');
    is($item->{lag_ms}, 0, 'no lag');
    is($item->{bytes}, -s $table, 'bytes');
    cmp_ok($item->{contact_age_ms}, '<', 3000, 'contact');
    is_deeply([ map { $item->{$_} ? 1 : 0 } qw(live lost) ], [ 1, 0 ], 'alive');
    like($item->{edge}, qr/^\Q$edge->{node}\E:[0-9a-f]{16}$/, 'its name');
    like($item->{$_}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, $_)
        for qw(heard_from last_contact);
    like($item->{version}, qr/^\d+\.\d+\.\d+$/, 'version');
    like($item->{replication_id}, qr/^[0-9a-f]{40}$/, 'replication id');
    ok(!exists $item->{time}, 'nothing else');
}

my $fast = $two->metric('propagation_seconds_bucket le="1.000"');
is($fast, $two->metric('propagation_seconds_count'), 'the first was fast');


# an edge that is stopped: the log has gone on without it

kill 'STOP', $two->writer || die "no writer\n";
my $stopped = Time::HiRes::time();
Time::HiRes::sleep(1.5);
my $before_revoke = Time::HiRes::time();
is($one->revoke({ token => token() })->{status}, 200, 'another');
my $revoked = Time::HiRes::time();
is($one->revoke({ token => token() })->{status}, 200, 'and another');

ok(wait_for(3, sub { edges()->{'edge-2'}{lag_ms} > 0 }), 'it lags');
ok(!edges()->{'edge-2'}{at_end}, 'it is not at the end');

ok(wait_for(10, sub { edges()->{'edge-2'}{lost} }), 'it is lost');
my $asked = Time::HiRes::time();
my $item = edges()->{'edge-2'};
my $got = Time::HiRes::time();
my $ms = 1000 * ($asked - $revoked);
ok(!$item->{live}, 'and not alive');
cmp_ok($item->{lag_ms}, '>=', $ms - 10,
       'it lags since the first that it lacks');
cmp_ok($item->{lag_ms}, '<=', 1000 * ($got - $before_revoke) + 10,
       'and not longer');
cmp_ok($item->{contact_age_ms}, '>=', 1000 * ($revoked - $stopped),
       'its contact grows old, though it does not say so');
is(edges()->{'edge-1'}{lag_ms}, 0, 'the other one does not lag');

kill 'CONT', $two->writer;
ok(wait_for(10, sub {
    $item = edges()->{'edge-2'};
    $item->{at_end} && $item->{live} && $item->{agrees};
}), 'it comes back');
is($item->{lag_ms}, 0, 'and does not lag');

my $m;
ok(wait_for(5, sub {
    $m = $two->metrics;
    $m->{propagation_seconds_count} == 3 || $m->{'merges_total cause="stuck"'};
}), 'it has the rest');
is($m->{'propagation_seconds_bucket le="1.000"'}, $fast,
   'what came late is not counted as fast');
is($m->{'propagation_seconds_bucket le="+Inf"'}, 3, 'but counted');
cmp_ok($m->{propagation_seconds_sum}, '>=', 2 * ($ms / 1000 - 1), 'as late');


is($two->metric('lag_seconds'), '0.000', 'by its own measure, too');


# a Redis that may evict is an alarm, once

is($two->metric('redis_evicts'), 0, 'Redis does not evict');
$redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
for my $edge ($one, $two) {
    ok(wait_for(15, sub { $edge->metric('redis_evicts') }), 'it may: metric');
    ok(wait_for(1, sub { $edge->logged(qr/\[error\].*maxmemory-policy/) }), 'and log');
}
$redis->command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru');
ok(wait_for(15, sub { !$two->metric('redis_evicts') }), 'what has a TTL may go');
is(scalar $two->logged(qr/maxmemory-policy/), 1, 'said once');
is(scalar $two->logged(qr/does not evict keys any more/), 1, 'and its end');


# one with another name is the same edge, and the old name is not lost

my ($instance) = edges()->{'edge-2'}{edge} =~ /:(.*)/;
$two->configure(node => 'renamed');
ok($two->reload, 'a reload with another node');
ok(wait_for(10, sub { edges()->{renamed} }), 'it has the other name');
is(join(' ', sort keys %{ edges() }), 'edge-1 renamed', 'and no other');
is(edges()->{renamed}{edge}, "renamed:$instance", 'it is the same edge');
is_deeply(json($one->revoke({ token => token() }, Prefer => 'wait=10')->{body})
              ->{edges}, { live => 2, confirmed => 2, lost => 0 },
          'none is lost');


# an edge that leaves is forgotten at once

ok($two->stop, 'stopped');
ok(wait_for(5, sub { keys %{ edges() } == 1 }), 'one edge is left');

# what is no report does no harm

$redis->command('HSET', '{partners}:edges', 'junk', '{');
$redis->command('HSET', '{partners}:edges', 'junk2',
                '{"time":' . int(1000 * time) . ',"node":5,"contact_age_ms":"x",'
                . '"position":"99999999999999999999-1"}');
my ($junk) = grep { $_->{edge} eq 'junk2' }
             @{ json($one->admin('edges')->{body})->{items} };
ok($junk && !defined $junk->{last_contact}, 'junk by hand is shown as it is');

finish();
