#!/usr/bin/perl

# The API in locations as nginx has them: with an "if", a "limit_except", a
# rewritten URI.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $api = 'token_revoke_admin partners; token_revoke_principal $http_x_principal;';

my $edge = edge(redis => redis(), server => <<"CONF");
location /if/ {
    if (\$arg_state) {
        set \$asked 1;
    }
    $api
    if (\$args) {
        set \$asked 1;
    }
}
location /page/ {
    $api
    if (\$arg_page) {
        return 200 "page";
    }
}
location /deny/ {
    $api
    limit_except GET {
        deny all;
    }
}
location /allow/ {
    $api
    limit_except GET {
        allow all;
    }
}
location /rewritten/and/long/ {
    rewrite ^ /x break;
    $api
}
CONF
$edge->wait_ready;

my @workers = sort $edge->workers;

sub answer {
    my ($method, $uri, @options) = @_;
    return $edge->request($method, $uri, headers => [
        'X-Principal' => 'operator ann', 'Content-Type' => 'application/json'
    ], @options);
}

is(answer('GET', '/if/tokens')->{status}, 200, 'beside an "if"');
for my $args ('limit=1', 'state=all') {
    is(answer('GET', "/if/tokens?$args")->{status}, 200, "in an \"if\": $args");
}

is(answer('GET', '/page/whoami')->{status}, 200, 'beside one that answers');
is(answer('GET', '/page/x?page=1')->{body}, 'page', 'the answer in it');

my $token = token();
my @body = (body => "{\"token\":\"$token\"}");

is(answer('GET', '/deny/whoami')->{status}, 200, 'not in limit_except');
is(answer('POST', '/deny/revocations', @body)->{status}, 403,
   'denied by limit_except');
is($edge->call($token), 200, 'nothing is revoked');
is(answer('POST', '/allow/revocations', @body)->{status}, 200,
   'allowed by limit_except');
is($edge->call($token), 401, 'revoked');

is(answer($_, '/rewritten/and/long/whoami')->{status}, 404,
   "$_ of an URI that is shorter than the location") for 'GET', 'POST';

is_deeply([ sort $edge->workers ], \@workers, 'the workers live');

finish();
