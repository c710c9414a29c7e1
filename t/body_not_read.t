#!/usr/bin/perl

# An answer that does not wait for the body of its request: what comes of that
# body is never taken for the next request of the connection.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $edge = edge(redis => redis());
$edge->wait_ready;

my $bad = token();
is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');

my $hidden = "GET /token-revoke/ready HTTP/1.1\r\nHost: edge\r\n\r\n";

# the statuses of all that is answered on one connection
sub statuses {
    my (@bytes) = @_;
    my $link = TRV::Http::open_link($edge->{socket});
    for (@bytes) {
        syswrite $link, $_;
        Time::HiRes::sleep(0.05);
    }
    my $answer = TRV::Http::read_all($link, 10);
    return $answer->{raw} =~ /^HTTP\/1\.1 (\d+)/mg;
}

my @json = ('Content-Type' => 'application/json');
my @ann = ('X-Principal' => 'operator ann');

for my $case (
    [ 403, 'no principal', 'POST', '/token-revoke/revocations', @json ],
    [ 404, 'no resource', 'POST', '/token-revoke/nothing', @json, @ann ],
    [ 405, 'PUT', 'PUT', '/token-revoke/revocations', @json, @ann ],
    [ 405, 'POST where there is GET only', 'POST', '/token-revoke/edges',
      @json, @ann ],
    [ 200, 'GET with a body', 'GET', '/token-revoke/whoami', @ann ],
    [ 403, 'another site', 'POST', '/token-revoke/revocations', @json, @ann,
      'Sec-Fetch-Site' => 'cross-site' ],
    [ 415, 'no type', 'POST', '/token-revoke/revocations', @ann ],
    [ 403, 'not for this role', 'POST', '/token-revoke/tokens', @json,
      'X-Principal' => 'merchant yhst-1' ],
    [ 401, 'OAuth, no principal', 'POST', '/token-revoke/oauth/revoke',
      'Content-Type' => 'application/x-www-form-urlencoded' ],
    [ 400, 'OAuth, no type', 'POST', '/token-revoke/oauth/revoke', @ann ],
    [ 401, 'a call with a revoked token', 'POST', '/api/x',
      Authorization => "Bearer $bad" ],
    [ 401, 'a call without a token', 'POST', '/api/x' ],
    [ 400, 'a call with two', 'POST', '/api/x', Authorization => 'Bearer a,b' ],
) {
    my ($status, $name, $method, $uri, @headers) = @$case;

    my $request = TRV::Http::format_request($method, $uri, keep => 1,
                                            headers => \@headers,
                                            body => $hidden);
    my ($head, $body) = split /(?<=\r\n\r\n)/, $request, 2;
    my $next = TRV::Http::format_request('GET', '/token-revoke/whoami',
                                         headers => \@ann);

    for my $how ([ 'at once', $request . $next ],
                 [ 'the body later', $head, $body . $next ],
                 [ 'the body in pieces', $head, substr($body, 0, 9),
                   substr($body, 9) . $next ])
    {
        my ($when, @bytes) = @$how;
        my @got = statuses(@bytes);
        is(shift @got, $status, "$name, $when");

        # the next one is answered, or the connection closed
        is(join(' ', grep { $_ != 200 } @got), '', "$name, $when: no other");
        cmp_ok(scalar @got, '<=', 1, "$name, $when: the body is no request");
    }
}

# one that is longer than allowed

my $long = TRV::Http::format_request('POST', '/token-revoke/revocations',
    keep => 1, headers => [ @json, @ann ], body => $hidden x 40000);
is_deeply([ statuses($long) ], [ 413 ], 'a body that is too long');

is(scalar($edge->logged(qr/pipelined request/)), 0,
   'nginx took no body for a request');

finish();
