#!/usr/bin/perl

# Requests of the HTTP API that begin or end in other ways than most: many at
# once, of the same tokens on two edges; clients that go away; subrequests; in
# an nginx of one process.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use Test::More;
use TRV;

my $redis = redis();

my @edges = map { edge(redis => $redis, node => "edge-$_", later => 1) } 1, 2;
for my $edge (@edges) {
    $edge->configure(http => <<"HTTP", server => <<"SERVER");
    log_format copied '\$status \$content_length';
    server {
        listen unix:$edge->{dir}/copy.sock;
        client_body_timeout 2s;
        location / {
            access_log $edge->{dir}/copied.log copied;
            proxy_pass http://unix:$edge->{backend};
        }
    }
HTTP
        location /guarded/ {
            auth_request /token-revoke/ready;
            proxy_pass http://unix:$edge->{backend}:/;
        }
        location /asked/ {
            auth_request /ask;
            proxy_pass http://unix:$edge->{backend}:/;
        }
        location /ask {
            internal;
            proxy_pass http://unix:$edge->{socket}:/token-revoke/edges;
            proxy_set_header X-Principal "operator ann";
        }
        location /mirrored/ {
            mirror /token-revoke/revocations;
            proxy_pass http://unix:$edge->{backend}:/;
        }
        location /watched/ {
            mirror /token-revoke/ready;
            token_revoke_admin partners;
            token_revoke_principal \$http_x_principal;
        }
        location /copied/ {
            mirror /copy;
            token_revoke_admin partners;
            token_revoke_principal \$http_x_principal;
        }
        location = /copy {
            internal;
            proxy_pass http://unix:$edge->{dir}/copy.sock;
        }
        location /watched_late/ {
            mirror /token-revoke/ready;
            mirror_request_body off;
            token_revoke_admin partners;
            token_revoke_principal \$http_x_principal;
        }
SERVER
    push @TRV::started, $edge;
    $edge->start;
}
$_->wait_ready for @edges;

# what Redis counts is what it holds
sub sums_up {
    my ($total) = split /:/, $redis->command('HGET', '{partners}:days', 'total');
    return $total == $redis->command('ZCARD', '{partners}:revoked') && $total;
}

sub post_text {
    my ($body, @headers) = @_;
    return TRV::Http::format_request('POST', '/token-revoke/revocations',
        body => $body, headers => [ 'X-Principal' => 'operator ann',
                                    'Content-Type' => 'application/json',
                                    @headers ]);
}


# the same tokens, concurrently, from two edges: revoked once

my @tokens = map { token() } 1 .. 30;
my @links;
for my $token (@tokens) {
    for my $edge (@edges) {
        my $link = TRV::Http::open_link($edge->{socket});
        print $link post_text(qq({"token":"$token"}));
        $link->flush;
        push @links, $link;
    }
}

my ($good, $new) = (0, 0);
for my $link (@links) {
    my $answer = TRV::Http::read_all($link, 20);
    $good++ if $answer->{status} == 200;
    $new++ unless json($answer->{body})->{revoked}[0]{already};
}
is($good, @links, 'every one of ' . @links . ' is answered with 200');
is($new, @tokens, 'each token was new once');
is(sums_up(), @tokens, 'and is counted once');
is(scalar(grep { $edges[0]->call($_) != 401 } @tokens), 0, 'all are refused');


# clients that go away: with the request half sent, sent, and while they wait

for my $cut (0, 40, 150, 1000) {
    for (1 .. 10) {
        my $link = TRV::Http::open_link($edges[0]{socket});
        my $text = post_text('{"token":"' . token() . '"}');
        syswrite $link, substr $text, 0, $cut;
        close $link;
    }
}

$edges[1]->freeze;
my @waiting = map { token() } 1 .. 10;
for my $token (@waiting) {
    my $link = TRV::Http::open_link($edges[0]{socket});
    syswrite $link, post_text(qq({"token":"$token"}), Prefer => 'wait=20');
    ok(wait_for(5, sub { $edges[0]->call($token) == 401 }), 'it is in force')
        if $token eq $waiting[0];
    close $link;
}
$edges[1]->thaw;

