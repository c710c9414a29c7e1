#!/usr/bin/perl

# The OAuth endpoints, to the letter of RFC 7009 and RFC 7662.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis);
$edge->wait_ready;

my ($merchant, $partner, $operator)
    = ('merchant yhst-1', 'partner ypa-1', 'operator ann');


# puts a token on record
sub on_record {
    my (%record) = @_;
    my $token = token();
    %record = (partner => 'ypa-1', store => 'yhst-1', issued_at => time - 100,
               expires_at => time + 86400, %record);
    $redis->command('HSET', '{partners}:token:' . token_id($token), %record);
    return $token;
}

sub form {
    my ($path, $principal, $body, @headers) = @_;
    $body = join '&', map { "$_=" . $body->{$_} =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ger }
                      sort keys %$body if ref $body;
    return $edge->request('POST', "/token-revoke/oauth/$path",
        headers => [ ($principal ? ('X-Principal' => $principal) : ()),
                     @headers ? @headers
                     : ('Content-Type' => 'application/x-www-form-urlencoded') ],
        body => $body);
}

sub introspect_is {
    my ($principal, $token, $expected, $name, %more) = @_;
    my $answer = form('introspect', $principal, { token => $token, %more });
    is($answer->{status}, 200, $name);
    is(TRV::Http::header($answer, 'Content-Type'), 'application/json',
       "$name: JSON");
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store',
       "$name: not to be stored");
    is_deeply(json($answer->{body}), $expected, "$name: the answer");
}

my $inactive = { active => JSON::PP::false };


# introspection

my $time = time;
my $token = on_record(apis => 'order,catalog', issued_at => $time,
                      expires_at => $time + 1000);
my $active = { active => JSON::PP::true, token_type => 'Bearer',
               client_id => 'ypa-1', aud => 'yhst-1', iat => $time,
               exp => $time + 1000, scope => 'order catalog' };

introspect_is($_, $token, $active, "active, asked by a $_")
    for $merchant, $partner, $operator;
introspect_is($operator, $token, $active, 'with a hint',
              token_type_hint => 'access_token');
introspect_is($operator, $token, $active, 'with a hint of something else',
              token_type_hint => 'refresh_token');
introspect_is($operator, $token, $active, 'with an unknown parameter',
              foo => 'bar');
introspect_is($_, $token, $inactive, "not one's own: $_")
    for 'merchant yhst-2', 'partner ypa-2', 'merchant ypa-1';
introspect_is($operator, token(), $inactive, 'not on record');
introspect_is($operator, "$token ", $inactive, 'a byte more is another token');
introspect_is($operator, "a\0%&=+\r\n", $inactive, 'any bytes');
introspect_is($operator, on_record(expires_at => time - 1), $inactive,
              'expired');

is(form('introspect?foo=bar', $operator, { token => $token })->{status}, 200,
   'a query that is not known is ignored');

my $waited = form('revoke', $operator, { token => on_record() },
                  'Content-Type' => 'application/x-www-form-urlencoded',
                  Prefer => 'wait=5');
is($waited->{status}, 200, 'revoked, waiting');
is(TRV::Http::header($waited, 'Preference-Applied'), 'wait=5', 'as it says');

my $bare = on_record();
ok(!exists json(form('introspect', $operator, { token => $bare })->{body})
       ->{scope}, 'no APIs, no scope');

my $bad = on_record();
is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');
introspect_is($_, $bad, $inactive, "revoked, asked by a $_")
    for $merchant, $partner, $operator;


# revocation

sub oauth_revoke_is {
    my ($principal, $token, $refused, $name, %more) = @_;
    my $answer = form('revoke', $principal, { token => $token, %more });
    is($answer->{status}, 200, $name) or diag($answer->{raw});
    is($answer->{body}, "{}\n", "$name: the answer is the same for all");
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store',
       "$name: not to be stored");
    is($edge->call($token), $refused ? 401 : 200,
       "$name: " . ($refused ? 'refused at once' : 'passes'));
}

oauth_revoke_is($_, on_record(), 1, "revoked by a $_")
    for $merchant, $partner, $operator;
oauth_revoke_is($partner, on_record(), 1, 'with a hint',
                token_type_hint => 'refresh_token');
oauth_revoke_is($_, on_record(), 0, "not one's own: $_")
    for 'merchant yhst-2', 'partner ypa-2';
oauth_revoke_is($merchant, token(), 0, 'not on record');
oauth_revoke_is($operator, token(), 1, 'not on record, by an operator');

my $again = on_record();
oauth_revoke_is($partner, $again, 1, 'once');
oauth_revoke_is($partner, $again, 1, 'twice');
my $revocation = json($edge->admin('revocations/' . token_id($again))->{body});
is($revocation->{by}, $partner, 'by whom is known');


# errors (RFC 6749, 5.2)

sub error_is {
    my ($answer, $status, $error, $name) = @_;
    is($answer->{status}, $status, $name) or diag($answer->{raw});
    is(json($answer->{body})->{error}, $error, "$name: $error");
    like(json($answer->{body})->{error_description},
         qr/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, "$name: described");
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store',
       "$name: not to be stored");
}

my $escaped = $token =~ s/_/%5f/r;

for my $path ('introspect', 'revoke') {
    for my $case ([ '', 'no body' ],
                  [ 'token=', 'no token' ],
                  [ 'tokens=a', 'another parameter' ],
                  [ "token=$token&token=$token", 'a token twice' ],
                  [ "token=$token&%74oken=$escaped", 'twice, escaped' ],
                  [ "token=$token&token_type_hint=a&token_type_hint=b",
                    'two hints' ],
                  [ 'token=%zz', 'a broken escape' ],
                  [ 'token=' . 'x' x 8193, 'too long a token' ])
    {
        my ($body, $name) = @$case;
        error_is(form($path, $operator, $body), 400, 'invalid_request',
                 "$path: $name");
    }

    error_is(form($path, $operator, "{\"token\":\"$token\"}",
                  'Content-Type' => 'application/json'),
             400, 'invalid_request', "$path: JSON");
    error_is(form($path, $operator, "token=$token", 'X' => 'y'),
             400, 'invalid_request', "$path: no Content-Type");

    for my $principal ('', 'nobody', 'merchant a/b') {
        my $answer = form($path, $principal, { token => $token });
        error_is($answer, 401, 'invalid_client',
                 "$path: principal \"$principal\"");
        like(TRV::Http::header($answer, 'WWW-Authenticate'), qr/^Basic /,
             "$path: a challenge");
    }

    my $answer = form($path, $operator, 'token=' . 'x' x 40000);
    is($answer->{status}, 413, "$path: too long a body");

    $answer = form($path, $operator, "token=$token",
                   'Content-Type' => 'application/x-www-form-urlencoded',
                   Origin => 'http://elsewhere');
    is($answer->{status}, 403, "$path: from another site");

    $answer = $edge->admin("oauth/$path?token=x");
    is($answer->{status}, 405, "$path: GET");
    is(TRV::Http::header($answer, 'Allow'), 'POST', "$path: POST only");
}

is($edge->admin('oauth/none')->{status}, 404, 'another path');
is($edge->admin('oauth')->{status}, 404, 'a part of it');


# Redis away: an error, never an answer that is made up

my $unlucky = on_record();
$redis->kill_hard;
for my $path ('introspect', 'revoke') {
    my $answer = form($path, $operator, { token => $unlucky });
    is($answer->{status}, 503, "$path without Redis");
    is(TRV::Http::header($answer, 'Retry-After'), '1', 'to be tried again');
}
is($edge->call($unlucky), 200, 'not revoked');

finish();
