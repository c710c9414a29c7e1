#!/usr/bin/perl

# wait_replicas: a 200 means that a replica of Redis has the revocation, too;
# a 202 that none has said so in time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $replica = redis();
my $edge = edge(redis => $redis, set => 'wait_replicas 1; timeout 2s;');
$edge->wait_ready;

sub durable_is {
    my ($answer, $status, $durable, $name) = @_;
    is($answer->{status}, $status, $name) or diag($answer->{raw});
    my $body = json($answer->{body});
    is(!!($body->{durable} // 1), !!$durable, "$name: durable or not");
}

my $token = token();
durable_is($edge->revoke({ token => $token }), 202, 0, 'no replica');
is($edge->call($token), 401, 'it is refused all the same');
durable_is($edge->revoke({ token => $token }), 202, 0, 'no replica, again');

$replica->follow($redis);

# one that has only just come may take longer than a call waits
$redis->command('SET', 'something', 'written');
is($redis->command('WAIT', 1, 10_000), 1, 'the replica has come');

durable_is($edge->revoke({ token => $token }), 200, 1,
           'a repetition settles it');
durable_is($edge->revoke({ token => token() }), 200, 1, 'with a replica');
ok($replica->command('ZSCORE', '{partners}:revoked', token_id($token)),
   'the replica has it');

$replica->freeze;
my $second = token();
durable_is($edge->revoke({ token => $second }), 202, 0, 'replica frozen');
is($edge->call($second), 401, 'refused all the same');
is($edge->call(token()), 200, 'and nothing else');
$replica->thaw;
ok(wait_for(10, sub {
    $edge->revoke({ token => $second })->{status} == 200;
}), 'replica back: durable');


# an edge that is led to the replica does not take it for the truth

my $astray = edge(redis => $replica, node => 'edge-2', set => 'timeout 2s;');
ok(wait_for(10, sub { $astray->logged(qr/\[warn\].*is not a master/) }),
   'a replica is not followed');
is($astray->get('/token-revoke/ready')->{status}, 503, 'not ready');
is($astray->revoke({ token => token() })->{status}, 503, 'nothing is revoked');

# it becomes the master
$redis->kill_hard;
$replica->promote;
$astray->wait_ready;
ok(wait_for(5, sub { $astray->call($second) == 401 }), 'promoted: followed');
is($astray->revoke({ token => token() })->{status}, 200, 'and revokes');

finish();
