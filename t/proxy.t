#!/usr/bin/perl

# The fault proxy of the test library does what it is told, and only that: a
# fault that is not there would make every test of it pass.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Proxy;

my $redis = redis();
my $proxy = proxy($redis);

# sends bytes to Redis by way of the proxy, gives back what comes until it is
# quiet; undef: the link was closed
sub ask {
    my ($bytes, %options) = @_;
    my $link = $options{link} || TRV::Proxy::connect_to($proxy->at);
    $link->blocking(1);
    syswrite $link, $bytes;
    $link->blocking(0);
    my ($text, $pieces) = ('', 0);
    my $end = Time::HiRes::time() + ($options{seconds} || 10);
    while ((my $left = $end - Time::HiRes::time()) > 0) {
        $left = 0.2 if $pieces;
        last if $pieces && !IO::Select->new($link)->can_read($left);
        next unless IO::Select->new($link)->can_read($left);
        my $got = sysread $link, $text, 65536, length $text;
        next if !defined $got && $!{EAGAIN};
        return wantarray ? ($text, $pieces, 1) : undef unless $got;
        $pieces++;
    }
    return wantarray ? ($text, $pieces, 0) : $text;
}

sub words { '*' . @_ . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_ }

my $ping = words('PING');
my @soon = (seconds => 0.25);           # long enough where nothing is to come

is(ask($ping), "+PONG\r\n", 'no fault');
is(ask($ping x 3), "+PONG\r\n" x 3, 'pipelined');
is(ask(words('SET', 'a', "1\r\n2")), "+OK\r\n", 'binary, there');
is(ask(words('GET', 'a')), "\$4\r\n1\r\n2\r\n", 'and back');
is(ask(words('EVAL', 'return {1, {2, "x"}, {}}', 0)),
   "*3\r\n:1\r\n*2\r\n:2\r\n\$1\r\nx\r\n*0\r\n", 'nested');

my $long = 'x' x 3_000_000;
is(length ask(words('SET', 'long', $long) . words('GET', 'long')),
   5 + 10 + 3_000_000 + 2, 'long ones');

$proxy->fault(delay_ms => 1000);
is(ask($ping, @soon), '', 'delay: not yet');
is(ask($ping), "+PONG\r\n", 'delay: later');

$proxy->fault(split => 1);
my ($text, $pieces);
ok(wait_for(20, sub {           # who reads late gets several at once
    ($text, $pieces) = ask($ping);
    $text eq "+PONG\r\n" && $pieces > 3;
}), 'split into pieces') or diag("$pieces: $text");

$proxy->fault(refuse => 1);
is(ask($ping), undef, 'refuse');

for my $way ('up', 'down', 'both') {
    $proxy->clear;
    my $link = TRV::Proxy::connect_to($proxy->at);
    is(ask($ping, link => $link), "+PONG\r\n", "before $way");
    $proxy->fault(stall => $way);
    is(ask($ping, link => $link, @soon), '', "stall $way");
    $proxy->clear;
    is(ask('', link => $link), "+PONG\r\n", "stall $way: nothing is lost");
    $proxy->fault(lose => $way);
    is(ask($ping, link => $link, @soon), '', "lose $way");
    $proxy->clear;
    is(ask('', link => $link, @soon), '', "lose $way: it is lost");
}

$proxy->fault(cut_after => 3);
is_deeply([ ask($ping) ], [ '+PO', 1, 1 ], 'cut after 3 bytes');

$proxy->clear;
my $link = TRV::Proxy::connect_to($proxy->at);
ask($ping, link => $link);
is($proxy->cut->{open}, 0, 'cut');
is(ask('', link => $link), undef, 'cut: it is');

$proxy->fault(rewrite => [ [ 'PO', 'TI' ] ]);
is(ask($ping), "+TING\r\n", 'rewrite');

$proxy->fault(answer => [ [ '^SET b ', "-OOM no\r\n", 1 ] ]);
is(ask(words('GET', 'b') . words('set', 'b', 1) . words('GET', 'b')
       . words('SET', 'b', 2) . words('GET', 'b')),
   "\$-1\r\n-OOM no\r\n\$-1\r\n+OK\r\n\$1\r\n2\r\n",
   'answer: in its place, not done, once');

$proxy->fault(replace => [ [ '^SET c', "-X\r\n" ] ]);
is(ask(words('SET', 'c', 1) . words('GET', 'c')), "-X\r\n\$1\r\n1\r\n",
   'replace: done');
$proxy->fault(replace => [ [ '^SET d', '' ] ]);
is(ask(words('SET', 'd', 1), @soon), '', 'replace by nothing');
$proxy->fault(replace => [ [ '^SET e', 'cut' ] ]);
is(ask(words('SET', 'e', 1)), undef, 'replace by the end');
is($redis->command('GET', 'd') . $redis->command('GET', 'e'), '11',
   'both are done');
is($proxy->clear->{faulty}, 4, 'faulty ones are counted');

my $other = redis();
$proxy->lead_to($other);
$proxy->clear;
is(ask(words('GET', 'b')), "\$-1\r\n", 'another target');
$proxy->lead_to($redis);


# TCP, raw, reset

my $port = free_port();
$redis->command('CONFIG', 'SET', 'bind', '127.0.0.1');
$redis->command('CONFIG', 'SET', 'port', $port);

$proxy = proxy("127.0.0.1:$port", raw => 1, listen => '127.0.0.1:0');
like($proxy->address, qr{^redis://127\.0\.0\.1:\d+$}, 'address');
is(ask($ping), "+PONG\r\n", 'raw');
$proxy->fault(split => 2, cut_after => 4);
ok(wait_for(20, sub { join(' ', ask($ping)) eq '+PON 2 1' }),
   'raw: split and cut');
$proxy->fault(rewrite => [ [ 'G', 'K' ] ]);
is(ask($ping), "+PONK\r\n", 'raw: rewrite');

$proxy->clear;
$link = TRV::Proxy::connect_to($proxy->at);
ask($ping, link => $link);
$proxy->fault(reset => 1);
$proxy->cut;
ok(IO::Select->new($link)->can_read(5) && !defined(sysread $link, $text, 1)
   && $!{ECONNRESET}, 'reset');


# between an edge and Redis: scripts are known by their names

$proxy = proxy($redis);
my $edge = edge(redis => $proxy, set => 'timeout 1s;');
$edge->wait_ready;

$proxy->fault(answer => [ [ '^EVAL(SHA)? revoke ', "-OOM full\r\n", 1 ] ]);
is($edge->revoke({ token => token() })->{status}, 503, 'revoke: refused');
is($edge->revoke({ token => token() })->{status}, 200, 'revoke: once');
$proxy->fault(replace => [ [ '^EVAL(SHA)? revoke ', '' ] ]);
is($edge->revoke({ token => token() })->{status}, 504, 'revoke: silence');
$proxy->clear;
is($redis->command('ZCARD', '{partners}:revoked'), 2, 'revoke: done');

finish();
