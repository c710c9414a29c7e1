#!/usr/bin/perl

# What the HTTP API is sent: principals, methods, types, sites, bodies.  Bad
# input gets a clear answer that names it, and changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis, set => 'registry off;');
$edge->wait_ready;

my $P = '/token-revoke/';
my $id = token_id(token());

sub set_size { $redis->command('ZCARD', '{partners}:revoked') }

sub problem {
    my ($answer, $status, $name, $pattern) = @_;
    my $body = json($answer->{body});
    is($answer->{status}, $status, "$name: $status");
    is(TRV::Http::header($answer, 'Content-Type'), 'application/problem+json',
       "$name: a problem");
    is($body->{status}, $status, "$name: its status");
    ok($body->{type} && $body->{title} && $body->{detail}, "$name: its members");
    like($body->{detail}, $pattern, "$name: what is wrong") if $pattern;
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store',
       "$name: not stored");
}

sub post {
    my ($body, %headers) = @_;
    return $edge->revoke($body, %headers);
}


# principals

for my $principal ('', 'operator', 'operator ', 'root ann',
                   'operator  ann', 'operator ann smith', 'Operator ann',
                   'merchant', 'merchant ' . 'a' x 65, "partner a/b",
                   'none x', "operator \xc3\xa4", 'operator,ann')
{
    my $answer = $edge->request('GET', "${P}whoami",
                                headers => [ 'X-Principal' => $principal ]);
    problem($answer, 403, "principal \"$principal\"");
}

for my $case ([ 'operator ann', 'operator', 'ann' ],
              [ 'merchant yhst-1234567890', 'merchant', 'yhst-1234567890' ],
              [ 'merchant acme-store', 'merchant', 'acme-store' ],
              [ 'partner ypa-005259428546', 'partner', 'ypa-005259428546' ],
              [ 'partner ' . 'a' x 64, 'partner', 'a' x 64 ])
{
    my $answer = $edge->admin('whoami', $case->[0]);
    is($answer->{status}, 200, $case->[0]);
    is_deeply(json($answer->{body}),
              { role => $case->[1], name => $case->[2] }, 'is who it is');
}

is($edge->request('GET', "${P}ready")->{status}, 200,
   'ready needs no principal');


# resources and methods

for my $path ('', 'x', 'revocation', 'revocations/', 'revocations//',
              "revocations/$id/x", 'edges/x', 'whoami/', 'ready/x',
              'REVOCATIONS', 'logs', 'tokens', '../token-revoke/x')
{
    problem($edge->admin($path), 404, "no resource \"$path\"");
}

for my $path ('revocations', "revocations/$id", 'edges', 'whoami', 'ready') {
    for my $method (qw(PUT DELETE PATCH OPTIONS), $path eq 'revocations'
                                                  ? () : 'POST')
    {
        my $answer = $edge->request($method, "$P$path",
            headers => [ 'X-Principal' => 'operator ann' ]);
        problem($answer, 405, "$method $path");
        like(TRV::Http::header($answer, 'Allow'), qr/^GET, HEAD(, POST)?$/,
             'what is allowed');
    }

    my $answer = $edge->request('HEAD', "$P$path",
                            headers => [ 'X-Principal' => 'operator ann' ]);
    is($answer->{body}, '', "HEAD $path has no body");
}


# types and sites

