#!/usr/bin/perl

# Several sets in one nginx side by side, prefixes in one Redis, a cache in front
# of the API, and a directory that was another set's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis, later => 1);
my $dir = $edge->{dir};

$edge->configure(http => <<"HTTP", server => <<'SERVER');
    token_revoke_set staging {
        redis    @{[ $redis->address ]};
        replica  $dir/replica-staging;
        prefix   other:set;
        node     edge-1;
    }
    proxy_cache_path $dir/cache keys_zone=api:1m;
HTTP
    location /staging/ {
        token_revoke staging;
        try_files /file =404;
        root @ROOT@;
    }
    location /staging-revoke/ {
        token_revoke_admin staging;
        token_revoke_principal $http_x_principal;
    }
    location /cached/ {
        token_revoke partners;
        proxy_cache api;
        proxy_cache_valid 200 10m;
        proxy_ignore_headers Cache-Control;
        proxy_set_header Authorization "";
        add_header X-Cache $upstream_cache_status always;
        proxy_pass http://unix:@BACKEND@:/;
    }
SERVER
$edge->{server} =~ s/\@ROOT\@/$dir\/www/;
$edge->{server} =~ s/\@BACKEND\@/$edge->{backend}/;
$edge->configure;

push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;
ok(wait_for(10, sub {
    $edge->get('/staging-revoke/ready')->{status} == 200;
}), 'the other set is ready, too');

my ($token, $other) = (token(), token());

is($edge->revoke({ token => $token })->{status}, 200, 'revoked in one set');
my $answer = $edge->request('POST', '/staging-revoke/revocations',
    headers => [ 'X-Principal' => 'operator ann',
                 'Content-Type' => 'application/json' ],
    body => qq({"token":"$other"}));
is($answer->{status}, 200, 'another one in the other set');

is($edge->call($token), 401, 'refused where its set is used');
is($edge->call($token, '/staging/x'), 200, 'passed where it is not');
is($edge->call($other), 200, 'the other way');
is($edge->call($other, '/staging/x'), 401, 'round');

is($redis->command('ZCARD', '{partners}:revoked'), 1, 'keys of one');
is($redis->command('ZCARD', '{other:set}:revoked'), 1, 'keys of the other');


# a cached answer is not for a revoked token

my $caller = token();
is($edge->call($caller, '/cached/a'), 200, 'fills the cache');
my $hit = $edge->get('/cached/a', Authorization => "Bearer $caller");
is(TRV::Http::header($hit, 'X-Cache'), 'HIT', 'a hit');
is($edge->revoke({ token => $caller })->{status}, 200, 'revoked');
$hit = $edge->get('/cached/a', Authorization => "Bearer $caller");
is($hit->{status}, 401, 'a hit for a revoked token is refused');
is($edge->call(token(), '/cached/a'), 200, 'others are served');

# what a client is refused must not become somebody's answer

is($edge->call($caller, '/cached/b'), 401, 'refused first');
is($edge->call(token(), '/cached/b'), 200, 'not cached for others');


# a reload with another prefix: what the directory holds says nothing of it

my $proxy = proxy($redis);
my $moved = edge(redis => $proxy, node => 'moved', set => 'prefix a;');
my $there = edge(redis => $redis, node => 'there', set => 'prefix b;');
$_->wait_ready for $moved, $there;

my ($old, $new) = (token(), token());
is($moved->revoke({ token => $old })->{status}, 200, 'revoked under one');
is($there->revoke({ token => $new })->{status}, 200, 'and under another prefix');

$proxy->fault(stall => 'both');
$moved->configure(set => 'prefix b;');
ok($moved->reload, 'reloaded with that, and Redis does not answer');
ok(wait_for(10, sub { $moved->logged(qr/\[warn\].*filled under another/) }),
   'it is said')
    and is(scalar $moved->logged(qr/\Q$moved->{replica}\E" was filled under/),
           1, 'once, with the directory');

sub waits {
    my ($name) = @_;
    my %got;
    for (1 .. 20) {
        $got{new}{ $moved->call($new) }++;
        $got{old}{ $moved->call($old) }++;
        $got{ready}{ $moved->get('/token-revoke/ready')->{status} }++;
    }
    is_deeply(\%got, { new => { 503 => 20 }, old => { 401 => 20 },
                       ready => { 503 => 20 } },
              "$name: not ready, and what was refused still is");
    is($moved->metric('contact_age_seconds'), '+Inf', "$name: no contact");
}

waits('at first');

my $killed = $moved->writer;
kill 'KILL', $killed;
allow_log(qr/\[alert\].*worker process $killed exited on signal 9/);
ok(wait_for(10, sub {
    my $writer = $moved->writer;
    $writer && $writer != $killed && $moved->workers == 2;
}), 'its writer is killed');

waits('the next writer');
is(scalar $moved->logged(qr/filled under another/), 1, 'said once');

$proxy->clear;
$moved->wait_ready;
is($moved->call($new), 401, 'once it is ready it refuses what is revoked there');
is($moved->call($old), 401, 'and what it refused before');
ok(wait_for(10, sub { $there->call($old) == 401 }), 'so do the others there');
is($moved->call(token()), 200, 'other tokens pass');
ok(!$moved->logged(qr/Redis has set id/), 'the set id was that of the old one');

ok($moved->reload, 'a reload with the same prefix');
is($moved->get('/token-revoke/ready')->{status}, 200, 'is ready at once');


# two nginx on one directory: who comes later says why it is not ready

my $guest = edge(redis => $redis, node => 'guest', set => 'prefix c;',
                 replica => $moved->{replica});
ok(wait_for(20, sub { $guest->logged(qr/\[warn\].*is of another nginx/) }),
   'the writer is of another nginx');
is($guest->call(token()), 503, 'it cannot judge');
is(scalar $moved->logged(qr/is of another nginx/), 0, 'the other one can');
ok($moved->stop, 'the other one ends');
$guest->wait_ready;
is($guest->call(token()), 200, 'and the later one can judge');
is($guest->call($new), 401, 'what it refuses is what is there');

finish();
