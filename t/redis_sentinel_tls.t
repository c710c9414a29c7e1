#!/usr/bin/perl

# Redis and its sentinels behind TLS and passwords: neither is asked without
# what it wants, and a sentinel that cannot be trusted is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my ($ca, $stranger) = (certs(), certs());
my $server = $ca->issue('server', names => 'IP:127.0.0.1');
my $foreign = $stranger->issue('foreign', names => 'IP:127.0.0.1');

my $port = free_port();

sub tls {
    my ($who) = @_;
    return ('tls-cert-file', $who->{file}, 'tls-key-file', $who->{key},
            'tls-ca-cert-file', $ca->file, 'tls-auth-clients', 'no');
}

sub pairs { my @lines; push @lines, join ' ', splice @_, 0, 2 while @_; @lines }

my $redis = redis(password => 'of redis',
                  args => [ '--tls-port', $port, '--requirepass', 'of redis',
                            map { /^tls/ ? "--$_" : $_ } tls($server) ]);
$redis->{port} = $port;
spew(dir() . '/redis.pw', "of redis\n");
spew(dir() . '/sentinel.pw', "of the sentinel\n");

my @conf = ('tls-replication yes', 'sentinel auth-pass mymaster "of redis"',
            'requirepass "of the sentinel"');
my $sentinel = sentinel(master => $redis, quorum => 1, tls => 1, password => 'of the sentinel',
                        conf => [ @conf, pairs(tls($server)) ]);
my $liar = sentinel(master => $redis, quorum => 1, tls => 1, password => 'of the sentinel',
                    conf => [ @conf, pairs(tls($foreign)) ]);
my $redis_line = 'rediss:// ca=' . $ca->file . ' password_file=' . dir()
                 . '/redis.pw';
my $passwords = 'password_file=' . dir() . '/sentinel.pw';
my $at = "127.0.0.1:$sentinel->{port}";

sub works {
    my ($edge, $name) = @_;
    ok(wait_for(15, sub {
        $edge->revoke({ token => token() })->{status} == 200;
    }), $name) or diag($edge->last_lines);
}

my $edge = edge(redis_line => $redis_line,
                set => "sentinel mymaster $at $passwords; timeout 1s;");
$edge->wait_ready;
works($edge, 'TLS as Redis has it');

sub again {
    my ($set, $line) = @_;
    $edge->configure(redis_line => $line || $redis_line,
                     set => "sentinel mymaster $set; timeout 1s;");
    spew($edge->{log}, '');
    ok($edge->reload, 'reload');
}

sub refused {
    my ($name, $why) = @_;
    is($edge->revoke({ token => token() })->{status}, 503, "$name: no master");
    ok(wait_for(10, sub { $edge->logged($why) }), "$name: said")
        or diag($edge->last_lines);
    is(scalar $edge->repeated($why), 0, "$name: once");
}

again("rediss://$at $passwords ca=" . $ca->file);
works($edge, 'TLS of its own');

again($at);
refused('no password', qr/\[warn\].*\(sentinel\): INFO was refused: NOAUTH/);

again("$at password_file=" . dir() . '/redis.pw');
refused('another password',
        qr/\[warn\].*\(sentinel\): AUTH was refused: WRONGPASS/);

again("redis://$at $passwords");
refused('no TLS', qr/\[warn\].*\(sentinel\): /);

again("$at $passwords ca=" . $stranger->file);
refused('another CA', qr/\[warn\].*\(sentinel\): its certificate is not acc/);

again("127.0.0.1:$liar->{port} $passwords");
refused('a strange sentinel', qr/\[warn\].*\(sentinel\): its certificate/);

again("127.0.0.1:$liar->{port} $at $passwords");
works($edge, 'a strange one and the right one');

again("127.0.0.1:$port password_file=" . dir() . '/redis.pw');
refused('Redis itself', qr/\[warn\].*\(sentinel\): it is not a sentinel/);

again("$at $passwords");
works($edge, 'the right one');

# the directive for a sentinel is not "redis"
$edge->configure(redis_line => "rediss://$at $passwords ca=" . $ca->file,
                 set => 'timeout 1s;');
ok($edge->reload, 'reload');
ok(wait_for(10, sub { $edge->logged(qr/\[error\].*it is a sentinel/) }),
   'a sentinel is no Redis: said');

finish();
