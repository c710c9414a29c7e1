#!/usr/bin/perl

# Redis killed, frozen, emptied, refusing: what was revoked stays refused,
# other tokens pass, a POST says what it knows, and all of it heals by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my @edges = fleet(2, $redis, set => 'timeout 1s;',
                  server => 'ssi on; ssi_types *;');
my ($one, $two) = @edges;

my $good = token();
my @bad = map { token() } 1 .. 20;

is($one->revoke({ tokens => \@bad }, Prefer => 'wait=5')->{status}, 200,
   'revoked');

sub judged {
    my ($name) = @_;
    for my $edge (@edges) {
        is($edge->call($good), 200, "$name: a token passes on $edge->{node}");
        is($edge->call($bad[0]), 401, "$name: a revoked one does not");
    }
}

sub timed_post {
    my $start = Time::HiRes::time();
    my $answer = $one->revoke({ token => token() });
    return ($answer, Time::HiRes::time() - $start);
}

sub healed {
    my ($name) = @_;

    ok(wait_for(10, sub { (timed_post())[0]{status} == 200 }),
       "$name: revoking works again");
    my $answer;
    ok(wait_for(10, sub {
        $answer = $one->revoke({ token => token() }, Prefer => 'wait=5');
        my $edges = json($answer->{body})->{edges} || {};
        ($edges->{confirmed} || 0) == 2;
    }), "$name: both edges confirm") or diag($answer->{raw});

    ok(wait_for(10, sub { agrees() }), "$name: all digests are equal");
}

# the edges say that they agree with Redis, and Redis agrees with itself
sub agrees {
    my ($total) = split /:/,
                  $redis->command('HGET', '{partners}:days', 'total') // '';
    my $card = $redis->command('ZCARD', '{partners}:revoked');
    return 0 unless defined $total && $total == $card;
    my @states = map { $_->state } @edges;
    return !grep { !$_->{agrees} || $_->{entries} != $card } @states;
}


# killed

$redis->kill_hard;
judged('killed');

my ($answer, $took) = timed_post();
like($answer->{status}, qr/^50[34]$/, 'killed: a POST is refused');
is(TRV::Http::header($answer, 'Retry-After'), '1', 'killed: Retry-After');
ok($took < 2, 'killed: within the time-out');
is($one->admin($_)->{status}, 503, "killed: GET $_ is not there")
    for 'revocations', 'tokens', 'edges', 'history', 'log',
        map { "$_/" . token_id($good) } 'revocations', 'tokens';
is($one->admin($_)->{status}, 200, "killed: GET $_ is")
    for 'whoami', 'metrics';
is($one->get('/token-revoke/ready')->{status}, 200, 'killed: ready still');

# it comes back empty, as Debian's default would

$redis->start;
healed('empty');

my $members = $redis->command('ZRANGE', '{partners}:revoked', 0, -1);
my %in = map { $_ => 1 } @$members;
is(scalar(grep { !$in{ token_id($_) } } @bad), 0,
   'empty: the edges have filled it again');
judged('empty');
ok(scalar $one->logged(qr/\[error\].*redis .*: closed by the server/), 'said');
is(scalar $one->repeated(qr/\[error\].*redis .*: closed by the server/), 0,
   'once');
ok(scalar $one->logged(qr/\[notice\].*merged with Redis/), 'the merge, too');


# keys that only tell who revoked what, and which edges there are

for my $key (qw(when edges)) {
    $redis->command('DEL', "{partners}:$key");
    judged("DEL $key");
    healed("DEL $key");
}


# a wrong type in each key: reported, never half applied, and a retry after it
# was repaired reaches every edge

my ($other, $new) = (token(), token());

# what must not change but with the key that is broken
sub content {
    my ($broken) = @_;
    my %read = (revoked => [ 'ZRANGE', 0, -1, 'WITHSCORES' ],
                days => [ 'HGETALL' ], log => [ 'XRANGE', '-', '+' ],
                when => [ 'ZRANGE', 0, -1, 'WITHSCORES' ]);
    return { map {
        my ($command, @rest) = @{ $read{$_} };
        ($_ => $redis->command($command, "{partners}:$_", @rest));
    } grep { $_ ne $broken } keys %read };
}

