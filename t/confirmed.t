#!/usr/bin/perl

# Proof of enforcement: which edges are alive, which have confirmed that they
# refuse a token, and which are lost.  "Confirmed" is never said of an edge
# that lets the token pass.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my @edges = fleet(3, $redis);
my ($first, $second, $third) = @edges;

# revokes on the first edge, waiting; the answer's body and the seconds it took
sub proof {
    my ($body, $wait) = @_;
    my $start = Time::HiRes::time();
    my $answer = $first->revoke($body, $wait ? (Prefer => "wait=$wait") : ());
    my $seconds = Time::HiRes::time() - $start;
    is($answer->{status}, 200, 'revoked');
    is(TRV::Http::header($answer, 'Preference-Applied'), "wait=$wait",
       'the preference was applied') if $wait;
    return (json($answer->{body}), $seconds);
}

sub edges_are {
    my ($body, $live, $confirmed, $lost, $name) = @_;
    is_deeply($body->{edges}, { live => $live, confirmed => $confirmed,
                                lost => $lost }, $name);
}

sub refused_by {
    my ($token, @all) = @_;
    is(scalar(grep { $_->call($token) == 401 } @all), scalar @all,
       'those that have confirmed refuse it');
}


# how a preference may be written (RFC 7240); of several the first counts

for my $case ([ 'wait=5', 5 ], [ 'WAIT=5', 5 ], [ 'wait = 5', 5 ],
              [ 'wait="5"', 5 ], [ 'respond-async, wait=5', 5 ],
              [ 'wait=5;x=y', 5 ], [ 'a="b,wait=7", wait=5', 5 ],
              [ 'a;b="x\\",wait=7";c , wait=5', 5 ], [ 'wait=5, wait=7', 5 ],
              [ ',,wait=5', 5 ], [ 'wait=99', 30 ], [ 'wait=0', '' ],
              [ 'wait=-1', '' ], [ 'wait=x', '' ], [ 'wait', '' ],
              [ 'wait=', '' ], [ 'await=5', '' ], [ 'wait=x, wait=5', '' ],
              [ 'wait="', '' ], [ '"wait=5', '' ], [ 'wait=99999999999999', 30 ],
              [ 'wait=99999999999999999999', 30 ], [ 'wait=5x', '' ],
              [ '=5', '' ], [ ';;', '' ], [ 'a="\\', '' ])
{
    my ($prefer, $seconds) = @$case;
    my $answer = $first->revoke({ token => token() }, Prefer => $prefer);
    is($answer->{status}, 200, "Prefer: $prefer");
    is(TRV::Http::header($answer, 'Preference-Applied'),
       $seconds && "wait=$seconds", 'is understood so');
}

my $dry = $first->revoke({ token => token(), dry_run => JSON::PP::true() },
                         Prefer => 'wait=5');
is($dry->{status}, 200, 'a dry run');
is(TRV::Http::header($dry, 'Preference-Applied'), '', 'waits for nothing');


# all of them, each time

for (1 .. 30) {
    my $token = token();
    my ($body) = proof({ token => $token }, 20);
    edges_are($body, 3, 3, 0, 'all have confirmed');
    refused_by($token, @edges);
}

# a retry is proven by an entry of its own

my $token = token();
proof({ token => $_ }) for $token, token();
my ($body) = proof({ token => $token }, 20);
edges_are($body, 3, 3, 0, 'all have confirmed what was revoked before');
ok($body->{revoked}[0]{already}, 'as it says');
my $last = $redis->command('XREVRANGE', '{partners}:log', '+', '-', 'COUNT', 1);
is($body->{position}, $last->[0][0], 'the position is the end of the log');
my %entry = @{ $last->[0][1] };
is((split /:/, $entry{ids})[0], token_id($token), 'which names the token');
is($redis->command('HGET', '{partners}:days', 'total') =~ /^(\d+):/ && $1,
   $redis->command('ZCARD', '{partners}:revoked'), 'and counts it once');

# what somebody has put there by hand, and no edge takes for an expiry

