#!/usr/bin/perl

# How the check stands among nginx' other ways to answer and to refuse.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();

my $edge = edge(redis => $redis, later => 1, http => <<'HTTP', server => <<'SERVER');
    map $http_x_allow $auth { default 0; yes 1; }
    token_revoke_set dead { redis unix:/nonexistent; replica dead; node n; }
HTTP
        token_revoke_realm "merchant-api";

        location = /auth { internal; if ($auth) { return 204; } return 401; }

        location /any/ {
            token_revoke partners;
            satisfy any;
            auth_request /auth;
            proxy_pass http://unix:BACKEND:/;
        }
        location /any_basic/ {
            token_revoke partners;
            satisfy any;
            auth_basic "b";
            auth_basic_user_file DIR/htpasswd;
            auth_request /auth;
            proxy_pass http://unix:BACKEND:/;
        }
        location /fallback/ { root DIR/none; error_page 404 =200 @fallback; }
        location @fallback {
            expires 1h;
            token_revoke partners;
            proxy_pass http://unix:BACKEND:;
        }
        location /front/ { root DIR/none; error_page 404 /expose/x; }
        location /dead/ {
            token_revoke dead;
            error_page 503 = @fallback;
            proxy_pass http://unix:BACKEND:/;
        }
        location /other_realm/ {
            token_revoke partners;
            token_revoke_realm one;
            token_revoke_token header=X-Token;
            error_page 401 = @fallback;
            proxy_pass http://unix:BACKEND:/;
        }
        location /any_then/ {
            token_revoke partners;
            satisfy any;
            auth_request /auth;
            error_page 404 = /expose/x;
            try_files /nothing =404;
        }
        location /any_preaccess/ {
            token_revoke partners;
            token_revoke_phase preaccess;
            satisfy any;
            allow all;
            proxy_pass http://unix:BACKEND:/;
        }
        location /all/ {
            token_revoke partners;
            satisfy all;
            auth_request /auth;
            proxy_pass http://unix:BACKEND:/;
        }
        location /basic/ {
            token_revoke partners;
            token_revoke_token header=X-Token;
            auth_basic "b";
            auth_basic_user_file DIR/htpasswd;
            proxy_pass http://unix:BACKEND:/;
        }
        location /deny/ {
            token_revoke partners;
            deny all;
            proxy_pass http://unix:BACKEND:/;
        }
        location /page/ {
            token_revoke partners;
            error_page 401 400 503 /page_401;
            proxy_pass http://unix:BACKEND:/;
        }
        location = /page_401 {
            internal;
            token_revoke off;
            alias DIR/www/page;
            add_header X-Status $token_revoke_status always;
        }
        location /page_json/ {
            token_revoke partners;
            error_page 401 =403 @named;
            proxy_pass http://unix:BACKEND:/;
        }
        location @named {
            token_revoke off;
            return 200 "named $token_revoke_status\n";
        }
        location /page_checked/ {
            token_revoke partners;
            error_page 401 /page_checked/again;
            proxy_pass http://unix:BACKEND:/;
        }
        location /nested/ {
            token_revoke partners;
            alias DIR/www/;

            location /nested/open/ {
                token_revoke off;
                alias DIR/www/;
            }
        }
        location /try/ {
            token_revoke partners;
            root DIR/www;
            try_files $uri /file/file;
        }
        location /limit/ {
            token_revoke partners;
            limit_except GET { deny all; }
            proxy_pass http://unix:BACKEND:/;
        }
        location /missing/ {
            token_revoke partners;
            token_revoke_missing allow;
            proxy_pass http://unix:BACKEND:/;
            add_header X-Status $token_revoke_status always;
        }
        location /options/ {
            token_revoke partners;
            proxy_pass http://unix:BACKEND:/;
            error_page 418 = @preflight;
            if ($request_method = OPTIONS) { return 418; }
        }
        location @preflight { token_revoke off; return 204; }
        location /off/ {
            token_revoke off;
            proxy_pass http://unix:BACKEND:/;
            add_header X-Status "[$token_revoke_status]" always;
        }
        location /return/ {
            token_revoke partners;
            return 200 "returned\n";
        }
        location /expose/ {
            token_revoke partners;
            proxy_pass http://unix:BACKEND:/;
            add_header X-Id $token_revoke_id always;
            add_header X-Status $token_revoke_status always;
        }
SERVER