ok(wait_for(10, sub { !grep { $edges[1]->call($_) != 401 } @waiting }),
   'what somebody asked for who did not wait is done');

$redis->freeze;
for (1 .. 10) {
    my $link = TRV::Http::open_link($edges[0]{socket});
    syswrite $link, post_text('{"token":"' . token() . '"}');
    close $link;
}
my $answer = $edges[0]->revoke({ token => token() });
is($answer->{status}, 504, 'Redis frozen: the one that waits gets its answer');
$redis->thaw;

ok(wait_for(10, sub { $edges[0]->revoke({ token => token() })->{status} == 200 }),
   'it goes on');
ok(wait_for(10, sub {
    sums_up() && !grep { !$_->state->{agrees} } @edges;
}), 'and all agree');


# subrequests

is($edges[0]->get('/guarded/x')->{status}, 200, 'ready as a subrequest');
is($edges[0]->get('/asked/x')->{status}, 200, 'a list behind a subrequest');

my $mirrored = token();
my @json = ('X-Principal' => 'operator ann',
            'Content-Type' => 'application/json');
is($edges[0]->request('POST', '/mirrored/x', body => qq({"token":"$mirrored"}),
                      headers => \@json)->{status}, 200,
   'mirrored: answered by the API');
is($edges[0]->call($mirrored), 200, 'a subrequest revokes nothing');

# a body that somebody else has read, or is read while a subrequest runs
for my $place ('watched', 'watched_late', 'copied') {
    for my $blanks (0, 100_000) {
        my $token = token();
        my $text = TRV::Http::format_request('POST', "/$place/revocations",
            body => qq({"token":"$token"}) . ' ' x $blanks, headers => \@json);
        my $link = TRV::Http::open_link($edges[0]{socket});
        my $half = length($text) - 20 - $blanks / 2;
        syswrite $link, substr $text, 0, $half;
        Time::HiRes::sleep(0.02);
        my $sent = $half;
        while ($sent < length $text) {
            $sent += syswrite $link, $text, length($text) - $sent, $sent;
        }
        is(TRV::Http::read_all($link, 10)->{status}, 200, "$place, $blanks");
        is($edges[0]->call($token), 401, 'refused');
    }
}

my $in_a_day = time + 86400;
my $lines = join '', map {
    my $id = token_id("copied $_");
    qq({"id":"$id","partner":"p","store":"s","expires_at":$in_a_day}\n)
} 1 .. 500;
my $copied = $edges[0]->request('POST', '/copied/tokens', body => $lines,
    headers => [ 'X-Principal' => 'operator ann',
                 'Content-Type' => 'application/x-ndjson' ]);
is(json($copied->{body})->{registered}, 500, 'lines that are copied');
ok(wait_for(10, sub {
    my @copies = split /\n/, slurp("$edges[0]{dir}/copied.log");
    return @copies == 3 && !grep { !/^200 [1-9]/ } @copies;
}), 'who gets a copy gets all of it')
    or diag(slurp("$edges[0]{dir}/copied.log"));

ok($_->reload, "$_->{node} has no request left over") for @edges;


# one process

my $single = edge(redis => $redis, node => 'edge-3',
                  main => 'master_process off;');
$single->wait_ready;
is($single->call($tokens[0]), 401, 'one process: is filled');

my $token = token();
is($single->revoke({ token => $token })->{status}, 200, 'one process: revokes');
is($single->call($token), 401, 'one process: refuses');
$token = token();
is($edges[0]->revoke({ token => $token }, Prefer => 'wait=5')->{status}, 200,
   'revoked elsewhere');
is($single->call($token), 401, 'one process: refuses that, too');

ok($single->stop, 'it ends');

finish();