for my $score (1000 * (time + 86400), '+inf', 2 ** 53, time + 86400.5, 7) {
    my ($token, $other) = (token(), token());
    $redis->command('ZADD', '{partners}:revoked', $score, token_id($token));
    my ($body) = proof({ tokens => [ $token, $other ] }, 20);
    edges_are($body, 3, 3, 0, "all have confirmed, instead of $score");
    refused_by($_, @edges) for $token, $other;
    like($redis->command('ZSCORE', '{partners}:revoked', token_id($token)),
         qr/^\d{10}$/, 'it is put right');
}

# Redis lost everything: the edges that cannot have reported yet are waited for

$_->freeze for $second, $third;
my @frozen = map { @{ $_->{frozen} } } $second, $third;
$redis->kill_hard;
$redis->start;
ok(wait_for(10, sub {
    $redis->command('HGET', '{partners}:meta', 'adopted_at')
}), 'an edge has filled Redis again');
my $pid = fork // die "fork: $!\n";
if ($pid == 0) {
    Time::HiRes::sleep(0.5);
    kill 'CONT', @frozen;
    POSIX::_exit(0);
}
$token = token();
($body) = proof({ token => $token }, 20);
edges_are($body, 3, 3, 0, 'all have confirmed to a Redis that was empty');
waitpid $pid, 0;
$_->thaw for $second, $third;
refused_by($token, @edges);
ok(wait_for(10, sub { $_->state->{agrees} }), "$_->{node} agrees") for @edges;


# a stopped edge cannot confirm; it is waited for until it counts as lost

$third->freeze;
$token = token();
($body) = proof({ token => $token }, 2);
edges_are($body, 3, 2, 0, 'a stopped edge has not confirmed');
refused_by($token, $first, $second);

my $seconds;
($body, $seconds) = proof({ token => token() }, 20);
edges_are($body, 2, 2, 1, 'then it is lost');
cmp_ok($seconds, '<', 15, "and not waited for: $seconds s");
($body) = proof({ token => token() }, 20);
edges_are($body, 2, 2, 1, 'it stays lost');

$third->thaw;
ok(wait_for(10, sub { $third->state->{agrees} }), 'it is back');
($body) = proof({ token => $token }, 20);
edges_are($body, 3, 3, 0, 'and confirms');
refused_by($token, @edges);


# one that left properly is forgotten at once

ok($third->stop, 'stopped properly');
($body) = proof({ token => token() });
edges_are($body, 2, $body->{edges}{confirmed}, 0, 'it is forgotten');
($body) = proof({ token => token() }, 20);
edges_are($body, 2, 2, 0, 'and not waited for');

$third->start;
$third->wait_ready;
ok(wait_for(10, sub { $third->writer && $third->workers == 2 }), 'it is back');
my $writer = $third->writer;
my ($late) = grep { $_ != $writer } $third->workers;
kill 'STOP', $late;
$third->signal('QUIT');
ok(wait_for(5, sub { slurp("/proc/$writer/cmdline") =~ /shutting down/ }),
   'one worker has heard of it');
kill 'CONT', $late;
ok($third->stop, 'stopped, and one worker was late to hear of it');
($body) = proof({ token => token() });
edges_are($body, 2, $body->{edges}{confirmed}, 0, 'it is forgotten');


# a dead one is lost

$second->kill_hard;
($body, $seconds) = proof({ token => token() }, 20);
edges_are($body, 1, 1, 1, 'a dead edge is lost');
cmp_ok($seconds, '<', 15, "and not waited for: $seconds s");
my ($item) = grep { $_->{node} eq $second->{node} }
             @{ json($first->admin('edges')->{body})->{items} };
ok($item->{lost} && !$item->{live}, 'and listed as lost');


# nothing is claimed when Redis does not say

$redis->command('ACL', 'SETUSER', 'default', '-hgetall');
$token = token();
($body) = proof({ token => $token }, 1);
ok(exists $body->{edges} && !defined $body->{edges}, 'edges: null');
refused_by($token, $first);
$redis->command('ACL', 'SETUSER', 'default', '+hgetall');
($body) = proof({ token => token() }, 1);
edges_are($body, 1, 1, 1, 'known again');

finish();
