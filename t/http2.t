#!/usr/bin/perl

# HTTP/2: the same verdicts for parallel streams of one connection, also when a
# token is revoked while the connection is in use.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

plan(skip_all => 'no curl with HTTP/2')
    if `curl --version` !~ /HTTP2/;

my $port = free_port();
my $redis = redis();
my $edge = edge(redis => $redis,
                server => "listen 127.0.0.1:$port http2; "
                          . 'http2_max_concurrent_streams 64; '
                          . 'keepalive_requests 1000000;');
$edge->wait_ready;

my ($good, $bad, $later) = map { token() } 1 .. 3;
is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');

my %status;

# requests on one connection, all at once: statuses in the order given; the
# tokens are in a file that curl reads and that is gone at the end
sub parallel {
    my @requests = @_;
    my $config = dir() . '/curl.conf';
    my $n = 0;
    spew($config, join "next\n", map {
        my ($token, @lines) = @$_;
        my $i = $n++;
        join "\n", "url = \"http://127.0.0.1:$port/api/$i\"",
             'http2-prior-knowledge',
             (defined $token ? "header = \"Authorization: $token\"" : ()),
             'output = "' . dir() . '/out"',
             'write-out = "%{urlnum} %{url_effective} %{http_code} '
             . '%{http_version} %{local_port}\n"', @lines, '';
    } @requests);
    my @got;
    for (`curl -s --parallel --parallel-immediate --parallel-max 64 -K $config 2>&1`) {
        my ($i, $code, $version) = m{/api/(\d+) (\d+) (\S+)} or next;
        $got[$i] = "$code $version";
    }
    unlink $config;
    return @got;
}

my @mixed = map { [ "Bearer " . ($_ % 2 ? $good : $bad) ] } 0 .. 49;
is_deeply([ parallel(@mixed) ], [ map { $_ % 2 ? '200 2' : '401 2' } 0 .. 49 ],
          'fifty streams, mixed');

is_deeply([ parallel([ undef ], [ 'Bearer a,b' ], [ 'Basic x' ],
                     [ "Bearer $good", "header = \"Authorization: Bearer $good\"" ],
                     [ "Bearer $bad", 'head' ]) ],
          [ '401 2', '400 2', '401 2', '400 2', '401 2' ],
          'missing, malformed, another scheme, two of them, HEAD');

# curl 7.88 may lose an answer that comes before it has sent the body
my $post;
ok(wait_for(10, sub {
    ($post) = parallel([ "Bearer $bad", 'data = "x=1"' ]);
    $post ne '000 0';
}), 'POST: answered');
is($post, '401 2', 'POST');

my ($header) = `curl -s --http2-prior-knowledge -D - -o /dev/null http://127.0.0.1:$port/api/x`
               =~ /^(www-authenticate: .*?)\r?$/mi;
is($header, 'www-authenticate: Bearer realm="api"', 'the challenge');


# half-way

my @before = parallel(map { [ "Bearer $later" ] } 1 .. 10);
is_deeply(\@before, [ ('200 2') x 10 ], 'passes before');

sub passed {
    return $edge->metric('calls_total verdict="passed",action="passed"') // 0;
}

my $out = dir() . '/load.out';
my $passed_before = passed();
my $pid = TRV::Process->spawn($out, 'h2load', '-D', 3, '-c', 2, '-m', 20,
    '-H', "authorization: Bearer $later", "http://127.0.0.1:$port/api/x");
ok(wait_for(30, sub { passed() > $passed_before + 100 }), 'it runs');
is($edge->revoke({ token => $later })->{status}, 200, 'revoked half-way');
my $load = bless { pid => $pid }, 'TRV::Process';
ok($load->wait_end(60), 'the load has run');

my ($passed, $refused, $failed5)
    = slurp($out) =~ /(\d+) 2xx, \d+ 3xx, (\d+) 4xx, (\d+) 5xx/;
ok($passed && $refused, "passed before ($passed), refused after ($refused)");
is($failed5, 0, 'no 5xx');

is_deeply([ parallel(map { [ "Bearer $later" ] } 1 .. 10) ],
          [ ('401 2') x 10 ], 'refused after');

finish();
