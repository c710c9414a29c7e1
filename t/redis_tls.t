#!/usr/bin/perl

# rediss://: the other end is known by its chain and its name or it is not
# connected, in whatever pieces a handshake comes; and never without TLS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Test::More;
use TRV;

my ($ca, $stranger) = (certs(), certs());

my $ours = $ca->issue('edge', usage => 'clientAuth');
my %server = (
    right => $ca->issue('right', names => 'IP:127.0.0.1,DNS:redis.internal'),
    name => $ca->issue('name', names => 'DNS:redis.internal'),
    other => $ca->issue('other', names => 'DNS:other.internal,IP:127.0.0.2'),
    wild => $ca->issue('wild', names => 'DNS:*.redis.internal'),
    old => $ca->issue('old', names => 'IP:127.0.0.1', from => -9, to => -1),
    future => $ca->issue('future', names => 'IP:127.0.0.1', from => 3),
    client => $ca->issue('client', names => 'IP:127.0.0.1',
                         usage => 'clientAuth'),
    foreign => $stranger->issue('foreign', names => 'IP:127.0.0.1'),
);

my $port = free_port();
my $redis = redis(args => tls_args('right'));

sub tls_args {
    my ($which, @more) = @_;
    return [ '--bind', '127.0.0.1', '--tls-port', $port,
             '--tls-cert-file', $server{$which}{file},
             '--tls-key-file', $server{$which}{key},
             '--tls-ca-cert-file', $ca->file, '--tls-auth-clients', 'yes',
             @more ];
}

