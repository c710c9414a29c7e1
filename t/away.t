#!/usr/bin/perl

# An edge that was not there for a while is not ready before it has merged what
# was revoked meanwhile, however long it takes; without Redis it judges by what
# it knows, after a moment, and says so.

use strict;
use warnings;

use Fcntl qw(:flock);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

use constant AWAY_SEC => 3.5;           # longer than a writer may be silent

my $fleet = TRV::Fleet->new(5, set => 'timeout 2s;');
my ($here, $much, $little, $alone, $stopped) = $fleet->edges;
my $redis = $fleet->redis;
my $good = token();
my $begun;

sub revoked {
    my @tokens = map { token() } 1 .. shift;
    is($here->revoke({ tokens => \@tokens })->{status}, 200, 'revoked');
    return @tokens;
}

# of a good token, as long as $begun is not too long ago
sub judges {
    my ($name, $expected) = @_;
    my $status = $alone->call($good);
    SKIP: {
        skip 'the machine is slow', 1
            if Time::HiRes::time() - $begun > AWAY_SEC - 1;
        is($status, $expected, $name);
    }
}

# what an edge says of a revoked token, and balancers hear, until it is ready
sub watch {
    my ($edge, $name, $token) = @_;
    my %got;
    ok(wait_for(15, sub {
        my $ready = $edge->ready;
        my $status = $edge->call($token);
        $got{$status}++;
        $got{wrong}++ if $ready && $status != 401;
        return $ready;
    }), "$name: ready in the end");
    ok(!$got{wrong}, "$name: not before it was merged");
    ok(!$got{200}, "$name: nothing revoked passes");
    ok($got{503}, "$name: it says so");
}

my ($old) = revoked(1);
ok(wait_for(5, sub { $_->call($old) == 401 }), 'refused')
    for $fleet->edges;


# as long as somebody writes nobody was away

ok($alone->reload, 'reload');
is($alone->call($good), 200, 'reload: ready all the time');
my ($end, @unready) = Time::HiRes::time() + AWAY_SEC + 1;
while (Time::HiRes::time() < $end) {
    $alone->reload or die "no reload\n";
    push @unready, grep { $_ != 200 } map { $alone->call($good) } 1 .. 4;
}
is("@unready", '', 'reloads all the time: ready all the time');
$begun = Time::HiRes::time();
$alone->stop;
$alone->start;
judges('stopped for a moment: ready at once', 200);


# away: three are not running, one has a writer that stands still

allow_log(qr/worker process \d+ exited on signal 9/);
$stopped->configure(workers => 1);
ok($stopped->reload, 'one worker');
ok(wait_for(10, sub { $stopped->writer }), 'which writes');

$_->stop for $much, $little, $alone;
my $writer = $stopped->writer;
kill 'STOP', $writer || die "no writer\n";

my @tokens = map { revoked(1000) } 1 .. 3;
Time::HiRes::sleep(AWAY_SEC);
$_->fault(delay_ms => 250) for ($fleet->proxies)[1, 2, 4];


# there is little to read: the log tells it

$little->start;
is($little->call($old), 401, 'what it knew is refused at once');
watch($little, 'the log tells it', $tokens[-1]);

kill 'KILL', $writer;
ok(wait_for(5, sub { $stopped->writer && $stopped->writer != $writer }),
   'another writer');
watch($stopped, 'writer stopped and killed', $tokens[-1]);


# there is much

$redis->command('XTRIM', '{partners}:log', 'MAXLEN', 0);
push @tokens, revoked(1);
$much->start;
watch($much, 'a merge', $tokens[-1]);


# nobody can say yet that it was away: another process has the lock

open my $lock, '<', "$alone->{replica}/writer.1.lock" or die "lock: $!";
flock $lock, LOCK_EX | LOCK_NB or die "lock: $!";
$begun = Time::HiRes::time();
$alone->start;
is($alone->call($old), 401, 'no writer: what it knew is refused');
judges('no writer: not ready at first', 503);
ok(wait_for(10, sub { $alone->call($good) == 200 }),
   'no writer: then it judges by what it knows');
close $lock;
ok($alone->stop, 'no writer: stopped');
Time::HiRes::sleep(AWAY_SEC);


# Redis is not there either

$fleet->cut_off(3);
$begun = Time::HiRes::time();
$alone->start;
judges('no Redis: not ready at first', 503);
is($alone->call($old), 401, 'no Redis: what it knew is refused');
ok(wait_for(10, sub { $alone->call($good) == 200 }),
   'no Redis: then it judges by what it knows');
ok(wait_for(5, sub {
    $alone->logged(qr/\[warn\].*Redis cannot be heard, judging by what/)
}), 'no Redis: and says so');
ok($alone->reload, 'no Redis: a reload');
is($alone->call($good), 200, 'no Redis: changes nothing about it');

$fleet->connect(1 .. 4);
ok($fleet->settled($fleet->now), 'all agree');
is(scalar $fleet->judged_otherwise($_, 401, $old, @tokens), 0,
   "$_->{node} refuses all") for $fleet->edges;

finish();