my $server = $edge->{server};
$server =~ s/BACKEND/$edge->{backend}/g;
$server =~ s/DIR/$edge->{dir}/g;
$edge->configure(server => $server);

TRV::spew("$edge->{dir}/www/page", "a page\n");
# ann, secret
TRV::spew("$edge->{dir}/htpasswd", "ann:{PLAIN}secret\n");

push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;

my ($good, $bad) = (token(), token());
is($edge->revoke({ token => $bad }, Prefer => 'wait=5')->{status}, 200,
   'revoked');

sub get {
    my ($uri, $token, @headers) = @_;
    push @headers, Authorization => "Bearer $token" if $token;
    return $edge->request('GET', $uri, headers => \@headers);
}

sub status { get(@_)->{status} }


# satisfy any: others may let a call in that has no token, never a revoked one

is(status('/any/x', $bad, 'X-Allow' => 'yes'), 401,
   'satisfy any: revoked, though another module says OK');
is(status('/any/x', $good, 'X-Allow' => 'yes'), 200, 'satisfy any: allowed');
is(status('/any/x', $good), 401,
   'satisfy any: we never grant, others decide');
is(status('/any/x', undef, 'X-Allow' => 'yes'), 200,
   'satisfy any: no token, another module lets it in');
is(status('/any/x', undef), 401, 'satisfy any: no token, nobody lets it in');
like(TRV::Http::header(get('/any/x'), 'WWW-Authenticate'), qr/^Bearer realm/,
     'satisfy any: a challenge');

my $let_in = get('/any/x', undef, 'X-Allow' => 'yes');
is(TRV::Http::header($let_in, 'WWW-Authenticate'), '',
   'satisfy any: no challenge to who was let in');
is(TRV::Http::header($let_in, 'Cache-Control'), '',
   'satisfy any: nothing of a refusal is left');

$let_in = get('/any_basic/x', undef, 'X-Allow' => 'yes');
is($let_in->{status}, 200, 'satisfy any: let in by the third of three');
is_deeply($let_in->{headers}{'www-authenticate'} || [], [],
          'satisfy any: no challenge of the two others');
is_deeply([ sort map { /^(\w+)/ } @{ get('/any_basic/x')->{headers}
                                         {'www-authenticate'} } ],
          [ 'Basic', 'Bearer' ], 'satisfy any: both, when nobody lets it in');

my $later = get('/any_then/x', undef, 'X-Allow' => 'yes');
is($later->{status}, 401, 'satisfy any: let in, refused after a redirect');
is(scalar @{ $later->{headers}{'www-authenticate'} || [] }, 1,
   'satisfy any: with a challenge');
is(TRV::Http::header($later, 'Cache-Control'), 'no-store',
   'satisfy any: and not to be stored');
is(status('/any/x', "$bad,", 'X-Allow' => 'yes'), 400,
   'satisfy any: malformed, though another module says OK');

is(status('/any_preaccess/x', $bad), 401, 'preaccess: revoked');
is(status('/any_preaccess/x', $good), 200, 'preaccess: allowed');
is(status('/any_preaccess/x'), 401, 'preaccess: no token is refused too');

is(status('/all/x', $bad, 'X-Allow' => 'yes'), 401, 'satisfy all: revoked');
is(status('/all/x', $good, 'X-Allow' => 'yes'), 200, 'satisfy all: allowed');
is(status('/all/x', $good), 401, 'satisfy all: the other one refuses');

my @basic = (Authorization => 'Basic YW5uOnNlY3JldA==');
is(status('/basic/x', undef, 'X-Token' => $good, @basic), 200,
   'auth_basic beside us');
is(status('/basic/x', undef, 'X-Token' => $bad, @basic), 401,
   'auth_basic beside us, revoked');
is(status('/basic/x', undef, 'X-Token' => $good), 401,
   'auth_basic beside us refuses');

is(status('/deny/x', $good), 403, 'deny all');

# error_page

for my $case ([ $bad, 'REVOKED' ], [ undef, 'MISSING' ]) {
    my $answer = get('/page/x', $case->[0]);
    is($answer->{status}, 401, 'error_page: status');
    is($answer->{body}, "a page\n", 'error_page: its body');
    is(TRV::Http::header($answer, 'X-Status'), $case->[1],
       'error_page: the verdict is kept');
    like(TRV::Http::header($answer, 'WWW-Authenticate'), qr/^Bearer realm/,
         'error_page: challenge');
}

