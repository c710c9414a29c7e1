#!/usr/bin/perl

# Reloads while calls and revocations go on: no call fails, nothing revoked is
# missed, and neither descriptors nor memory grow.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $reloads = $ENV{TRV_SOAK} ? 100 : 12;

my $redis = redis();
my $edge = edge(redis => $redis, node => 'edge-1');
$edge->wait_ready;

my $good = token();
my $bad = token();
is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');


# callers: each child says what it got, as "status count" lines

sub caller_start {
    my ($name, $token, $expected) = @_;
    my $file = dir() . "/$name.out";
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return { pid => $pid, file => $file } if $pid;

    my ($end, %got);
    @TRV::started = ();
    local $SIG{TERM} = sub { $end = 1 };
    until ($end) {
        my $status = $edge->call($token);
        $got{$status}++;
        Time::HiRes::sleep(0.001);
    }
    spew($file, join '', map { "$_ $got{$_}\n" } sort keys %got);
    require POSIX;
    POSIX::_exit(0);
}

sub caller_end {
    my ($caller) = @_;
    kill 'TERM', $caller->{pid};
    waitpid $caller->{pid}, 0;
    return slurp($caller->{file});
}

my @good = map { caller_start("good-$_", $good) } 1 .. 2;
my $refused = caller_start('bad', $bad);

sub memory_kb {
    my ($pid) = @_;
    my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
    return $kb;
}

# the least of some looks: a call may be under way
sub descriptors {
    my ($pid) = @_;
    my ($least) = sort { $a <=> $b } map {
        Time::HiRes::sleep(0.005);
        my @fds = glob "/proc/$pid/fd/*";
        scalar @fds;
    } 1 .. 10;
    return $least;
}

my (@revoked, @first, $reloaded);

for my $n (1 .. $reloads) {
    $reloaded++ if $edge->reload;
    ok(wait_for(5, sub {
        my $writer = $edge->writer;
        grep { $_ == $writer } $edge->workers;
    }), "reload $n: a new worker writes") if $n <= 3;

    my $token = token();
    my $answer = $edge->revoke({ token => $token });
    is($answer->{status}, 200, "reload $n: revoked");
    is($edge->call($token), 401, "reload $n: refused at once");

    # what grows in the first ones is nginx getting warm
    if ($n == int($reloads / 3) || $n == $reloads) {
        wait_for(20, sub { $edge->children == $edge->workers });
        push @first, [ $edge->{pid}, memory_kb($edge->{pid}),
                       descriptors($edge->{pid}),
                       (sort { $b <=> $a }     # the writer has the most
                        map { descriptors($_) } $edge->workers)[0] ];
    }
    push @revoked, $token;
}

is($reloaded, $reloads, "all reloads went through");

for my $caller (@good) {
    like(caller_end($caller), qr/^200 \d{2,}\n$/, 'every call passed');
}
like(caller_end($refused), qr/^401 \d{2,}\n$/, 'every revoked one did not');

is(scalar(grep { $edge->call($_) != 401 } @revoked), 0,
   'all are refused in the end');

my ($early, $late) = @first;
cmp_ok($late->[1], '<', $early->[1] * 1.05 + 512,
       "memory of the master: $early->[1] KiB, then $late->[1]")
    unless $ENV{TRV_NGINX};     # a sanitizer keeps what was freed for a while
is($late->[2], $early->[2], 'descriptors of the master');
cmp_ok($late->[3], '<=', $early->[3] + 3, 'descriptors of a worker');

# one writer, one replica, no left-over tables
my @tables = glob "$edge->{replica}/table.*";
is(scalar @tables, 1, 'one table');

# reports say live, and only one edge of this name
my @items = @{ json($edge->admin('edges')->{body})->{items} };
is(scalar @items, 1, 'one edge');


# a broken configuration on reload: the old one stays

spew("$edge->{dir}/nginx.conf", $edge->config
     =~ s/token_revoke_set partners/token_revoke_set "a b"/r);
$edge->signal('HUP');
allow_log(qr/\[emerg\].*invalid name of a token revocation set "a b"/);
ok(wait_for(5, sub { $edge->logged(qr/invalid name of a token rev/) }),
   'broken configuration: said');
is($edge->call($bad), 401, 'broken configuration: the old one refuses');
my $token = token();
is($edge->revoke({ token => $token })->{status}, 200, 'and revokes');
$edge->configure;


# a POST that waits, here for an edge that never confirms, is answered although
# its worker is told to end

my $ghost = 'ghost:0123456789abcdef';
$redis->command('HSET', '{partners}:edges', $ghost,
                sprintf '{"time":%d,"node":"ghost","position":"0-0",'
                        . '"replication_id":"x"}',
                        1000 * Time::HiRes::time());

$token = token();

my $length = $redis->command('XLEN', '{partners}:log');
my $slow = fork // die "fork: $!\n";
if (!$slow) {
    @TRV::started = ();
    my $start = Time::HiRes::time();
    my $answer = $edge->revoke({ token => $token }, Prefer => 'wait=3');
    my $waited = Time::HiRes::time() - $start > 2;
    require POSIX;
    POSIX::_exit($answer->{status} == 200 && $waited ? 0 : 1);
}
ok(wait_for(3, sub { $redis->command('XLEN', '{partners}:log') > $length }),
   'a POST waits');
$edge->signal('HUP');
waitpid $slow, 0;
is($?, 0, 'and is answered, though its worker was told to end');
$redis->command('HDEL', '{partners}:edges', $ghost);


# a worker that has to wait for a call to end gives up the lock at once

$edge->configure(workers => 1);
$edge->signal('HUP');
ok(wait_for(20, sub {
    my @workers = $edge->workers;
    @workers == 1 && $edge->children == 1 && $edge->writer == $workers[0];
}), 'one worker, which writes');

my ($old) = $edge->workers;
my $link = TRV::Http::open_link($edge->{socket});
syswrite $link, "POST /api/x HTTP/1.1\r\nHost: edge\r\n"
                . 'Authorization: Bearer ' . token() . "\r\n"
                . "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n";
sysread $link, my $text, 65536;
like($text, qr/^HTTP\S+ 100 /, 'a call is under way');

$edge->signal('HUP');
ok(wait_for(20, sub {
    my $writer = $edge->writer;
    $writer && $writer != $old;
}), 'a new one writes at once');
ok(TRV::Process::alive($old), 'while the old one is there');
close $link;

ok($edge->stop, 'ends in time');

finish();
