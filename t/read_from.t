#!/usr/bin/perl

# read_from: edges read the log from replicas of Redis, and from Redis itself
# whenever a replica will not do: it is gone, stands still, or has another
# master.  Nothing is lost or late by it, and nothing foreign gets in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my @replicas = map { redis() } 1, 2;
$_->follow($redis) for @replicas;

my $front = proxy($redis);                     # where Redis is, see below
my $read_from = join ' ', map { $_->address } @replicas;
my @edges = map { edge(redis => $front, node => "edge-$_", workers => 1,
                       set => "read_from $read_from;") } 1 .. 4;
$_->wait_ready for @edges;

my $good = token();
my @bad;

# how many links wait for the log there
sub readers {
    my ($server) = @_;
    return scalar(() = $server->command('CLIENT', 'LIST') =~ /\bcmd=xread\b/g);
}

sub reads_are {
    my ($servers, $expected, $name) = @_;
    my @got;
    ok(wait_for(120, sub {
        @got = map { readers($_) } @$servers;
        my $sum = 0;
        $sum += $_ for @got;
        $sum == @edges && $expected->(@got);
    }), $name) or diag("@got\n", map { $_->last_lines } @edges);
}

# in force on all of them, soon
sub revokes {
    my ($name, $seconds) = @_;
    my $token = token();
    my $start = Time::HiRes::time();
    my $answer = $edges[ rand @edges ]->revoke({ token => $token },
                                               Prefer => 'wait=20');
    my $took = Time::HiRes::time() - $start;
    is($answer->{status}, 200, "$name: revoked") or diag($answer->{raw});
    is(json($answer->{body})->{edges}{confirmed}, scalar @edges,
       "$name: confirmed by all");
    is($_->call($token), 401, "$name: $_->{node} refuses it") for @edges;
    cmp_ok($took, '<', $seconds, "$name: within $seconds s");
    push @bad, $token;
}

sub judges {
    my ($name) = @_;
    is(join(' ', map { $_->call($good) } @edges), '200 200 200 200',
       "$name: passes others");
    my @passed = grep { my $t = $_; grep { $_->call($t) != 401 } @edges } @bad;
    is(scalar @passed, 0, "$name: refuses all");
}


reads_are([ @replicas, $redis ], sub { !$_[2] }, 'the log is read from replicas');
revokes('replicas', 5);
ok($_->logged(qr/\[notice\].*\(tail\): reading the log from this replica/),
   "$_->{node} says so") for @edges;


# a replica that ends: its edges read from Redis, and then from another

$replicas[0]->kill_hard;
revokes('one is gone', 5);
reads_are([ $replicas[1], $redis ], sub { !$_[1] }, 'all read from the other');
revokes('the other', 5);
judges('one is gone');


# and the last one

$replicas[1]->kill_hard;
revokes('none is left', 5);
reads_are([ $redis ], sub { 1 }, 'all read from Redis');
ok($_->logged(qr/\(tail\): reading the log here again/), "$_->{node} says so")
    for @edges;

for my $replica (@replicas) {
    $replica->start;
    $replica->follow($redis);
}
reads_are([ @replicas, $redis ], sub { !$_[2] }, 'replicas are back');
revokes('replicas are back', 5);


# stopped, with its links open: Redis says that the log has gone on

$_->freeze for @replicas;
revokes('replicas stand still', 10);
judges('replicas stand still');
reads_are([ $redis ], sub { 1 }, 'all read from Redis');
$_->thaw for @replicas;
reads_are([ @replicas, $redis ], sub { !$_[2] }, 'replicas go on');
revokes('replicas go on', 5);


# one that has lost its master, and one that got another: no entry of that one
# is taken

my $other = redis();
my $elsewhere = edge(redis => $other, node => 'elsewhere');
$elsewhere->wait_ready;
my @foreign = map { token() } 1 .. 20;
is($elsewhere->revoke({ tokens => \@foreign })->{status}, 200,
   'revoked in another set');

$replicas[0]->command('REPLICAOF', '127.0.0.1', TRV::free_port());
$replicas[1]->follow($other);
is($elsewhere->revoke({ token => $_ })->{status}, 200, 'and on') for @foreign;
revokes('another master', 10);
reads_are([ $redis ], sub { 1 }, 'all read from Redis');
for my $edge (@edges) {
    is(join(' ', grep { $edge->call($_) != 200 } @foreign), '',
       "$edge->{node} takes nothing of it");
}
ok(wait_for(60, sub {
    (grep { $_->logged(qr/\[error\].*its link to its master is down/) } @edges)
    && (grep { $_->logged(qr/\[warn\].*the replica has another replication id/) }
             @edges);
}), 'what is wrong with them is said') or diag(map { $_->last_lines } @edges);
judges('another master');

$_->follow($redis) for @replicas;
reads_are([ @replicas, $redis ], sub { !$_[2] }, 'they are replicas again');
revokes('replicas again', 5);


# fail-over: one becomes the master, the other its replica

$redis->kill_hard;
$replicas[0]->promote;
$replicas[1]->follow($replicas[0]);
$front->lead_to($replicas[0]->address);
my $led = Time::HiRes::time();
ok(wait_for(20, sub {
    !grep { !$_->agrees_since($led) } @edges;
}), 'fail-over: all agree') or diag(map { $_->last_lines } @edges);
revokes('fail-over', 10);
judges('fail-over');

# a reload signs nothing off, and leaves no link behind

$_->reload for @edges;
revokes('reload', 10);
reads_are(\@replicas, sub { 1 }, 'one link each');
judges('reload');

finish();
