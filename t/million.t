#!/usr/bin/perl

# A million revocations: a new edge is filled in seconds, with at most 40 bytes
# of memory and disk for each; restarted without Redis it refuses them at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use Test::More;
use Time::HiRes ();
use TRV;

# a sanitized nginx is there to look for errors, not to be fast
my $many = $ENV{TRV_NGINX} ? 200_000 : 1_000_000;
my $batch = 2000;

my $redis = redis();

sub many_token { "many-$_[0]" }


# a bulk load: what the scripts keep in `revoked` and `days`, without a log

my $days = 1826;
my $today = int time / 86400;
my ($total, @count, @xor) = ("\0" x 16);

for my $n (map { $_ * $batch } 0 .. $many / $batch - 1) {
    my @members;
    for ($n .. $n + $batch - 1) {
        my $digest = substr Digest::SHA::sha256(many_token($_)), 0, 16;
        my $day = $today + 1 + $_ % $days;
        push @members, $day * 86400 + $_ % 86400, unpack 'H32', $digest;
        $count[$day]++;
        $xor[$day] = ($xor[$day] // "\0" x 16) ^ $digest;
        $total ^= $digest;
    }
    $redis->command('ZADD', '{partners}:revoked', @members);
}

$redis->command('HSET', '{partners}:days',
    total => "$many:" . unpack('H32', $total),
    map { $_ => "$count[$_]:" . unpack 'H32', $xor[$_] }
        grep { $count[$_] } 0 .. $#count);
is($redis->command('ZCARD', '{partners}:revoked'), $many, "$many revocations");


# memory of a process that is its own, and its part of what is shared, bytes

sub memory {
    my ($edge) = @_;
    my $sum = 0;
    for my $pid ($edge->{pid}, $edge->workers) {
        my ($kb) = slurp("/proc/$pid/smaps_rollup") =~ /^Pss:\s+(\d+)/m;
        $sum += $kb * 1024;
    }
    return $sum;
}

sub disk {
    my ($edge) = @_;
    my $sum = 0;
    $sum += (stat)[12] * 512 for glob "$edge->{replica}/*";
    return $sum;
}


# a new edge; beside it one of another set, that is empty

my @server = (server => 'keepalive_requests 100000000;');
my $empty = edge(node => 'edge-0', @server);
my $start = Time::HiRes::time();
my $edge = edge(redis => $redis, node => 'edge-1', @server);
$edge->wait_ready(60);
my $took = Time::HiRes::time() - $start;

cmp_ok($took, '<=', 15,
       sprintf 'a new edge is ready after %.1f s', $took);

my $state = {};
ok(wait_for(10, sub { $state = $edge->state; $state->{agrees} }),
   'it agrees with Redis');
is($state->{entries}, $many, 'it has all of them');
ok($edge->logged(qr/merged with Redis \(first\): $many read, $many new here, 0 new there, 0 days put right/),
   'by one merge, that had nothing to repair');

cmp_ok($state->{bytes} / $many, '<=', 40,
       sprintf 'bytes of the table for each: %.1f', $state->{bytes} / $many);

# the table before this one is deleted in the background
ok(wait_for(10, sub { disk($edge) / $many <= 40 }), 'bytes of disk')
    or diag(`ls -ls $edge->{replica}`);


# calls on one connection, many at a time: how many had another status

sub wrong_ones {
    my ($edge, $expected, @tokens) = @_;

    my $link = TRV::Http::open_link($edge->{socket}) or return 'no answer';
    my $wrong = 0;
    while (my @some = splice @tokens, 0, 50) {
        print $link map { TRV::Http::format_request('GET', '/file/file',
            keep => 1, headers => [ Authorization => "Bearer $_" ]) } @some;
        $link->flush;

        my ($text, $seen) = ('', 0);
        while ($seen < @some) {
            sysread $link, $text, 65536, length $text or return 'cut off';
            $seen = () = $text =~ /^HTTP\/1\.1 \d+ /mg;
        }
        $wrong += grep { $_ != $expected } $text =~ /^HTTP\/1\.1 (\d+) /mg;
    }
    return $wrong;
}

# all of them in the long form
my $step = $ENV{TRV_SOAK} ? 1 : 307;
my @revoked = map { many_token($_ * $step) } 0 .. ($many - 1) / $step;
my @others = map { "other-$_" } 1 .. 2000;

is(wrong_ones($edge, 401, @revoked), 0, @revoked . ' of them are refused');
is(wrong_ones($edge, 200, @others), 0, 'and no others');

my $bytes = memory($edge) - memory($empty);
SKIP: {
    skip 'a sanitizer has memory of its own', 1 if $ENV{TRV_NGINX};
    cmp_ok($bytes / $many, '<=', 40,
           sprintf 'bytes of memory for each: %.1f', $bytes / $many);
}

my $token = token();
is($edge->revoke({ token => $token })->{status}, 200, 'one more');
is($edge->call($token), 401, 'is refused');


# another one, after there is a log

$start = Time::HiRes::time();
my $second = edge(redis => $redis, node => 'edge-2', @server);
$second->wait_ready(60);
note(sprintf 'another one is ready after %.1f s', Time::HiRes::time() - $start);
is($second->call($token), 401, 'another edge has the newest');
is(wrong_ones($second, 401, @revoked[0 .. 499]), 0, 'and the first');


# without Redis

$redis->kill_hard;
ok($edge->stop, 'it stops');
$start = Time::HiRes::time();
$edge->start;
is(wrong_ones($edge, 401, @revoked[0 .. 499]), 0,
   'restarted without Redis it refuses them at once');
is(wrong_ones($edge, 401, @revoked, $token), 0, 'all of them');
$edge->wait_ready;                       # it may have been away for too long
is(wrong_ones($edge, 200, @others), 0, 'and no others');

finish();
