#!/usr/bin/perl

# make demo: Redis, three edges and a sample API, in a directory that is gone
# in the end.  Revokes a token on edge 1 and shows when each edge refuses it,
# says what to try, and waits for Ctrl-C.

use strict;
use warnings;
use feature 'state';

use Cwd ();
use Digest::SHA ();
use FindBin;
use lib $FindBin::Bin;
use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 ();
use Time::HiRes ();
use TRV;
use TRV::Edge ();

my $EDGES = 3;

# three partners of two stores: what they may call there, when their tokens were
# issued and when they expire (days from now), and which one is a renewal of
# the one before
my ($SHOES, $ACME) = ('yhst-1234567890', 'acme-store');
my @ALL_APIS = qw(order catalog payment checkout);

my @samples = map { sample(@$_) } (
    [ 'ypa-005259428546', $SHOES, [ 'order', 'catalog' ], -300,  65 ],
    [ 'ypa-005259428546', $SHOES, [ 'order', 'catalog' ],   -2, 363, 1 ],
    [ 'ypa-005259428546', $SHOES, [ 'order' ],            -500, -40 ],
    [ 'ypa-005259428546', $ACME,  [ 'order' ],            -350,  15 ],
    [ 'ypa-005259428546', $ACME,  \@ALL_APIS,              -20, 345 ],
    [ 'ypa-007712345678', $SHOES, [ 'catalog' ],          -340,  25 ],
    [ 'ypa-007712345678', $SHOES, [ 'catalog' ],           -10, 355, 1 ],
    [ 'ypa-007712345678', $ACME,  [ 'catalog' ],          -100, 265 ],
    [ 'ypa-007712345678', $ACME,  [ 'order', 'payment' ], -400, -35 ],
    [ 'ypa-003141592653', $SHOES, \@ALL_APIS,             -200, 165 ],
    [ 'ypa-003141592653', $ACME,  \@ALL_APIS,             -360,   5 ],
    [ 'ypa-003141592653', $ACME,  \@ALL_APIS,               -1, 364, 1 ],
);

my @users = unique('operator', (map { "merchant-$_->{store}" } @samples),
                   (map { "partner-$_->{partner}" } @samples));
my %password = map { $_ => random(16) } @users;

my $http = HTTP::Tiny->new(timeout => 10);

$| = 1;
alarm 0;                        # a demo may take as long as somebody likes it
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = $SIG{PIPE} = sub {
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
    exit 0;
};

my $redis_port = free_port();
redis(args => [ '--bind', '127.0.0.1', '--port', $redis_port,
                '--appendonly', 'yes', '--maxmemory-policy', 'noeviction' ]);

my $api_port = start_nginx('api', 'api.conf');

spew(dir() . '/users',
     join '', map { "$_:" . hashed($password{$_}) . "\n" } @users);

my @edges = map { 'http://127.0.0.1:'
                  . start_nginx("edge-$_", 'edge.conf', number => $_,
                                redis_port => $redis_port,
                                api_port => $api_port) } 1 .. $EDGES;

until_true("$_ gets ready", get_is("$_/health/ready", 200)) for @edges;

register(@samples);
show_addresses();
prove_it();
show_what_to_try();

while (1) {
    sleep 1;
    check_servers();
}


sub show_addresses {
    say_lines("", "$EDGES edges, a Redis and an API behind them, in "
              . dir() . ":", "",
              (map { sprintf '  edge %d   %s', $_, $edges[$_ - 1] }
                   1 .. $EDGES),
              "  pages    $edges[0]/token-revoke/console/",
              "  API      http://127.0.0.1:$api_port",
              "  Redis    redis-cli -p $redis_port", "",
              "Users and passwords:", "",
              map { sprintf '  %-26s %s', $_, $password{$_} } @users);
}


sub prove_it {
    my $token = token();

    say_lines("", "A token is revoked on edge 1:", "");

    for my $n (1 .. $EDGES) {
        my $status = call($edges[$n - 1], $token);
        printf "  edge %d   %d before\n", $n, $status;
        die "edge $n does not let it pass\n" if $status != 200;
    }

    my $start = Time::HiRes::time();
    my $passed_ms = sub { 1000 * (Time::HiRes::time() - $start) };

    my $answer = post("$edges[0]/token-revoke/revocations", 'operator',
                      { token => $token, reason => 'demo' });

    printf "  POST     %d after %.1f ms\n", $answer->{status}, $passed_ms->();
    die "it is not revoked: $answer->{content}\n" if $answer->{status} != 200;

    my $status = call($edges[0], $token);
    die "edge 1 says $status after that\n" if $status != 401;
    printf "  edge 1   401 after %.1f ms\n", $passed_ms->();

    for my $n (2 .. $EDGES) {
        until_true("edge $n refuses it",
                   sub { call($edges[$n - 1], $token) == 401 });
        printf "  edge %d   401 after %.1f ms\n", $n, $passed_ms->();
    }
}


