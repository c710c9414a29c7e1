#!/usr/bin/perl

# The writer of an edge is killed, stopped or told to end, again and again,
# while tokens are revoked on another edge: whatever was answered with 200 is
# refused everywhere, and in the end all agree.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $kills = $ENV{TRV_SOAK} ? 200 : 25;

allow_log(qr/worker process \d+ exited on signal 9/);

my $redis = redis();
my ($calm, $killed) = fleet(2, $redis);

my @acked;
my $failed = 0;

for my $n (1 .. $kills) {
    my @tokens = map { token() } 1 .. 20;
    my $answer = $calm->revoke({ tokens => \@tokens });
    if ($answer->{status} == 200) {
        push @acked, @tokens;
    } else {
        $failed++;
    }

    Time::HiRes::sleep(rand 0.05);
    my $writer = $killed->writer;
    kill 'KILL', $writer if $writer;

    # one of the others takes over; the edge that is killed answers, too
    if ($n % 5 == 0) {
        ok(wait_for(5, sub { my $w = $killed->writer; $w && $w != $writer }),
           "kill $n: there is another writer");
        my $token = token();
        my $own = $killed->revoke({ token => $token });
        if ($own->{status} == 200) {
            push @acked, $token;
            is($killed->call($token), 401, "kill $n: refused where revoked");
        }
    }
}

is($failed, 0, 'the other edge took every POST');

sub all_refuse {
    my ($edge) = @_;
    return !grep { $edge->call($_) != 401 } @acked;
}

for my $edge ($calm, $killed) {
    ok(wait_for(5, sub { all_refuse($edge) }),
       "$edge->{node} refuses all " . @acked);
    is($edge->call(token()), 200, 'and nothing else');
}

ok(wait_for(10, sub {
    my $card = $redis->command('ZCARD', '{partners}:revoked');
    !grep { !$_->{agrees} || $_->{entries} != $card }
          map { $_->state } $calm, $killed;
}), 'all digests are equal');


# a writer that is stopped but holds the lock: the others say so

my $writer = $killed->writer;
kill 'STOP', $writer || die "no writer\n";

ok(wait_for(10, sub {
    $killed->logged(qr/\[warn\].*writer has made no progress for 5 seconds/);
}), 'stopped: the other workers say so');

my $token = token();
is($calm->revoke({ token => $token })->{status}, 200, 'stopped: revoked');

# another worker of this edge takes a revocation, and says that it is not in
# force here

my $taken = token();
my $answer = $killed->revoke({ token => $taken });
is($answer->{status}, 202, 'stopped: taken');
my $said = json($answer->{body});
ok(!$said->{in_force} && $said->{durable}, 'durable, but not in force here')
    or diag($answer->{body});
is($said->{edges}{confirmed}, 1, 'the other edge has confirmed');
is($calm->call($taken), 401, 'and refuses it');

kill 'CONT', $writer;

ok(wait_for(5, sub {
    $killed->logged(qr/\[notice\].*the writer goes on/);
}), 'it goes on');
ok(wait_for(5, sub {
    $killed->call($token) == 401 && $killed->call($taken) == 401;
}), 'and catches up');
is($killed->revoke({ token => $taken })->{status}, 200,
   'repeated: in force here, too');


# the master is killed: its workers go on, and learn what is revoked

my @orphans = $killed->workers;
$killed->end_by('KILL', 10);

$token = token();
is($calm->revoke({ token => $token })->{status}, 200, 'master killed: revoked');
ok(wait_for(5, sub { $killed->call($token) == 401 }),
   'master killed: its workers refuse it');
push @acked, $token;

my $gone = Time::HiRes::time();
kill 'QUIT', @orphans;
ok(wait_for(10, sub { !grep { TRV::Process::alive($_) } @orphans }), 'they end');


# started again without Redis: refuses all of it at once

$redis->kill_hard;
unlink $killed->{socket}, $killed->{backend};
$killed->start;
my $status = $killed->call(token());
my $away = Time::HiRes::time() - $gone;
ok(all_refuse($killed), 'started without Redis: refuses all');
SKIP: {
    skip 'the machine is slow', 1 if $away > 2;   # it was away, after 3
    is($status, 200, 'other tokens pass: it heard a moment ago');
}
ok($killed->stop, 'ends');

# killed whole, with Redis away, nothing written on purpose

$calm->kill_hard;
$calm->start;
ok(all_refuse($calm), 'killed and started: refuses all');


# Redis comes back empty: the edges fill it

$redis->start;
$killed->start;
ok(wait_for(15, sub {
    $redis->command('ZCARD', '{partners}:revoked') >= @acked;
}), 'Redis is filled again');

finish();
