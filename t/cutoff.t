#!/usr/bin/perl

# token_revoke_cutoff: a call that goes on for long ends within a second when
# its token is revoked, on every edge, and no other call does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA ();
use IO::Select;
use IO::Socket::UNIX;
use MIME::Base64 ();
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();


# an upstream that never ends: a WebSocket that echoes, or bytes for ever

my $upstream = dir() . '/upstream.sock';
my $listener = IO::Socket::UNIX->new(Local => $upstream, Listen => 64)
    or die "$upstream: $!\n";
chmod 0777, $upstream;

my $pid = fork // die "fork: $!\n";
if ($pid == 0) {
    @TRV::started = ();
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{ALRM} = 'DEFAULT';
    alarm 120;
    while (my $link = $listener->accept) {
        next if fork;
        my $head = '';
        while ($head !~ /\r\n\r\n/) { sysread $link, $head, 1, length $head or last }
        sleep 1 if $head =~ m{^GET /slow};
        if ($head =~ /^Sec-WebSocket-Key: (\S+)/mi) {
            my $accept = MIME::Base64::encode(Digest::SHA::sha1(
                $1 . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'), '');
            syswrite $link, "HTTP/1.1 101 Switching Protocols\r\n"
                . "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                . "Sec-WebSocket-Accept: $accept\r\n\r\n";
            while (sysread $link, my $frame, 4096) {
                # a masked text frame shorter than 126 comes back unmasked
                my ($len, $mask) = (ord(substr $frame, 1, 1) & 0x7f,
                                    substr $frame, 2, 4);
                my $text = substr($frame, 6, $len) ^ substr $mask x 40, 0, $len;
                syswrite $link, "\x81" . chr($len) . $text;
            }
        } elsif ($head =~ m{^GET /silent}) {
            sysread $link, $head, 1;             # until nginx goes away
        } else {
            syswrite $link, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            while (syswrite $link, 'x' x 100) { Time::HiRes::sleep(0.05) }
        }
        exit 0;
    }
    exit 0;
}
close $listener;


my $port = free_port();

sub locations {
    my ($cutoff) = @_;
    return <<"CONF";
            token_revoke partners;
            token_revoke_cutoff $cutoff;
            proxy_http_version 1.1;
            proxy_set_header Authorization "";
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection \$http_connection;
            proxy_buffering off;
            proxy_pass http://unix:$upstream:/;
CONF
}

my @edges = map { edge(redis => $redis, node => "edge-$_", later => 1) } 1, 2;
for my $edge (@edges) {
    my $listen = $edge == $edges[0] ? "listen 127.0.0.1:$port http2;" : '';
    $edge->configure(http => <<"HTTP", server => <<"CONF");
    token_revoke_cutoff off;
    token_revoke_set second {
        redis unix:$redis->{socket}; prefix second; node second;
        replica $edge->{dir}/second;
    }
HTTP
        $listen
        location /second/ { token_revoke_admin second; }
        location /both/ {
            token_revoke partners;
            token_revoke_cutoff on;
            error_page 404 = \@both;
            try_files /nothing =404;
        }
        location \@both {
            token_revoke second;
            token_revoke_cutoff on;
            proxy_buffering off;
            proxy_pass http://unix:$upstream:;
        }
        location /long/ { @{[ locations('on') ]} }
        location /kept/ { @{[ locations('off') ]} }
        location /dry/ { token_revoke_dry_run on; @{[ locations('on') ]} }
        location /big/ {
            token_revoke partners;
            token_revoke_cutoff on;
            limit_rate 20k;
            alias $edge->{dir}/www/;
        }
        location /redirected/ {
            token_revoke partners;
            token_revoke_cutoff on;
            error_page 404 = /long/x;
            try_files /nothing =404;
        }
        location /away/ {
            token_revoke partners;
            token_revoke_cutoff on;
            error_page 404 = /unchecked/x;
            try_files /nothing =404;
        }
        location /unchecked/ {
            proxy_buffering off;
            proxy_pass http://unix:$upstream:/;
        }
CONF
    spew("$edge->{dir}/www/large", 'y' x 4_000_000);
    push @TRV::started, $edge;
    $edge->start;
}
$_->wait_ready for @edges;
for my $edge (@edges) {
    wait_for(10, sub { $edge->get('/second/ready')->{status} == 200 })
        or die "the second set is not ready\n";
}


sub open_call {
    my ($edge, $uri, $token, @headers) = @_;
    my $link = TRV::Http::open_link($edge->{socket});
    print $link TRV::Http::format_request('GET', $uri, keep => 1,
        headers => [ Authorization => "Bearer $token", @headers ]);
    return { edge => $edge, link => $link, uri => $uri, text => '' };
}

# reads what is there; false once the other side has closed
sub alive {
    my ($call) = @_;
    my $select = IO::Select->new($call->{link});
    while ($select->can_read(0)) {
        my $n = sysread $call->{link}, $call->{text}, 65536, length $call->{text};
        return 0 unless $n;
    }
    return 1;
}

my @socket = (Upgrade => 'websocket', Connection => 'Upgrade',
              'Sec-WebSocket-Version' => 13,
              'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==');

sub frame {
    my ($text) = @_;
    my $mask = "\1\2\3\4";
    return "\x81" . chr(0x80 | length $text) . $mask
        . ($text ^ substr $mask x 40, 0, length $text);
}

# a text comes back over the WebSocket
sub echoes {
    my ($call, $text) = @_;
    syswrite $call->{link}, frame($text);
    return wait_for(5, sub {
        return index($call->{text}, $text) >= 0 || !alive($call);
    }) && index($call->{text}, $text) >= 0;
}

my ($bad, $good) = (token(), token());

my (@ending, @staying);
for my $edge (@edges) {
    push @ending, map { open_call($edge, $_, $bad) }
                      '/away/x', '/both/x', '/long/x', '/silent', '/big/large',
                      '/redirected/x';
    $ending[-3]{link}->close;
    $ending[-3] = open_call($edge, '/long/silent', $bad);
    push @ending, open_call($edge, '/long/socket', $bad, @socket);
    push @staying, open_call($edge, '/long/socket', $good, @socket);
    push @staying, map { open_call($edge, $_, $good) } '/long/x', '/big/large';
    push @staying, map { open_call($edge, $_, $bad) } '/kept/x', '/dry/x';
}

for my $call (grep { $_->{uri} =~ /socket/ } @ending, @staying) {
    ok(wait_for(5, sub { alive($call); $call->{text} =~ /^HTTP\/1.1 101 / }),
       'a WebSocket is open');
    ok(echoes($call, 'hello'), 'it echoes');
}
for my $call (grep { $_->{uri} !~ /socket|silent/ } @ending, @staying) {
    ok(wait_for(5, sub { alive($call); length $call->{text} > 200 }),
       "$call->{uri}: answers");
}

my %h2;
for my $uri ('/long/x', '/big/large') {
    for my $token ($bad, $good) {
        my $out = dir() . '/h2-' . keys %h2;
        my $config = spew("$out.conf",
                          "header = \"Authorization: Bearer $token\"\n");
        $h2{"$uri $token"} = bless { out => $out, pid => TRV::Process->spawn(
            "$out.err", 'curl', '-sS', '--http2-prior-knowledge', '-N', '-K',
            $config, '-o', $out, "http://127.0.0.1:$port$uri") },
            'TRV::Process';
        wait_for(5, sub { -s $out }) or diag("no answer to $uri");
        unlink $config;
    }
}

ok(alive($_), "$_->{uri}: goes on before") for @ending, @staying;


# before the answer, what follows the request may be read over it

my $early = token();
my $talker = { link => TRV::Http::open_link($edges[0]{socket}), text => '' };
syswrite $talker->{link}, TRV::Http::format_request('GET', '/kept/slow',
    keep => 1, headers => [ Authorization => "Bearer $early", @socket ])
    . frame('with it');
Time::HiRes::sleep(0.3);
syswrite $talker->{link}, frame('x' x 125) x 8;
ok(wait_for(5, sub { alive($talker); $talker->{text} =~ /with it/ }),
   'what came with the request is echoed');
close $talker->{link};
my $early_id = token_id($early);
ok(wait_for(5, sub { slurp("$edges[0]{dir}/access.log")
                     =~ /^101 PASSED $early_id$/m }),
   'the access log has the id of the token all the same');


my $answer = $edges[1]->revoke({ token => $bad }, Prefer => 'wait=5');
is($answer->{status}, 200, 'revoked');
my $revoked = Time::HiRes::time();

for my $call (@ending) {
    ok(wait_for(5, sub { !alive($call) }),
       "$call->{edge}{node} $call->{uri}: has ended");
}
my $took = Time::HiRes::time() - $revoked;

# what holds up this machine must not do so three times
my $limit = $ENV{TRV_NGINX} ? 3 : 1;
for (1 .. 2) {
    last if $took < $limit;
    my $token = token();
    my @calls = map { open_call($_, '/long/x', $token) } @edges;
    for my $call (@calls) {
        wait_for(5, sub { alive($call); length $call->{text} > 200 })
            or diag('no answer');
    }
    $edges[1]->revoke({ token => $token });
    $revoked = Time::HiRes::time();
    wait_for(5, sub { !grep { alive($_) } @calls });
    $took = Time::HiRes::time() - $revoked;
}
cmp_ok($took, '<', $limit, 'all of them in time');

for my $uri ('/long/x', '/big/large') {
    my $curl = $h2{"$uri $bad"};
    ok($curl->wait_end(3) && $curl->{status}, "HTTP/2 $uri: has ended");
    $curl->end_by('TERM', 5);
    $curl = $h2{"$uri $good"};
    ok($curl->running, "HTTP/2 $uri: another token's stream goes on");
    $curl->end_by('TERM', 5);
}

for my $call (@staying) {
    ok(alive($call), "$call->{edge}{node} $call->{uri}: goes on");
    my $len = length $call->{text};
    next if $call->{uri} =~ /socket/;
    ok(wait_for(5, sub { alive($call); length $call->{text} > $len }),
       'and moves');
}
ok(echoes($_, 'still here'), 'the WebSocket echoes')
    for grep { $_->{uri} =~ /socket/ } @staying;

my $id8 = substr token_id($bad), 0, 8;
for my $edge (@edges) {
    my @said = $edge->logged(qr/cut off: REVOKED, token id: $id8,/);
    is(scalar @said, $edge == $edges[0] ? 9 : 7, 'each is logged once');
}
ok(wait_for(5, sub { slurp("$edges[0]{dir}/access.log") =~ /^200 REVOKED /m }),
   'the access log says why');


# a worker that shuts down still cuts off

my $last = token();
my $call = open_call($edges[0], '/long/x', $last);
ok(wait_for(5, sub { alive($call); length $call->{text} > 200 }), 'a last one');
$edges[0]->reload;
ok(alive($call), 'goes on in a worker that shuts down');
is($edges[0]->revoke({ token => $last })->{status}, 200, 'revoked');
ok(wait_for(5, sub { !alive($call) }), 'has ended');

close $_->{link} for @ending, @staying, $call;
kill 'TERM', $pid;
waitpid $pid, 0;

finish();