is(get('/page/x', "$bad,")->{body}, "a page\n", 'error_page for 400');

my $answer = get('/page_json/x', $bad);
is($answer->{status}, 403, 'error_page: another status');
is($answer->{body}, "named REVOKED\n", 'error_page: named location');

$answer = get('/page_checked/x', $bad);
is($answer->{status}, 401, 'a page that is checked itself');
is(json($answer->{body})->{error}, 'invalid_token', 'our own body then');
is(scalar @{ $answer->{headers}{'www-authenticate'} }, 1, 'one challenge');
is(scalar @{ $answer->{headers}{'cache-control'} }, 1, 'one Cache-Control');

# an error that has led to a place that is checked

is(status('/fallback/x', $good), 200, 'error_page to a checked location');
for my $case ([ '/fallback/x', 'merchant-api' ], [ '/front/x', 'merchant-api' ],
              [ '/dead/x', 'merchant-api' ],
              [ '/other_realm/x', 'merchant-api' ])
{
    my ($uri, $realm) = @$case;
    my $answer = get($uri, $bad);
    is($answer->{status}, 401, "$uri: refused with its own status");
    is(json($answer->{body})->{error}, 'invalid_token', "$uri: its body");
    is_deeply([ map { /^Bearer realm="$realm", error="invalid_token"/ ? 1 : $_ }
                @{ $answer->{headers}{'www-authenticate'} || [] } ], [ 1 ],
              "$uri: one challenge, its own");
    is(scalar(grep { /no-store/ } @{ $answer->{headers}{'cache-control'} }), 1,
       "$uri: not to be stored");
}

# locations

is(status('/nested/file', $bad), 401, 'outer location');
is(status('/nested/open/file', $bad), 200, 'nested "off"');
is(status('/off/x', $bad), 200, 'off');
is(TRV::Http::header(get('/off/x', $bad), 'X-Status'), '[]',
   'off: no verdict');
is(status('/try/nothing', $bad), 401, 'try_files, revoked');
is(status('/try/nothing', $good), 200, 'try_files, allowed');
is(status('/limit/x', $bad), 401, 'limit_except, revoked');
is(status('/limit/x', $good), 200, 'limit_except, allowed');
is($edge->request('POST', '/limit/x', body => '',
       headers => [ Authorization => "Bearer $good" ])->{status}, 403,
   'limit_except, another method');
is(status('/return/x', $bad), 200, '"return" answers before the access phase');

$answer = get('/missing/x');
is($answer->{status}, 200, 'missing allowed');
is(TRV::Http::header($answer, 'X-Status'), 'PASSED', 'missing allowed: PASSED');
is(status('/missing/x', $bad), 401, 'missing allowed, revoked');
is(status('/missing/x', "$bad,"), 400, 'missing allowed, malformed');

is($edge->request('OPTIONS', '/options/x')->{status}, 204,
   'a preflight without a token');
is(status('/options/x', $bad), 401, 'and the call itself');

# variables

$answer = get('/expose/x', $bad);
is(TRV::Http::header($answer, 'X-Id'), token_id($bad), 'the id of a refused one');
$answer = get('/expose/x', $good);
is(TRV::Http::header($answer, 'X-Id'), token_id($good), 'of an allowed one');
is(TRV::Http::header($answer, 'X-Status'), 'PASSED', 'PASSED');
is(TRV::Http::header(get('/expose/x'), 'X-Id'), '', 'none without a token');
is(TRV::Http::header(get('/expose/x'), 'X-Status'), 'MISSING', 'MISSING');
is(TRV::Http::header(get('/expose/x', "$bad,"), 'X-Status'), 'MALFORMED',
   'MALFORMED');
like(TRV::Http::header(get('/expose/x', $bad), 'WWW-Authenticate'),
     qr/realm="merchant-api"/, 'realm');

# the log of refusals

my $short = substr token_id($bad), 0, 8;
ok(scalar $edge->logged(qr/\[info\].*token revocation: REVOKED, token id: $short,/),
   'a refusal is logged with eight digits of the id');
is(scalar $edge->logged(qr/${\ token_id($bad) }/), 0, 'and not with more');

status('/expose/%0a%1b%22,%20client:%20forged');
ok(scalar $edge->logged(qr{MISSING.*, uri: "/expose/\?\?\?, client: forged"$}),
   'a path cannot break out of its line, or its quotes');

finish();
