#!/usr/bin/perl

# An edge that has not heard from Redis for longer than it may, one that was
# never filled, dry runs, and what variables and logs say of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my %lines = (deny => 'token_revoke_stale 6s deny;',
             short => 'token_revoke_stale 6s;',
             allow => 'token_revoke_stale 6s allow;',
             off => 'token_revoke_stale off;',
             dry => 'token_revoke_dry_run on; token_revoke_stale 6s deny;',
             warn => 'token_revoke_log_level warn;',
             two => 'token_revoke_token bearer arg=token;');

my $locations = join '', map { <<"CONF" } sort keys %lines;
        location /$_/ {
            token_revoke partners;
            $lines{$_}
            try_files /file =404;
        }
CONF

my $edge;

# status of the answer, then what the access log says of it
sub verdict {
    my ($place, $token) = @_;
    my $answer = $edge->get($place =~ m{/} ? "/$place" : "/$place/x",
                     defined $token ? (Authorization => "Bearer $token") : ());
    my $line;
    wait_for(5, sub {
        my @lines = split /\n/, slurp("$edge->{dir}/access.log");
        $line = pop @lines;
        defined $line && $line =~ /^$answer->{status} /;
    });
    my ($status, $verdict, $id) = split / /, $line // '';
    return ("$answer->{status} $verdict", $answer, $id);
}

sub verdict_is {
    my ($place, $token, $expected, $name) = @_;
    my ($got, $answer, $id) = verdict($place, $token);
    is($got, $expected, $name);
    return ($answer, $id);
}


# never filled

$edge = edge(later => 1);
$edge->configure(server => "root $edge->{dir}/www;\n$locations");
push @TRV::started, $edge;
$edge->start;

my $token = token();
my $bad = token();

for my $place (qw(deny short allow api)) {
    my ($answer) = verdict_is($place, $token, '503 NOT_READY',
                              "not filled: $place");
    is(TRV::Http::header($answer, 'Retry-After'), '1', 'Retry-After');
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store', 'no-store');
    is(json($answer->{body})->{error}, 'temporarily_unavailable',
       'says so');
}

verdict_is('off', $token, '200 PASSED', 'not filled: off passes');
verdict_is('dry', $token, '200 NOT_READY_DRY_RUN', 'not filled: dry run');
verdict_is('api', undef, '401 MISSING', 'not filled: no token is no token');
verdict_is('api', 'a,b', '400 MALFORMED', 'not filled: nor is this one');
is($edge->get('/token-revoke/ready')->{status}, 503, 'not ready');
$edge->stop;


# filled, then cut off

my $redis = redis();
$edge->configure(redis => $redis);
$edge->start;
$edge->wait_ready;

# with nothing in the set, too

for my $case ([ 'api', $token, '200 PASSED', token_id($token) ],
              [ 'api', undef, '401 MISSING', '-' ],
              [ 'api', 'a,b', '400 MALFORMED', '-' ],
              [ "two/x?token=$bad", $token, '400 MALFORMED', '-' ]) {
    my ($place, $text, $verdict, $is) = @$case;
    my (undef, $id) = verdict_is($place, $text, $verdict,
                                 "empty: $place $verdict");
    is($id, $is, '$token_revoke_id');
}

is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');

for my $place (qw(deny short allow off api)) {
    my (undef, $id) = verdict_is($place, $token, '200 PASSED',
                                 "current: $place");
    is($id, token_id($token), '$token_revoke_id');
    verdict_is($place, $bad, '401 REVOKED', "current: $place, revoked");
}

$redis->freeze;

ok(wait_for(20, sub { (verdict('deny', $token))[0] eq '503 STALE' }),
   'stale after 6 s');
my ($answer) = verdict_is('short', $token, '503 STALE', 'denying is default');
is(TRV::Http::header($answer, 'Retry-After'), '1', 'Retry-After');
verdict_is('allow', $token, '200 STALE', 'allow passes, and says so');
verdict_is('off', $token, '200 PASSED', 'off is never stale');
verdict_is('api', $token, '200 PASSED', 'the default is an hour');
verdict_is('dry', $token, '200 STALE_DRY_RUN', 'a dry run refuses nothing');
verdict_is($_, $bad, '401 REVOKED', "stale: $_, revoked all the same")
    for qw(deny short allow off api);

$redis->thaw;

ok(wait_for(10, sub { (verdict('deny', $token))[0] eq '200 PASSED' }),
   'current again');
verdict_is('allow', $token, '200 PASSED', 'allow, too');


# dry run

verdict_is('dry', $token, '200 PASSED', 'dry run: passes');
verdict_is('dry', $bad, '200 REVOKED_DRY_RUN', 'dry run: revoked');
verdict_is('dry', undef, '200 MISSING_DRY_RUN', 'dry run: no token');
verdict_is('dry', 'a,b', '200 MALFORMED_DRY_RUN', 'dry run: malformed');

my $id8 = substr token_id($bad), 0, 8;
ok(scalar $edge->logged(qr/\[info\].*dry run: REVOKED, token id: $id8,/),
   'dry run: logged');
verdict_is("file/file?", $token, "200 PASSED", "where it is on");
verdict_is('token-revoke/ready', $token, '200 -', 'empty where it is off');

verdict_is('warn', $bad, '401 REVOKED', 'refused');
is(scalar($edge->logged(qr/\[warn\].*REVOKED, token id: $id8, .*\/warn\/x/)),
   1, 'logged once, at the level that was asked for');

finish();