for my $key (qw(meta revoked days log when edges), 'revocation') {
    my $full = "{partners}:$key";
    $full .= ':' . token_id($new) if $key eq 'revocation';
    $redis->command('RENAME', $full, 'aside') if $key ne 'revocation';
    $redis->command('SET', $full, 'x');
    my $before = content($key);

    # the token that does not work comes last
    my $answer = $one->revoke({ tokens => [ $other, $new ] });
    is($answer->{status}, 503, "wrong type of $key: refused");
    is(TRV::Http::header($answer, 'Retry-After'), '1', 'Retry-After');
    like($answer->{body}, qr/WRONGTYPE/, 'says why');
    is_deeply(content($key), $before, "wrong type of $key: nothing is done");
    judged("wrong type of $key");
    for my $edge (@edges) {
        is($edge->call($_), 200, "wrong type of $key: not revoked")
            for $other, $new;
    }

    $redis->command('DEL', $full);
    $redis->command('RENAME', 'aside', $full) if $key ne 'revocation';
    healed("wrong type of $key");

    $answer = $one->revoke({ tokens => [ $other, $new ] }, Prefer => 'wait=5');
    is($answer->{status}, 200, "wrong type of $key: repaired, revoked");
    for my $edge (@edges) {
        is($edge->call($_), 401, "wrong type of $key: refused everywhere")
            for $other, $new;
    }
    ($other, $new) = (token(), token());
}


# frozen: the link is open and nobody answers

$redis->freeze;
judged('frozen');

# a worker that has no link yet knows that it was not done: 503
ok(wait_for(10, sub {
    ($answer, $took) = timed_post();
    $answer->{status} == 504;
}), 'frozen: outcome unknown');
is(json($answer->{body})->{type}, 'urn:token-revoke:problem:outcome-unknown',
   'frozen: it says so');
ok($took < 3, 'frozen: within the time-out');

($answer, $took) = timed_post();
like($answer->{status}, qr/^50[34]$/, 'frozen: again');
judged('frozen, later');

$redis->thaw;
healed('frozen');


# an entry of the log that cannot be read is skipped

$redis->command('XADD', '{partners}:log', '*', 'prev', '0-0', 'ids', 'junk');
$redis->command('XADD', '{partners}:log', '*', 'foo', 'bar');
healed('junk in the log');
judged('junk in the log');

# so is one that is too large to be read

$redis->command('XADD', '{partners}:log', '*', map { ('a', $_) } 1 .. 33_000);
healed('a huge entry in the log');
judged('a huge entry in the log');


# replies that Redis gives when it cannot

$redis->command('CONFIG', 'SET', 'maxmemory', '1');
($answer) = timed_post();
is($answer->{status}, 503, 'full: refused');
like($answer->{body}, qr/OOM/, 'full: says why');
judged('full');
$redis->command('CONFIG', 'SET', 'maxmemory', '0');
healed('full');

$redis->command('CONFIG', 'SET', 'min-replicas-to-write', '1');
($answer) = timed_post();
is($answer->{status}, 503, 'no replicas: refused');
like($answer->{body}, qr/NOREPLICAS/, 'no replicas: says why');
$redis->command('CONFIG', 'SET', 'min-replicas-to-write', '0');
healed('no replicas');

$redis->command('SCRIPT', 'FLUSH');
healed('scripts forgotten');

$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
healed('links killed');

# pages that ask for lists, whose readers are gone when Redis is lost

my @pages = map { qq(<!--#include virtual="/token-revoke/$_" -->) }
            ('edges', 'log', 'tokens', 'revocations') x 3;
spew("$one->{dir}/www/page", join 'x' x 5000, @pages);
my @workers = $one->workers;

my $page = $one->get('/file/page', 'X-Principal' => 'operator ann',
                     Authorization => "Bearer $good");
is(scalar(() = $page->{body} =~ /"items"/g), 12, 'a page with twelve lists');

$redis->freeze;
for (1 .. 20) {
    my $link = TRV::Http::open_link($one->{socket});
    syswrite $link, TRV::Http::format_request('GET', '/file/page',
        headers => [ 'X-Principal' => 'operator ann',
                     Authorization => "Bearer $good" ]);
    Time::HiRes::sleep(0.02);
    close $link;
}
ok(wait_for(10, sub { $one->admin('edges')->{status} == 503 }), 'given up');
$redis->thaw;
healed('pages without readers');
is_deeply([ $one->workers ], \@workers, 'no worker has died');

judged('in the end');

finish();
