#!/usr/bin/perl

# GET history: what happened in each minute of the last hour, on all edges,
# whichever edge is asked, and whatever happened to edges and Redis meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::Local ();
use TRV;

# the clock of Redis counts, not those of edges
my $redis = redis(ahead => 1800);
my ($one, $two) = map { edge(redis => $redis, node => "edge-$_",
                             set => 'timeout 1s;') } 1, 2;
$_->wait_ready for $one, $two;

my ($token, $good) = (token(), token());
is($one->revoke({ token => $token }, Prefer => 'wait=5')->{status}, 200,
   'revoked');

sub history { json($_[0]->admin('history')->{body}) }

sub sum {
    my ($history, $what) = @_;
    my $sum = 0;
    $sum += $_->{$what} for @{ $history->{items} };
    return $sum;
}

my %want = (passed => 0, refused => 0, dry_run => 0, revocations => 1);

# all that happened and no more, on both edges
sub told {
    my ($name, $seconds) = @_;
    for my $edge ($one, $two) {
        my $got;
        wait_for($seconds || 15, sub {
            my $history = eval { history($edge) } or return;
            $got = { map { $_ => sum($history, $_) } keys %want };
            return "@$got{sort keys %want}" eq "@want{sort keys %want}";
        });
        is_deeply($got, \%want, "$name: $edge->{node} knows");
    }
}

sub calls {
    my ($edge, %n) = @_;
    $edge->call($good) for 1 .. $n{passed} || 0;
    $edge->call($token) for 1 .. $n{refused} || 0;
    $edge->call($token, '/dry-run/x') for 1 .. $n{dry_run} || 0;
    $want{$_} += $n{$_} for keys %n;
}


# two edges

calls($one, passed => 7, refused => 5);
calls($two, passed => 2, refused => 3, dry_run => 4);
told('calls');


# minutes of Redis, of which the last one is that which it is

sub minute { int($redis->command('TIME')->[0] / 60) }

sub minutes {
    return [ map {
        my ($y, $mon, $d, $h, $min) = $_->{minute} =~
            /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):00Z$/ or die $_->{minute};
        Time::Local::timegm(0, $min, $h, $d, $mon - 1, $y) / 60;
    } @{ $_[0]->{items} } ];
}

my ($before, $history, $after);
wait_for(5, sub {
    $before = minute();
    $history = history($two);
    $after = minute();
    return $before == $after;
});
is_deeply(minutes($history), [ $before - 59 .. $before ], 'an hour of minutes');
is_deeply([ sort keys %{ $history->{items}[0] } ],
          [ qw(dry_run minute passed refused revocations) ], 'each of them');
is(sum({ items => [ @{ $history->{items} }[0 .. 56] ] }, 'refused'), 0,
   'nothing happened before we began');


# how long revocations took, on both edges

my @delays = @{ $history->{propagation} };
is_deeply([ map { $_->{limit_ms} } @delays ],
          [ 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000,
            60000, undef ], 'limits of delays');
is(sum({ items => \@delays }, 'entries'),
   $one->metric('propagation_seconds_count')
   + $two->metric('propagation_seconds_count'), 'delays on both edges');


# reloads, and workers that are killed: what was counted stays counted

calls($one, refused => 3);
ok($one->reload, 'reloaded');
calls($one, refused => 3, passed => 1);

allow_log(qr/worker process \d+ exited on signal 9/);
my @workers = $one->workers;
kill 'KILL', @workers;
ok(wait_for(10, sub {
    my %old = map { $_ => 1 } @workers;
    my @new = $one->workers;
    return @new == @workers && !grep { $old{$_} } @new;
}), 'all workers were killed');
ok(wait_for(10, sub { $one->ready }), 'and others are ready');
calls($one, refused => 2);
told('reloaded and killed');


# an edge that leaves tells the rest, and begins anew within the same minute

calls($two, refused => 6);
ok($two->stop, 'stopped');
$two->start;
$two->wait_ready;
calls($two, refused => 1);
told('begun anew');


# Redis is away, then it has forgotten: what edges know they tell again, which
# is all since they began

ok($one->stop, 'stopped');
$one->start;
$one->wait_ready;
my $answer = $two->admin('history');
%want = (passed => 0, refused => 1, dry_run => 0, revocations => 0);
calls($one, refused => 2);

$redis->kill_hard;
is($two->admin('history')->{status}, 503, 'Redis is away');
calls($two, refused => 4, passed => 2);
$redis->start;
ok(wait_for(20, sub { $one->metric('agrees') && $two->metric('agrees') }),
   'the edges fill it again');
told('emptied', 20);


# minutes that are over, by hand: shown, and gone in time

my $minute = minute();
$redis->command('HSET', "{partners}:minute:" . ($minute - 10),
                'total', '100 20 3 0 0 1 4', 'x', '100 20 3 0 0 1 4');
$want{passed} += 100;
$want{refused} += 20;
$want{dry_run} += 3;
told('ten minutes ago');
$history = history($one);
my %at;
@at{ @{ minutes($history) } } = @{ $history->{items} };
is_deeply([ @{ $at{$minute - 10} }{qw(passed refused)} ], [ 100, 20 ],
          'where it belongs');
is_deeply([ map { $_->{entries} } @{ $history->{propagation} }[0 .. 4] ],
          [ 0, 0, 1, 4, 0 ], 'delays, too');

for my $key (map { "{partners}:minute:$_" } $minute - 1 .. $minute) {
    my $left = $redis->command('TTL', $key);
    next if $left == -2;
    cmp_ok($left, '>', 58 * 60, 'a minute is kept for an hour');
    cmp_ok($left, '<=', 63 * 60, 'and not much longer');
}

$redis->command('RENAME', '{partners}:minute:' . ($minute - 10),
                '{partners}:minute:' . ($minute - 60));
$want{passed} -= 100;
$want{refused} -= 20;
$want{dry_run} -= 3;
told('an hour ago is not shown');


# what is there by hand and is none

$redis->command('HSET', '{partners}:minute:' . ($minute - 20), 'total', 'x -1 y');
$redis->command('SET', '{partners}:minute:' . ($minute - 21), 'x');
told('no numbers');

my $this_minute = minute();
for my $n (0 .. 2) {
    my $key = '{partners}:minute:' . ($this_minute + $n);
    $redis->command('DEL', $key);
    $redis->command('SET', $key, 'x');
}
$one->call($token);
ok(wait_for(15, sub { $one->logged(qr/WRONGTYPE \{partners\}:minute:\d/) }),
   'a key of another type is no place to count in');
is($one->metric('agrees'), 1, 'and the edge is well');
is($one->admin('history')->{status}, 200, 'nor is it shown');


# who may ask, and how

is($one->admin('history', 'merchant a')->{status}, 403, 'no merchant');
is($one->admin('history?since=1')->{status}, 400, 'no arguments');
is($one->request('POST', '/token-revoke/history',
                 headers => [ 'X-Principal' => 'operator ann' ])->{status}, 405,
   'nothing to post');

finish();
