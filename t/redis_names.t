#!/usr/bin/perl

# Names of Redis servers: resolved at run time by nginx's resolver, again for
# each connection, all addresses in turn; nothing waits for DNS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Test::More;
use Time::HiRes ();
use TRV;

my $dns = dns();
my $port = free_port();

# two servers at one port, on different addresses
my ($first, $second) = map {
    redis(args => [ '--port', $port, '--bind', $_ ])
} '127.0.0.1', '127.0.0.2';

my $edge = edge(redis_line => "redis://redis.internal:$port", workers => 1,
                set => 'resolver ' . $dns->at . ' valid=1s; timeout 1s;');

sub revokes {
    my ($name) = @_;
    ok(wait_for(20, sub { $edge->revoke({ token => token() })->{status} == 200 }),
       $name) or diag($edge->last_lines);
}

sub has_new {
    my ($redis, $name) = @_;
    my $token = token();
    ok(wait_for(20, sub {
        $edge->revoke({ token => $token })->{status} == 200
            && defined $redis->command('ZSCORE', '{partners}:revoked',
                                       token_id($token));
    }), $name) or diag($edge->last_lines);
}

sub cut {
    $_->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        for $first, $second;
}


# no such name: nginx runs all the same, and finds it later

is($edge->get('/token-revoke/ready')->{status}, 503, 'NXDOMAIN: it starts');
ok(wait_for(10, sub {
    $edge->logged(qr/\[error\].*"redis\.internal" has no address.*not found/)
}), 'NXDOMAIN: said') or diag($edge->last_lines);
is($edge->revoke({ token => token() })->{status}, 503, 'NXDOMAIN: 503');
is(scalar $edge->repeated(qr/has no address/), 0, 'NXDOMAIN: once');

$dns->set('redis.internal' => [ '127.0.0.1' ]);
$edge->wait_ready;
has_new($first, 'the name is there');


# it changes: followed when the link is lost

$dns->set('redis.internal' => [ '127.0.0.2' ]);
revokes('changed: links that stand, stay');
is($second->command('EXISTS', '{partners}:meta'), 0, 'changed: not yet');
ok(wait_for(20, sub {
    cut();
    Time::HiRes::sleep(0.5);
    $second->command('EXISTS', '{partners}:meta');
}), 'changed: followed');
has_new($second, 'changed');


# a name that moves as that of a service does after a fail-over: the old server
# is a replica now

$dns->set('redis.internal' => [ '127.0.0.1' ]);
$second->command('REPLICAOF', '127.0.0.1', $port);
has_new($first, 'demoted: the name is asked again');
$second->command('REPLICAOF', 'NO', 'ONE');


# several addresses: those that do not answer are passed over

$dns->set('redis.internal' => [ map { "127.0.0.$_" } 5, 6, 1, 7 ]);
Time::HiRes::sleep(2.2);
for (1 .. 3) {
    cut();
    has_new($first, "several addresses, $_");
}

$dns->set('redis.internal' => [ '::1', '127.0.0.1' ]);
Time::HiRes::sleep(2.2);
cut();
has_new($first, 'IPv6 does not answer, IPv4 does');

SKIP: {
    my $six = eval { redis(args => [ '--port', $port, '--bind', '::1' ]) };
    skip 'no IPv6 here', 2 unless $six
        && IO::Socket::IP->new(PeerHost => '::1', PeerPort => $port);
    $dns->set('redis.internal' => [ '::1' ]);
    Time::HiRes::sleep(2.2);
    cut();
    has_new($six, 'IPv6');
    $dns->set('redis.internal' => [ '127.0.0.1' ]);
    Time::HiRes::sleep(2.2);
    $six->stop;
    has_new($first, 'and back');
}


# nobody answers: in time, without holding up anything

$dns->silent(1);
Time::HiRes::sleep(2.2);
spew($edge->{log}, '');
cut();
my $begin = Time::HiRes::time();
is($edge->revoke({ token => token() })->{status}, 503, 'silent: 503');
cmp_ok(Time::HiRes::time() - $begin, '<', 5, 'silent: in time');
is($edge->call(token()), 200, 'silent: calls pass');
ok(wait_for(20, sub {
    $edge->logged(qr/\[error\].*redis\.internal" has no address.*timed out/)
}), 'silent: said') or diag($edge->last_lines);
ok($edge->reload, 'silent: a reload does not wait');
$dns->silent(0);
has_new($first, 'it speaks again');


# names that others give need a resolver, too: the one of http

my $plain = edge(redis_line => "redis://redis.internal:$port", workers => 1,
                 node => 'edge-2', http => 'resolver ' . $dns->at . ';');
$plain->wait_ready;
is($plain->revoke({ token => token() })->{status}, 200, 'the resolver of http');

finish();