sub sample {
    my ($partner, $store, $apis, $issued, $expires, $renewal) = @_;
    state $before;

    my $token = token();
    my $sample = { token => $token, partner => $partner, store => $store,
                   apis => $apis, issued_at => time + $issued * 86400,
                   expires_at => time + $expires * 86400,
                   $renewal ? (renews => token_id($before)) : () };
    $before = $token;
    return $sample;
}


# owners can revoke what is on record
sub register {
    my $answer = post("$edges[0]/token-revoke/tokens", 'operator', \@_);
    die "not registered: $answer->{content}\n" if $answer->{status} != 200;
}


sub show_what_to_try {
    my ($sample, @others) = grep { $_->{expires_at} > time } @samples;
    my $merchant = "merchant-$sample->{store}";
    my $partner = "partner-$sample->{partner}";
    my $revocations = 'token-revoke/revocations';

    say_lines("", "To try:", "",
        "  # partner $sample->{partner} calls the API of store"
            . " $sample->{store}",
        "  curl -i -H 'Authorization: Bearer $sample->{token}'"
            . " $edges[0]/api/$sample->{apis}[0]", "",
        "  # the merchant revokes that token, on another edge",
        "  curl -u $merchant:$password{$merchant}"
            . " -H 'Content-Type: application/json'"
            . " -d '{\"token\": \"$sample->{token}\", \"reason\": \"leaked\"}'"
            . " $edges[1]/$revocations", "",
        "  # the partner sees what has become of its tokens",
        "  curl -u $partner:$password{$partner}"
            . " '$edges[2]/token-revoke/tokens?state=all'", "",
        "  # what was revoked, and how the edges are",
        "  curl -u operator:$password{operator} $edges[2]/$revocations",
        "  curl -u operator:$password{operator} $edges[2]/token-revoke/edges",
        "",
        "  # 20 seconds without Redis: what is revoked stays refused",
        "  redis-cli -p $redis_port CLIENT PAUSE 20000", "",
        "Other valid tokens:", "",
        (map { "  $_->{partner} for $_->{store}: $_->{token}" } @others), "",
        "Ctrl-C ends all of it.");
}


sub call {
    my ($edge, $token) = @_;
    return $http->get("$edge/api/order",
                      { headers => { Authorization => "Bearer $token" } })
                ->{status};
}


sub post {
    my ($url, $user, $body) = @_;
    return $http->post($url, {
        headers => { Authorization => 'Basic ' . MIME::Base64::encode(
                                          "$user:$password{$user}", ''),
                     'Content-Type' => 'application/json' },
        content => JSON::PP::encode_json($body),
    });
}


sub get_is {
    my ($url, $status) = @_;
    return sub { $http->get($url)->{status} == $status };
}


# an nginx in a directory of its own; returns its port
sub start_nginx {
    my ($name, $file, %value) = @_;

    my $own = dir() . "/$name";
    my $port = free_port();
    my $load = TRV::Edge->load_line;
    %value = (%value, dir => dir(), port => $port,
              console => Cwd::abs_path("$FindBin::Bin/../../src/console"));

    my $conf = slurp("$FindBin::Bin/../../demo/$file");
    $conf =~ s/^load_module .*/$load/m;
    $conf =~ s/\@(\w+)\@/$value{$1} \/\/ die "what is \@$1\@ in $file?\n"/ge;

    mkdir $own or die "$own: $!\n";
    spew("$own/nginx.conf", $conf);

    my $pid = TRV::Process->spawn("$own/error.log", TRV::Edge->binary,
                                  '-p', $own, '-c', "$own/nginx.conf",
                                  '-e', 'error.log');
    push @TRV::started, bless { pid => $pid, log => "$own/error.log" },
                              'Demo::Nginx';

    until_true("$name answers", get_is("http://127.0.0.1:$port/", 404));
    return $port;
}


sub check_servers {
    for my $server (@TRV::started) {
        next if $server->running;
        die ref($server) =~ s{.*::}{}r, " has ended:\n",
            slurp($server->{log} || "$server->{dir}/redis.log");
    }
}


sub until_true {
    my ($what, $code) = @_;
    wait_for(30, sub { check_servers(); $code->() })
        or die "$what: not within 30 seconds\n";
}


sub random {
    my ($len) = @_;
    my @chars = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '_', '-');
    open my $fh, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $fh, my ($bytes), $len;
    return join '', map { $chars[$_ % @chars] } unpack 'C*', $bytes;
}


sub hashed {
    my ($password) = @_;
    my $salt = random(8);
    return '{SSHA}' . MIME::Base64::encode(
                          Digest::SHA::sha1($password . $salt) . $salt, '');
}


sub unique { my %seen; grep { !$seen{$_}++ } @_ }

sub say_lines { print map { "$_\n" } @_ }


package Demo::Nginx;

use parent -norequire, 'TRV::Process';

sub stop { $_[0]->end_by('QUIT', 5) }
