#!/usr/bin/perl

# Evidence after the revocation: how often a revoked token was still tried, and
# when last, over all edges, whatever happens to edges and Redis meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my $proxy = proxy($redis);
my ($one, $two) = map { edge(redis => $_ == 1 ? $proxy : $redis,
                             node => "edge-$_",
                             set => 'timeout 1s;') } 1, 2;
$_->wait_ready for $one, $two;

my ($token, $quiet, $good) = map { token() } 1 .. 3;
my $id = token_id($token);

is($one->revoke({ tokens => [ $token, $quiet ] }, Prefer => 'wait=5')->{status},
   200, 'revoked');

sub shown { json($one->admin("revocations/$_[0]")->{body}) }

my $tries = 0;

# tries at edges, then all of them and no more are known
sub tried {
    my ($name, $seconds) = @_;
    my $got;
    wait_for($seconds || 6, sub { ($got = shown($id)->{tries} // 0) >= $tries });
    is($got, $tries, $name);
}

is_deeply([ @{ shown($id) }{qw(tries last_try)} ], [ 0, undef ],
          'not tried yet');


# two edges

my $before = time;
$one->call($token) for 1 .. 5;
$two->call($token) for 1 .. 7;
$two->call($good) for 1 .. 3;
$tries += 12;
tried('tries of both edges');

my ($y, $mon, $d, $h, $min, $s) = shown($id)->{last_try} =~ /\d+/g;
require Time::Local;
my $last = Time::Local::timegm($s, $min, $h, $d, $mon - 1, $y);
cmp_ok($last, '>=', $before - 1, 'the last one, not before it was');
cmp_ok($last, '<=', time, 'and not after');

is(shown(token_id($quiet))->{tries}, 0, 'the other one was not tried');

my ($item) = grep { $_->{id} eq $id }
             @{ json($two->admin('revocations')->{body})->{items} };
is($item->{tries}, $tries, 'GET revocations shows it');
is($item->{last_try}, shown($id)->{last_try}, 'and when');

is(shown($id)->{by}, 'operator ann', 'what was known is still');

# a moment that does not go back: the slower edge may tell of an older one

my $was = shown($id)->{last_try};
$one->call($token);
$tries++;
tried('one more');
cmp_ok(shown($id)->{last_try}, 'ge', $was, 'the last is the last');


# a bulk load: revoked without a record

my $bulk = token();
$redis->command('ZADD', '{partners}:revoked', time + 86400 * 30, token_id($bulk));
$redis->command('HDEL', '{partners}:days', 'total');
ok(wait_for(10, sub { $one->call($bulk) == 401 }), 'a bulk load is refused');
ok(wait_for(6, sub { (shown(token_id($bulk))->{tries} // 0) >= 1 }), 'and counted');
($item) = grep { $_->{id} eq token_id($bulk) }
          @{ json($two->admin('revocations')->{body})->{items} };
cmp_ok($item->{tries}, '>=', 1, 'also in the list');
ok(!defined $item->{by}, 'by nobody knows');
ok(wait_for(10, sub { $_->metric('agrees') }), 'agrees again') for $one, $two;


# reloads, and a writer that is killed

$one->call($token) for 1 .. 4;
ok($one->reload, 'reloaded');
$one->call($token) for 1 .. 4;
$tries += 8;
tried('tries before and after a reload', 10);

allow_log(qr/worker process \d+ exited on signal 9/);

sub kill_workers {
    my @workers = $one->workers;
    kill 'KILL', @workers;
    ok(wait_for(10, sub {
        my %old = map { $_ => 1 } @workers;
        my @new = $one->workers;
        @new == @workers && !grep { $old{$_} } @new;
    }), 'all workers were killed');
    ok(wait_for(10, sub { $one->ready }), 'and others are ready');
}

$one->call($token) for 1 .. 20;
kill_workers();
$tries += 20;
tried('what killed workers have seen is counted', 10);

# Redis has taken a batch, and those who wait for its answer are killed

my $faulty = $proxy->counts->{faulty};
$proxy->fault(replace => [[ '^EVALSHA tries', '', 1 ]]);
$one->call($token) for 1 .. 20;
ok(wait_for(5, sub { $proxy->counts->{faulty} > $faulty }), 'on the way');
$one->call($token) for 1 .. 10;
kill_workers();
$tries += 30;
tried('and counted once, though its answer was not heard', 10);

# the same without anybody being killed

$faulty = $proxy->counts->{faulty};
$proxy->fault(replace => [[ '^EVALSHA tries', 'cut', 2 ],
                          [ '^EVALSHA tries', "-OOM told to\r\n", 1 ]]);
$one->call($token) for 1 .. 20;
ok(wait_for(10, sub { $proxy->counts->{faulty} == $faulty + 3 }),
   'three answers are lost');
$tries += 20;
$proxy->clear;
tried('and the batch is counted once', 10);


# Redis is away, and answers that get lost

$redis->freeze;
$one->call($token) for 1 .. 10;
Time::HiRes::sleep(1.5);
$two->call($token) for 1 .. 10;
$tries += 20;
$redis->thaw;
tried('tries while Redis was frozen', 10);

ok(wait_for(5, sub { $one->metric('tries_pending') == 0 }),
   'nothing is pending');
my $kept = $redis->command('ZCARD', '{partners}:revoked');
$redis->kill_hard;
$one->call($token) for 1 .. 3;
ok(wait_for(3, sub { $one->metric('tries_pending') == 3 }), 'pending');
$redis->start;
my $lost = $tries;                       # this Redis came back empty
$tries = 3;
ok(wait_for(20, sub {
    $redis->command('ZCARD', '{partners}:revoked') == $kept
        && $one->metric('agrees') && $two->metric('agrees');
}), 'the edges fill it again');
tried('and tell of what is pending', 10);


# Redis is full: a batch is taken whole or not at all

$redis->command('CONFIG', 'SET', 'maxmemory', 1);
$one->call($token) for 1 .. 5;
$tries += 5;
my $failures = $one->metric('report_failures_total');
ok(wait_for(5, sub { $one->metric('report_failures_total') >= $failures + 3 }),
   'Redis is full');
is($one->metric('tries_pending'), 5, 'they are kept');
$redis->command('CONFIG', 'SET', 'maxmemory', 0);
tried('counted once when it has room', 10);


# an edge that ends tells the last ones

$two->call($token) for 1 .. 6;
$tries += 6;
ok($two->stop, 'stopped');
tried('those of an edge that has left');
$two->start;
$two->wait_ready;


# more tokens than a worker has room for

my @many = map { token() } 1 .. 700;
is($one->revoke({ tokens => \@many }, Prefer => 'wait=5')->{status}, 200,
   'hundreds');
my $calls = 0;
for my $t (@many) {
    $calls++ if $one->call($t) == 401;
}
is($calls, 700, 'all are refused');
sub total {
    my $sum = 0;
    for my $t (@many) {
        my $n = $redis->command('HGET', '{partners}:revocation:' . token_id($t),
                                'tries');
        $sum += $n || 0;
    }
    return $sum;
}
ok(wait_for(15, sub { $one->metric('tries_pending') == 0 }), 'told in batches');
is(total() + $one->metric('tries_dropped_total'), 700,
   'each is in the evidence, or counted as dropped: '
   . $one->metric('tries_dropped_total'));


# a flood of one token

my $n = $ENV{TRV_NGINX} ? 10000 : 30000;
my $commands = commands();
my $load = `h2load --h1 -B unix:$one->{socket} -n $n -c 8 -H 'Authorization: Bearer $token' http://edge/file/file 2>&1`;
like($load, qr/ $n 4xx/, 'a flood');
$tries += $n;
tried('is counted', 15);
$commands = commands() - $commands;
cmp_ok($commands, '<', 100, "and Redis has heard of it $commands times");

sub commands {
    my ($calls) = $redis->command('INFO', 'commandstats')
                  =~ /cmdstat_hincrby:calls=(\d+)/;
    return $calls || 0;
}


# what is there by hand, and what is gone

$redis->command('DEL', "{partners}:revocation:$id");
$redis->command('SET', "{partners}:revocation:$id", 'x');
$one->call($token) for 1 .. 2;
ok(wait_for(6, sub { $one->metric('tries_pending') == 0 }), 'wrong type: let go');
$redis->command('DEL', "{partners}:revocation:$id");
$redis->command('HSET', "{partners}:revocation:$id", 'tries', 'x', 'last_try', 'x');
$one->call($token) for 1 .. 2;
ok(wait_for(6, sub { $one->metric('tries_pending') == 0 }), 'no number: let go');
my $answer = $one->admin("revocations/$id");
is($answer->{status}, 200, 'shown');
ok(!defined json($answer->{body})->{tries}, 'as not known');
is($one->metric('agrees'), 1, 'the edge is well');

# a dry run lets it in, and is evidence all the more

$redis->command('DEL', "{partners}:revocation:$id");
is($one->call($token, '/dry-run/x'), 200, 'a dry run');
$tries = 1;
tried('is a try');

finish();