for my $type (undef, '', 'text/plain', 'application/x-www-form-urlencoded',
              'application/jsonx', 'text/json', 'multipart/form-data')
{
    my @headers = ('X-Principal' => 'operator ann');
    push @headers, 'Content-Type' => $type if defined $type;
    problem($edge->request('POST', "${P}revocations", headers => \@headers,
                           body => qq({"ids":["$id"]})),
            415, 'type ' . ($type // 'none'));
}

for my $headers ([ Origin => 'https://evil.example' ], [ Origin => 'null' ],
                 [ Origin => 'http://edge.evil.example' ],
                 [ Origin => 'http://edge:81' ], [ Origin => '' ],
                 [ Origin => 'edge' ],
                 [ 'Sec-Fetch-Site' => 'cross-site' ],
                 [ 'Sec-Fetch-Site' => 'same-site' ])
{
    problem(post({ ids => [ $id ] }, @$headers), 403,
            "another site: @$headers", qr/another site/);
}

is(set_size(), 0, 'none of that has changed anything');

is(post({ ids => [ $id ] }, Origin => 'http://edge',
        'Sec-Fetch-Site' => 'same-origin')->{status}, 200, 'our own site');
is(post({ ids => [ $id ] }, 'Content-Type' => 'application/json; charset=utf-8')
   ->{status}, 200, 'a type with a parameter');

my $size = set_size();


# bodies

my $deep = '[' x 100_000;
my $token = token();
my $zero = '0' x 32;

my @bodies = (
    [ '', qr/The body is empty/ ], [ ' ', qr/JSON/ ], [ '{', qr/JSON/ ],
    [ '{}', qr/exactly one/i ], [ '[]', qr/object/ ], [ 'null', qr/object/ ],
    [ '"x"', qr/object/ ], [ '1', qr/object/ ], [ 'true', qr/object/ ],
    [ qq({"ids":["$id"]}x), qr/JSON/ ],
    [ qq({"ids":["$id"],}), qr/JSON/ ],
    [ qq({'ids':['$id']}), qr/JSON/ ],
    [ qq({"ids":["$id"]}\0), qr/JSON/ ],
    [ qq({"ids":["$id"],"ids":["$id"]}), qr/JSON/ ],
    [ qq({"ids":["$id"],"token":"$token"}), qr/exactly one/i ],
    [ qq({"tokens":["$token"],"token":"$token"}), qr/exactly one/i ],
    [ qq({"ids":["$id"],"other":1}), qr/"other"/ ],
    [ qq({"ids":["$id"],"partner":"p"}), qr/exactly one/i ],
    [ '{"partner":1}', qr/"partner" must/ ], [ '{"store":""}', qr/"store" must/ ],
    [ '{"store":"a/b"}', qr/"store" must/ ],
    [ '{"store":"' . 'a' x 65 . '"}', qr/"store" must/ ],
    [ qq({"partner":"p","expires_at":4000000000}), qr/"expires_at"/ ],
    [ '{"partner":"p"}', qr/No token records/ ],
    [ '{"partner":"p","store":"s"}', qr/No token records/ ],
    [ qq({"$token":1}), qr/unknown member/i ],
    [ qq({"ids":"$id"}), qr/"ids" must be an array/ ],
    [ '{"ids":[]}', qr/1 to 1000/ ], [ '{"ids":null}', qr/1 to 1000/ ],
    [ '{"ids":[1]}', qr/number 1 of "ids"/i ],
    [ qq({"ids":["$id",null]}), qr/number 2 of "ids"/i ],
    [ '{"ids":["' . uc($id) . '"]}', qr/token id/ ],
    [ '{"ids":["' . substr($id, 1) . '"]}', qr/token id/ ],
    [ qq({"ids":["${id}0"]}), qr/token id/ ],
    [ qq({"ids":["$zero"]}), qr/token id/ ],
    [ qq({"ids":["$token"]}), qr/token id/ ],
    [ '{"ids":["' . 'g' x 32 . '"]}', qr/token id/ ],
    [ '{"ids":[' . join(',', ("\"$id\"") x 1001) . ']}', qr/1 to 1000/ ],
    [ '{"token":""}', qr/1 to 8192/ ], [ '{"token":1}', qr/"token" must/ ],
    [ '{"token":null}', qr/"token" must/ ],
    [ '{"token":["x"]}', qr/"token" must/ ],
    [ '{"token":"' . 'a' x 8193 . '"}', qr/1 to 8192/ ],
    [ '{"token":"a\u0000b"}', qr/JSON/ ],
    [ '{"token":"\ud800"}', qr/JSON/ ],
    [ "{\"token\":\"\xff\"}", qr/JSON/ ],
    [ "{\"token\":\"a\nb\"}", qr/JSON/ ],
    [ '{"tokens":[]}', qr/1 to 1000/ ],
    [ '{"tokens":["a",""]}', qr/number 2/ ],
    [ qq({"ids":["$id"],"reason":1}), qr/"reason"/ ],
    [ qq({"ids":["$id"],"reason":"a\\nb"}), qr/control/ ],
    [ qq({"ids":["$id"],"reason":") . 'x' x 257 . '"}', qr/257/ ],
    [ qq({"token":"$token","reason":"leaked: $token"}),
      qr/"reason" must not hold the text of a token/ ],
    [ qq({"reason":"<$token>","tokens":["a","$token"]}),
      qr/"reason" must not hold the text of a token/ ],
    [ qq({"ids":["$id"],"reason":") . "\xc3\xa4" x 257 . '"}', qr/257/ ],
    [ '{"token":"short","reason":"it was short."}',
      qr/"reason" must not hold the text of a token/ ],
    [ '{"ids":["' . token_id($token) . qq("],"reason":"leaked: $token"}),
      qr/"reason" must not hold the text of a token/ ],
    [ qq({"ids":["$id"],"dry_run":1}), qr/"dry_run"/ ],
    [ qq({"ids":["$id"],"dry_run":"yes"}), qr/"dry_run"/ ],
    [ qq({"ids":["$id"],"expect":-1}), qr/"expect"/ ],
    [ qq({"ids":["$id"],"expect":1.5}), qr/"expect"/ ],
    [ qq({"ids":["$id"],"expect":"1"}), qr/"expect"/ ],
    [ qq({"ids":["$id"],"expect":99999999999999999999}), qr/JSON/ ],
    [ qq({"ids":["$id"],"expires_at":1}), qr/future/ ],
    [ qq({"ids":["$id"],"expires_at":"soon"}), qr/"expires_at"/ ],
    [ qq({"ids":["$id"],"expires_at":"9999-01-01T00:00:00Z"}), qr/future/ ],
    [ qq({"ids":["$id"],"expires_at":"2027-02-30T00:00:00Z"}),
      qr/"expires_at"/ ],
    [ qq({"ids":["$id"],"expires_at":1e99}), qr/"expires_at"/ ],
    [ qq({"ids":["$id"],"expires_at":1e999}), qr/JSON/ ],
    [ $deep, qr/nested/ ], [ '{"a":' x 100_000, qr/nested/ ],
    [ '{' . join(',', map { "\"$_\":1" } 1 .. 1000) . '}', qr/unknown/i ],
    map({ [ "[$_" . ",$_" x 60_000 . ']', qr/body has more than 1100 values/ ] }
        1, '[]', '{}', '""', '"":0'),
    [ '{' . join(',', map { "\"$_\":1" } 1 .. 50_000) . '}',
      qr/body has more than 1100 values/ ],
    [ "\xef\xbb\xbf{}", qr/JSON/ ],
);

for my $case (@bodies) {
    my ($body, $pattern) = @$case;
    my $name = substr $body, 0, 40;
    $name =~ s/[^ -~]/?/g;
    problem(post($body), 400, "body $name", $pattern);
}

is(set_size(), $size, 'bad bodies have changed nothing');

my $max = 1024 * 1024;
my $padded = qq({"ids":["$id"],"dry_run":true});
is(post($padded . ' ' x ($max - length $padded))->{status}, 200,
   'a body of 1 MiB');
problem(post($padded . ' ' x ($max - length($padded) + 1)), 413,
        'one byte more', qr/1048576/);

{
    # chunked, without an end
    my $link = TRV::Http::open_link($edge->{socket});
    print $link "POST ${P}revocations HTTP/1.1\r\nHost: edge\r\n"
                . "X-Principal: operator ann\r\nConnection: close\r\n"
                . "Content-Type: application/json\r\n"
                . "Transfer-Encoding: chunked\r\n\r\n";
    for (1 .. 40) {
        print $link "10000\r\n" . ' ' x 65536 . "\r\n" or last;
    }
    $link->flush;
    is(TRV::Http::read_all($link, 10)->{status}, 413, 'chunked without an end');
}

{
    my $body = qq({"ids":["$id"],"dry_run":true});
    my $chunks = join '', map { "1\r\n$_\r\n" } split //, $body;
    my $answer = TRV::Http::raw($edge->{socket},
        "POST ${P}revocations HTTP/1.1\r\nHost: edge\r\n"
        . "X-Principal: operator ann\r\nConnection: close\r\n"
        . "Content-Type: application/json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n", slow => 1);
    is($answer->{status}, 200, 'many small buffers, slowly');
}

is($edge->request('POST', "${P}revocations", headers =>
       [ 'X-Principal' => 'operator ann', 'Content-Type' => 'application/json',
         Expect => '100-continue' ], body => $padded)->{status}, 200,
   'Expect: 100-continue');


# what is right

my $answer = post({ ids => [ $id ], dry_run => JSON::PP::true() });
is($answer->{status}, 200, 'a dry run');
ok(json($answer->{body})->{dry_run}, 'it says so');

my $fresh = token_id(token());
$answer = post({ ids => [ $fresh ], dry_run => JSON::PP::true() });
is($answer->{status}, 200, 'a dry run of a fresh one');
ok(!json($answer->{body})->{revoked}[0]{already}, 'would be new');
is(set_size(), $size, 'and has changed nothing');

problem(post({ ids => [ $id, $fresh ], expect => 3 }), 409, 'expect',
        qr/hits 2 tokens, not the 3/);
is(set_size(), $size, 'and has changed nothing');
is(post({ ids => [ $id, $fresh, $id ], expect => 2 })->{status}, 200,
   'expect counts each id once');

my @many = map { token_id(token()) } 1 .. 1000;
$answer = post({ ids => \@many });
is($answer->{status}, 200, '1000 ids');
is_deeply([ map { $_->{id} } @{ json($answer->{body})->{revoked} } ], \@many,
          'in the order of the request');

$answer = post({ ids => [ $id ], reason => "\xe2\x9c\x93" x 256 });
is($answer->{status}, 200, '256 characters of reason');

my $year = 3600 * 24 * 365;
my $at = time + $year;
$fresh = token_id(token());
$answer = post({ ids => [ $fresh ], expires_at => $at });
is($redis->command('ZSCORE', '{partners}:revoked', $fresh), $at, 'expires_at');
post({ ids => [ $fresh ], expires_at => $at - 1000 });
is($redis->command('ZSCORE', '{partners}:revoked', $fresh), $at,
   'an earlier expiry does not win');
post({ ids => [ $fresh ], expires_at => $at + 1000 });
is($redis->command('ZSCORE', '{partners}:revoked', $fresh), $at + 1000,
   'a later expiry wins');

# tokens that could be taken for something else

$size = set_size();

for my $odd ("a\\r\\nSET x y\\r\\n", '*1\\r\\n$4\\r\\nQUIT\\r\\n',
             "]] return 1 --", '%s%n%p', '${jndi}', "' or 1=1 --",
             "\\u0001\\u007f", "\xe2\x82\xac", "$token\\n", " $token",
             "Bearer $token")
{
    problem(post(qq({"token":"$odd"})), 400, 'a text that no call can carry',
            qr/^Token number 1 is none that a call can carry: A-Z a-z/);
    problem(post(qq({"tokens":["$token","$odd"]})), 400, 'one of two',
            qr/^Token number 2 is none/);
}

is(set_size(), $size, 'and has changed nothing');

for my $odd ('...', '/~+_-', '0', 'return==') {
    is(post({ token => $odd })->{status}, 200, 'an odd token');
    is(set_size(), ++$size, 'is one more');
}


# what was asked for is done, whatever a cache may have of it

for my $condition ([ 'If-Match' => '"x"' ], [ 'If-None-Match' => '*' ],
                   [ 'If-Unmodified-Since' => 'Mon, 29 Nov 1999 18:13:10 GMT' ],
                   [ 'If-Modified-Since' => 'Fri, 01 Jan 2038 00:00:00 GMT' ])
{
    my $answer = post({ token => token() }, @$condition);
    is($answer->{status}, 200, "@$condition");
    is(json($answer->{body})->{count}, 1, 'has its answer');
    is($edge->request('GET', "${P}whoami", headers =>
           [ 'X-Principal' => 'operator ann', @$condition ])->{status}, 200,
       'and a GET too');
}


# arguments where there are none

$size = set_size();

for my $path ('revocations', "revocations/$id", 'edges', 'history', 'metrics',
              'whoami', 'ready')
{
    problem($edge->request($path eq 'revocations' ? 'POST' : 'GET',
                           "$P$path?dry_run=true",
                           headers => [ 'X-Principal' => 'operator ann',
                                        'Content-Type' => 'application/json' ],
                           body => qq({"token":"${token}2"})),
            400, "$path?dry_run=true", qr/takes no arguments/);
}

is(set_size(), $size, 'an argument that is not known revokes nothing');

my $answer_to_nobody = $edge->request('POST', "${P}ready");
problem($answer_to_nobody, 405, 'POST ready, by nobody');
is(TRV::Http::header($answer_to_nobody, 'Allow'), 'GET, HEAD', 'what is allowed');

for my $case ([ 'limit=1&limit=2', qr/more than once/ ],
              [ 'limit=1%', qr/begins no escape/ ],
              [ 'cursor=%zz', qr/begins no escape/ ])
{
    problem($edge->admin("revocations?$case->[0]"), 400, $case->[0], $case->[1]);
    problem($edge->admin("log?$case->[0]"), 400, "log?$case->[0]", $case->[1]);
}


# roles

for my $principal ('merchant yhst-1', 'partner ypa-1') {
    my $own = token();

    is(post({ token => $own, reason => '<b>x</b>' },
            'X-Principal' => $principal)->{status}, 200,
       "$principal revokes by the full text");
    is($edge->call($own), 401, 'refused');

    problem(post({ ids => [ $id ] }, 'X-Principal' => $principal), 403,
            "$principal, by id", qr/operators/);
    problem(post({ token => token(), expires_at => $at },
                 'X-Principal' => $principal), 403,
            "$principal, expires_at", qr/operators/);

    my $list = json($edge->admin('revocations', $principal)->{body});
    is_deeply([ map { $_->{id} } @{ $list->{items} } ], [ token_id($own) ],
              "$principal sees its own only");
    is($list->{items}[0]{by}, $principal, 'by whom');
    is($list->{items}[0]{reason}, '<b>x</b>', 'why');

    is($edge->admin('revocations/' . token_id($own), $principal)->{status},
       200, 'and reads it');
    problem($edge->admin("revocations/$id", $principal), 404,
            "a foreign one is an unknown one");
    is($edge->admin('edges', $principal)->{status}, 200, 'sees the edges');
}

is($edge->admin('revocations/' . token_id('nothing'))->{body},
   $edge->admin("revocations/$id", 'merchant yhst-1')->{body},
   'unknown and foreign look the same');


# lists

for my $args ('limit=0', 'limit=1001', 'limit=x', 'limit=', 'limit=-1',
              'cursor=x', 'cursor=!!', 'cursor=' . 'a' x 500, 'since=x',
              'cursor=dzpmb286YmFy', 'foo=1', 'LIMIT=1', 'limit', 'partner=a%20b', 'store=',
              'since=9999999999999999999999')
{
    problem($edge->admin("revocations?$args"), 400, "?$args");
}

problem($edge->admin('edges?x=1'), 400, 'arguments that are not taken');
problem($edge->admin('revocations/xyz'), 400, 'no id');
problem($edge->admin('revocations/' . uc $id), 400, 'an id in capitals');
problem($edge->admin("revocations/$zero"), 400, 'an id that is none');

my (%seen, $cursor, $pages);

do {
    my $page = json($edge->admin('revocations?limit=100'
                                 . ($cursor ? "&cursor=$cursor" : ''))->{body});
    $seen{$_->{id}}++ for @{ $page->{items} };
    $cursor = $page->{next};
    $pages++;
} while ($cursor && $pages < 100);

is(scalar(keys %seen), set_size(), 'all pages together are the set');
is(scalar(grep { $_ > 1 } values %seen), 0, 'each once');

my $list = json($edge->admin('revocations?since=' . (time + 100))->{body});
is_deeply($list->{items}, [], 'none since the future');
$list = json($edge->admin('revocations?limit=1000&since=2026-01-01T00:00:00Z')
             ->{body});
ok(@{ $list->{items} } > 900, 'since a time of the past');

is($edge->call($token), 200, 'a token in the wrong place was not revoked');
is(scalar $edge->logged(qr/exited on signal/), 0, 'no worker has died');

finish();