# Redis shows another certificate from now on
sub show {
    my ($which, @more) = @_;
    $redis->command('CONFIG', 'SET',
                    'tls-cert-file', $server{$which}{file},
                    'tls-key-file', $server{$which}{key}, @more);
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

my $cert = "certificate=$ours->{file} certificate_key=$ours->{key}";
my $with_ca = 'ca=' . $ca->file;
my $url = "rediss://127.0.0.1:$port";

my $edge = edge(redis_line => "$url $with_ca $cert", set => 'timeout 1s;');
$edge->wait_ready;

sub revokes {
    my ($name) = @_;
    my $token = token();
    ok(wait_for(15, sub { $edge->revoke({ token => $token })->{status} == 200 }),
       "$name: revoked") or diag($edge->last_lines);
    is($edge->call($token), 401, "$name: refused");
    my $answer;
    ok(wait_for(15, sub {
        $answer = $edge->state;
        $answer->{agrees};
    }), "$name: agrees");
}

# with a new configuration, or the same one
sub again {
    my ($line, %change) = @_;
    $edge->configure(redis_line => $line, %change);
    spew($edge->{log}, '');
    ok($edge->reload, 'reload');
}

sub refused {
    my ($name, $why) = @_;
    ok(wait_for(10, sub { $edge->logged($why) }), "$name: said")
        or diag($edge->last_lines);
    my $token = token();
    is($edge->revoke({ token => $token })->{status}, 503,
       "$name: nothing is revoked");
    ok(wait_for(10, sub { $edge->call($token) == 200 }), "$name: nor refused");

    is(join("\n", $edge->repeated($why)), '', "$name: not again and again");

    # those of before may have been about to
    my %now = map { $_ => 1 } $edge->workers;
    is(scalar(grep { /\] (\d+)#/ && $now{$1} }
                   $edge->logged(qr/connected again/)), 0,
       "$name: never connected");
}

revokes('in the first place');

my @clients = split /\n/, $redis->command('CLIENT', 'LIST');
is(scalar(grep { /laddr=127/ && !/laddr=127.0.0.1:$port / } @clients), 0,
   'all its links are at the port of TLS');


# who is at the other end

my $refuses = qr/\[error\].*redis "\Q$url\E".*: its certificate is not accepted/;

show('foreign');
again("$url $with_ca $cert");
refused('another CA', qr/$refuses: unable to get local issuer certificate/);

show('other');
again("$url $with_ca $cert");
refused('another address', qr/$refuses: IP address mismatch/);

show('name');
again("$url $with_ca $cert");
refused('a name, no address', qr/$refuses: IP address mismatch/);
again("$url $with_ca $cert server_name=redis.internal");
revokes('server_name');
again("$url $with_ca $cert server_name=redis.example");
refused('another name', qr/$refuses: hostname mismatch/);

show('wild');
again("$url $with_ca $cert server_name=a.redis.internal.");
revokes('a wildcard, an absolute name');
again("$url $with_ca $cert server_name=b.a.redis.internal");
refused('a wildcard is one label', qr/$refuses: hostname mismatch/);

show('old');
again("$url $with_ca $cert");
refused('expired', qr/$refuses: certificate has expired/);

show('future');
again("$url $with_ca $cert");
refused('not valid yet', qr/$refuses: certificate is not yet valid/);

show('client');
again("$url $with_ca $cert");
refused('not a server', qr/$refuses: \S+ certificate purpose/);

show('right');
revokes('the right one again');
ok($edge->logged(qr/\[notice\].*redis .*: connected again/), 'it says so');

again("$url $cert");
refused('the CAs of the system', qr/$refuses: self-signed certificate in/);

again("$url $with_ca");
refused('no certificate of ours',
        qr/\[error\].*redis .*alert certificate required/);

my $wrong = $stranger->issue('wrong', usage => 'clientAuth');
again("$url $with_ca certificate=$wrong->{file} certificate_key=$wrong->{key}");
refused('a foreign certificate of ours', qr/\[error\].*redis .*alert unknown ca/);


# versions

$redis->command('CONFIG', 'SET', 'tls-protocols', 'TLSv1.2');
$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
again("$url $with_ca $cert");
revokes('TLS 1.2');
again("$url $with_ca");
refused('TLS 1.2: no certificate of ours',
        qr/\[error\].*redis .*alert handshake failure/);

$redis->command('CONFIG', 'SET', 'tls-protocols', 'TLSv1.1',
                'tls-ciphers', 'ALL:@SECLEVEL=0');
again("$url $with_ca $cert");
refused('TLS 1.1', qr/\[error\].*redis .*(unsupported protocol|alert protocol version)/);
$redis->command('CONFIG', 'SET', 'tls-protocols', 'TLSv1.3 TLSv1.2',
                'tls-ciphers', '');
revokes('TLS 1.3 again');


# what is not TLS

my $plain = free_port();
$redis->command('CONFIG', 'SET', 'port', $plain);
again("rediss://127.0.0.1:$plain $with_ca $cert");
refused('a port without TLS', qr/\[error\].*redis .*no TLS handshake in time/);
again("redis://127.0.0.1:$port");
refused('TLS where none is configured',
        qr/\[error\].*redis .*(Protocol error|recv\(\) failed|closed by)/);

# nothing that could be read is sent to whoever is there

{
    my $trap = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
        or die "$!\n";
    my $at = $trap->sockport;
    spew(dir() . '/redis.pw', "s3cret\n");
    again("rediss://someone\@127.0.0.1:$at $with_ca $cert password_file="
          . dir() . '/redis.pw');
    my $caught = '';
    for (1 .. 4) {
        my $link = $trap->accept or die "$!\n";
        sysread $link, $caught, 65536, length $caught;
        syswrite $link, "+OK\r\n";
    }
    is(ord $caught, 22, 'a handshake is sent');
    unlike($caught, qr/AUTH|INFO|EVAL|XREAD|someone|s3cret/i, 'and no more');
}


# SNI

{
    my $at = free_port();
    my $log = dir() . '/s_server.out';
    my $pid = TRV::Process->spawn($log, 'openssl', 's_server', '-accept', $at,
        '-cert', $server{other}{file}, '-key', $server{other}{key},
        '-cert2', $server{right}{file}, '-key2', $server{right}{key},
        '-servername', 'redis.internal', '-www');
    my $at_work = bless { pid => $pid }, 'TRV::Process';
    ok(wait_for(5, sub { slurp($log) =~ /ACCEPT/ }), 's_server');
    again("rediss://127.0.0.1:$at $with_ca server_name=redis.internal");
    ok(wait_for(5, sub {
        $edge->logged(qr/\[error\].*redis .*(greeting|closed by|Protocol)/)
    }), 'SNI: the certificate for that name was shown')
        or diag($edge->last_lines);
    $at_work->end_by('KILL', 5);
}


# handshakes in pieces, that stop half-way, that end half-way

my $proxy = proxy("127.0.0.1:$port", raw => 1, listen => '127.0.0.1:0');
my $by_proxy = 'rediss://' . $proxy->at . " $with_ca $cert";

$proxy->fault(split => 5);
again($by_proxy, workers => 1);
revokes('in small pieces');

$proxy->fault(split => 1000, delay_ms => 20);
$proxy->cut;
revokes('in records, late');

for my $bytes (1, 5, 90, 400, 1100) {
    $proxy->fault(cut_after => $bytes);
    $proxy->cut;
    my $links = $proxy->counts->{links};
    ok(wait_for(10, sub { $proxy->counts->{links} > $links + 2 }),
       "ends after $bytes bytes: tried again");
}
$proxy->clear;
revokes('ended half-way');

$proxy->fault(stall => 'down');
again($by_proxy);
ok(wait_for(10, sub { $edge->logged(qr/\[error\].*redis .*no TLS handshake in time/) }),
   'stalled half-way: given up');
like($edge->revoke({ token => token() })->{status}, qr/^503$/,
     'stalled: a POST is refused');
ok($edge->reload, 'stalled: reload');
$proxy->clear;
revokes('stalled half-way');

# much at once, in both directions

my @tokens = map { token() } 1 .. 1000;
again($by_proxy, set => 'timeout 5s;');
$proxy->fault(split => 500);
is($edge->revoke({ tokens => \@tokens })->{status}, 200, 'a large command');
$edge->stop;
system('rm', '-rf', $edge->{replica});
$edge->start;
$edge->wait_ready;
is($edge->call($tokens[-1]), 401, 'large replies');


# files that are changed are read again

$proxy->clear;
my $moved = $stranger->issue('moved', names => 'IP:127.0.0.1');
spew("$ca->{dir}/both.pem", slurp($ca->file));
again("$url ca=$ca->{dir}/both.pem $cert");
revokes('before the CA changes');
$server{moved} = $moved;
spew($edge->{log}, '');
show('moved');
ok(wait_for(10, sub { $edge->logged(qr/its certificate is not accepted/) }),
   'another CA: not accepted');
spew("$ca->{dir}/both.pem", slurp($ca->file) . slurp($stranger->file));
ok($edge->reload, 'reload');
revokes('after the reload');

finish();
