#!/usr/bin/perl

# POST tokens: who may, what is taken, what is refused and why, renewals, and
# what becomes of a revocation whose token is registered with a later expiry.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use TRV;

my $redis = redis();
my @edges = fleet(2, $redis);
my $edge = $edges[0];
my $off = edge(redis => $redis, node => 'off',
               set => 'registry off; prefix off;');
$off->wait_ready;

my $inspect = "$FindBin::Bin/../build/trv-inspect";
my $P = '/token-revoke/';
my $day = 86400;
my $now = time;

sub record {
    my (%record) = @_;
    return { id => token_id(token()), partner => 'ypa-1', store => 'yhst-1',
             expires_at => $now + 100 * $day, %record };
}

sub without {
    my ($record, @names) = @_;
    my %record = %$record;
    delete @record{@names};
    return \%record;
}

sub count { $redis->command('ZCARD', '{partners}:tokens') }

# every key but those that edges write of their own, at any time
sub made_by_calls {
    return sort grep { !/:(?:meta|edges|when|minute:\d+|tries:\w+)$/ }
                    @{ $redis->command('KEYS', '*') };
}

# what is on record, but for its number
sub on_record {
    my ($id) = @_;
    my %record = @{ $redis->command('HGETALL', "{partners}:token:$id") };
    delete $record{serial};
    return \%record;
}

sub problem {
    my ($answer, $status, $name, $pattern) = @_;
    my $body = json($answer->{body});
    is($answer->{status}, $status, "$name: $status");
    is(TRV::Http::header($answer, 'Content-Type'), 'application/problem+json',
       "$name: a problem");
    like($body->{detail}, $pattern, "$name: what is wrong") if $pattern;
    return $body;
}

# registered, changed, already, skipped
sub counts_are {
    my ($answer, $expected, $name) = @_;
    my $body = json($answer->{body});
    is($answer->{status}, 200, $name)
        or diag($answer->{body});
    is(join(' ', map { $body->{$_} // '-' }
                 qw(registered changed already skipped)), $expected,
       "$name: $expected");
}

sub item { json($edge->admin("tokens/$_[0]")->{body}) }


# who may

for my $principal ('merchant yhst-1', 'partner ypa-1') {
    problem($edge->register(record(), 'X-Principal' => $principal), 403,
            "$principal may not", qr/may not do that/);
    problem($edge->register_lines([ record() ], 'X-Principal' => $principal),
            403, "$principal may not by lines");
}

problem($edge->register(record(), 'X-Principal' => ''), 403, 'nobody');
problem($edge->register(record(), Origin => 'https://evil.example'), 403,
        'another site', qr/another site/);
problem($edge->register_lines([ record() ], 'Sec-Fetch-Site' => 'cross-site'),
        403, 'another site by lines', qr/another site/);

for my $method (qw(PUT DELETE PATCH)) {
    my $answer = $edge->request($method, "${P}tokens",
                            headers => [ 'X-Principal' => 'operator ann' ]);
    problem($answer, 405, $method);
    is(TRV::Http::header($answer, 'Allow'), 'GET, HEAD, POST', 'allowed');
}

for my $type ('', 'text/plain', 'application/ndjson', 'application/x-ndjsonx',
              'application/x-www-form-urlencoded')
{
    problem($edge->register(record(), 'Content-Type' => $type), 415,
            "type \"$type\"", qr{application/json or application/x-ndjson});
}

problem($edge->revoke('{"ids":[]}', 'Content-Type' => 'application/x-ndjson'),
        415, 'lines are taken here only', qr{must be application/json\.});

for my $answer ($off->register(record()), $off->register_lines([ record() ]),
                $off->admin('tokens'), $off->admin('tokens/' . '1' x 32),
                $off->admin('tokens', 'merchant yhst-1'))
{
    problem($answer, 404, 'registry off', qr/registry is off/);
}


# what is refused: by a whole body and by a line of one

my $zero = '0' x 16 . '1' x 16;
my $good = record();

my @refused = (
    [ '{}', qr/"token" or "id" must be given/ ],
    [ '1', qr/must be a JSON object/ ],
    [ '"x"', qr/must be a JSON object/ ],
    [ '{"id":}', qr/not valid JSON/ ],
    [ '{"id":"x"', qr/not valid JSON/ ],
    [ "{'id':'x'}", qr/not valid JSON/ ],
    [ '{"id":"x",}', qr/not valid JSON/ ],
    [ "{\"token\":\"\xff\"}", qr/not valid JSON/ ],
    [ '{"token":"\\ud800"}', qr/not valid JSON/ ],
    [ '{"token":"a\\u0000b"}', qr/not valid JSON/ ],
    [ '{"token":"a","token":"b"}', qr/not valid JSON/ ],
    [ '{"expires_at":1' . '0' x 400 . '}', qr/not valid JSON/ ],
    [ '{"a":' x 50 . '1' . '}' x 50, qr/nested deeper than 8/ ],
    [ '[' x 50000, qr/nested deeper than 8/ ],
    [ { %$good, token => token() }, qr/only one of "token" and "id"/i ],
    [ { %{ without($good, 'id') }, token => token() . "\n" },
      qr/none that a call can carry: A-Z/ ],
    [ { %$good, id => 'xyz' }, qr/"id" must be a token id/ ],
    [ { %$good, id => uc $good->{id} }, qr/lower-case/ ],
    [ { %$good, id => $zero }, qr/16 zeros/ ],
    [ { %$good, id => 7 }, qr/"id" must be a token id/ ],
    [ without($good, 'partner'), qr/"partner" must be given/ ],
    [ without($good, 'store'), qr/"store" must be given/ ],
    [ without($good, 'expires_at'), qr/"expires_at" must be given/ ],
    [ { %$good, partner => '' }, qr/"partner" must be 1 to 64/ ],
    [ { %$good, partner => 'a' x 65 }, qr/"partner" must be 1 to 64/ ],
    [ { %$good, partner => "a\r\nSET x y" }, qr/"partner" must be 1 to 64/ ],
    [ { %$good, store => 'a b' }, qr/"store" must be 1 to 64/ ],
    [ { %$good, store => 'a:b' }, qr/"store" must be 1 to 64/ ],
    [ { %$good, store => '{x}' }, qr/"store" must be 1 to 64/ ],
    [ { %$good, store => undef }, qr/"store" must be 1 to 64/ ],
    [ { %$good, expires_at => -1 }, qr/"expires_at" must lie/ ],
    [ { %$good, expires_at => $now + 1827 * $day }, qr/1826 days/ ],
    [ { %$good, expires_at => '9999-12-31T23:59:59Z' }, qr/1826 days/ ],
    [ { %$good, expires_at => 'soon' }, qr/Unix seconds/ ],
    [ { %$good, expires_at => '2027-02-30T00:00:00Z' }, qr/Unix seconds/ ],
    [ { %$good, expires_at => 1.5 }, qr/Unix seconds/ ],
    [ { %$good, issued_at => $now + 101 * $day }, qr/not lie after/ ],
    [ { %$good, issued_at => 'x' }, qr/"issued_at" must be Unix seconds/ ],
    [ { %$good, renews => $good->{id} }, qr/another token/ ],
    [ { %$good, renews => 'x' }, qr/"renews" must be a token id/ ],
    [ { %$good, apis => 'order' }, qr/"apis" must be an array/ ],
    [ { %$good, apis => [ 'order', 'a,b' ] }, qr/number 2 of "apis"/i ],
    [ { %$good, apis => [ ('x') x 33 ] }, qr/at most 32/ ],
    [ { %$good, secret => 'x' }, qr/unknown member "secret"/i ],
    [ { %$good, state => 'active' }, qr/unknown member "state"/i ],
);

for my $case (@refused) {
    my ($body, $pattern) = @$case;
    my $name = substr ref $body ? join ' ', map { "$_=" . ($body->{$_} // '') }
                                            sort keys %$body : $body, 0, 60;

    my $answer = problem($edge->register($body), 400, $name, $pattern);
    like($answer->{detail}, qr/ Nothing was changed\.$/, "$name: says so");

    if (ref $body) {
        $answer = problem($edge->register([ record(), $body ]), 400,
                          "$name, in an array", qr/^Record number 2: /);
        like($answer->{detail}, $pattern, "$name, in an array: what");
    }

    $answer = problem($edge->register_lines([ '', $body, record() ]), 400,
                      "$name, in a line", qr/^Line 2: /);
    is($answer->{line}, 2, "$name, in a line: its number");
}

for my $body ('', '[]', '[[]]', '[1]', '[{}]', '[null]') {
    problem($edge->register($body), 400, "body \"$body\"");
}

for my $lines ('', "\n", "\n \r\n\t\n") {
    problem($edge->register($lines,
                            'Content-Type' => 'application/x-ndjson'),
            400, 'no lines', qr/holds no records/);
}

problem($edge->register([ map { record() } 1 .. 501 ]), 400,
        'too many for one step', qr/1 to 500 records.*x-ndjson/);
problem($edge->register(' ' x (1024 * 1024 + 1)), 413, 'too long',
        qr/1048576/);

is(count(), 0, 'none of that has changed anything');
is_deeply([ made_by_calls() ], [], 'nor made a key');


# what is taken

my $token = token();

counts_are($edge->register({ token => $token, partner => 'ypa-005259428546',
                             store => 'yhst-1234567890',
                             issued_at => '2026-01-01T00:00:00Z',
                             expires_at => $now + $day,
                             apis => [qw(order catalog)], renews => undef }),
           '1 0 0 0', 'one, by its text');

is_deeply(on_record(token_id($token)),
          { partner => 'ypa-005259428546', store => 'yhst-1234567890',
            issued_at => 1767225600, expires_at => $now + $day,
            apis => 'order,catalog' }, 'its record');

for my $index (qw(tokens partner:ypa-005259428546 store:yhst-1234567890
                  grant:ypa-005259428546:yhst-1234567890))
{
    is($redis->command('ZSCORE', "{partners}:$index", token_id($token)),
       $now + $day, "is in $index");
}

is_deeply(item(token_id($token)),
          { id => token_id($token), partner => 'ypa-005259428546',
            store => 'yhst-1234567890', issued_at => '2026-01-01T00:00:00Z',
            expires_at => POSIX::strftime('%Y-%m-%dT%H:%M:%SZ',
                                          gmtime $now + $day),
            apis => [qw(order catalog)], renews => undef,
            renewed_by => undef, state => 'expiring', revoked_at => undef,
            revoked_by => undef, reason => undef, tries => undef,
            last_try => undef }, 'and is shown');

my @many = map { record(store => "yhst-$_") } 1 .. 500;
counts_are($edge->register(\@many), '500 0 0 0', '500 at once');
counts_are($edge->register(\@many), '0 0 500 0', 'again');
counts_are($edge->register_lines(\@many), '0 0 500 0', 'again by lines');
counts_are($edge->register([ $many[0], $many[0], record() ]), '1 0 2 0',
           'one twice in one');

my $over = record(expires_at => $now - 89 * $day);
counts_are($edge->register($over), '1 0 0 0', 'one that is over');
is(item($over->{id})->{state}, 'expired', 'is shown');
my $long = record(expires_at => $now - 91 * $day);
counts_are($edge->register($long), '0 0 0 1', 'one that is over for long');
is($edge->admin("tokens/$long->{id}")->{status}, 404, 'is not kept');


# what changes

my $r = record(apis => ['order']);
counts_are($edge->register($r), '1 0 0 0', 'one');
counts_are($edge->register({ %$r, expires_at => $now + 50 * $day }),
           '0 0 1 0', 'an earlier expiry is nothing new');
counts_are($edge->register({ %$r, expires_at => $now + 200 * $day }),
           '0 1 0 0', 'a later one is');
is(on_record($r->{id})->{expires_at}, $now + 200 * $day, 'on record');
is($redis->command('ZSCORE', '{partners}:grant:ypa-1:yhst-1', $r->{id}),
   $now + 200 * $day, 'in the index');
counts_are($edge->register({ %$r, apis => ['payment'],
                             issued_at => $now - 5 }), '0 1 0 0',
           'other members replace what is on record');
counts_are($edge->register(without($r, 'apis')), '0 0 1 0',
           'what is not given stays');
is_deeply(on_record($r->{id}),
          { partner => 'ypa-1', store => 'yhst-1', apis => 'payment',
            issued_at => $now - 5, expires_at => $now + 200 * $day },
          'the record');
counts_are($edge->register({ %$r, apis => [] }), '0 1 0 0', 'APIs are taken');
is_deeply(item($r->{id})->{apis}, [], 'all of them');
is(on_record($r->{id})->{apis}, undef, 'on record');
counts_are($edge->register({ %$r, apis => [] }), '0 0 1 0', 'again');
counts_are($edge->register(record(apis => [])), '1 0 0 0', 'one without any');


# the owner stays

my $before = count();

for my $change ({ partner => 'ypa-2' }, { store => 'yhst-2' }) {
    my $name = join ' ', %$change;
    problem($edge->register({ %$r, %$change }), 409, $name,
            qr/never changes its owner.* Nothing was changed/);
    problem($edge->register([ record(), { %$r, %$change }, record() ]), 409,
            "$name, in an array", qr/^Record number 2: .*Nothing was changed/);
    is(count(), $before, "$name: nothing was registered");
}

my @lines = (record(), '', record(), { %$r, partner => 'ypa-2' }, record());
my $answer = problem($edge->register_lines(\@lines), 409, 'by lines',
                     qr/^Line 4: .*The lines before line 4 are on record/);
is($answer->{line}, 4, 'its number');
is($answer->{registered}, 2, 'two were registered');
is(count(), $before + 2, 'those before it');
is($edge->admin("tokens/$lines[2]{id}")->{status}, 200, 'the one before');
is($edge->admin("tokens/$lines[4]{id}")->{status}, 404, 'not the one after');


# renewals

my $old = record(expires_at => $now + 5 * $day);
my $new = record(renews => $old->{id});

counts_are($edge->register([ $old, $new ]), '2 0 0 0', 'renewed');
is(item($old->{id})->{state}, 'renewed', 'the original is renewed');
is(item($old->{id})->{renewed_by}, $new->{id}, 'by which');
is(item($new->{id})->{renews}, $old->{id}, 'of which');
is(item($new->{id})->{state}, 'active', 'the renewal is active');
counts_are($edge->register([ $new, $old ]), '0 0 2 0', 'again');

my $later = record(renews => $old->{id}, expires_at => $now + 300 * $day);
my $sooner = record(renews => $old->{id}, expires_at => $now + 50 * $day);
for my $turn ('once', 'again') {
    $edge->register([ $later, $sooner, $new ]);
    is(item($old->{id})->{renewed_by}, $later->{id},
       "renewed thrice: the last to expire is named, $turn");
}

problem($edge->register(record(renews => $old->{id}, store => 'yhst-2')), 409,
        'for another store', qr/of another partner or store/);
problem($edge->register(record(renews => $old->{id}, partner => 'ypa-2')), 409,
        'by another partner', qr/of another partner or store/);
problem($edge->register({ %$new, renews => $r->{id} }), 409,
        'of two tokens', qr/as the renewal of another one/);

($old, $new) = (record(), record());
$new->{renews} = $old->{id};
counts_are($edge->register($new), '1 0 0 0', 'before its original');
is($edge->admin("tokens/$old->{id}")->{status}, 404,
   'which is not on record by that');
problem($edge->admin("revocations/$old->{id}"), 404, 'nor revoked');
counts_are($edge->register($old), '1 0 0 0', 'then the original');
is(item($old->{id})->{renewed_by}, $new->{id}, 'which is renewed then');

($old, $new) = (record(store => 'yhst-2'), record());
$new->{renews} = $old->{id};
counts_are($edge->register([ $new, $old ]), '2 0 0 0',
           'before its original, which is of somebody else');
is(item($old->{id})->{renewed_by}, undef, 'and is not renewed by that');
counts_are($edge->register($old), '0 0 1 0', 'again');
counts_are($edge->register([ $new, $old ]), '0 0 2 0', 'both again');
counts_are($edge->register({ %$new, expires_at => $now + 300 * $day }),
           '0 1 0 0', 'the renewal, with a later expiry');
is(item($old->{id})->{renewed_by}, undef, 'nor by that');


# a later expiry raises that of the revocation

sub day_of { POSIX::strftime('%Y-%m-%d', gmtime $_[0]) }

sub days_of {
    my ($edge) = @_;
    return { `$inspect $edge->{replica}` =~ /^(\d{4}-\d\d-\d\d)   (\S+)$/mg };
}

$token = token();
my $id = token_id($token);
$r = record(expires_at => $now + 10 * $day, id => $id);

is($edges[1]->revoke({ ids => [ $id ], expires_at => $now + 5 * $day,
                       reason => 'leaked' })->{status}, 200,
   'revoked, not on record');
ok(wait_for(5, sub { days_of($edges[0])->{ day_of($now + 5 * $day) } }),
   'the day on the other edge');

my $entries = $redis->command('XLEN', '{partners}:log');
counts_are($edge->register($r), '1 0 0 0', 'registered then');
is($redis->command('ZSCORE', '{partners}:revoked', $id), $now + 10 * $day,
   'its revocation lasts longer');
is($redis->command('XLEN', '{partners}:log'), $entries + 1, 'one log entry');

my $shown = item($id);
is($shown->{state}, 'revoked', 'shown as revoked');
is($shown->{revoked_by}, 'operator ann', 'by whom');
is($shown->{reason}, 'leaked', 'why');
like($shown->{revoked_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'when');

counts_are($edge->register({ %$r, expires_at => $now + 20 * $day }),
           '0 1 0 0', 'and again');
is($redis->command('XLEN', '{partners}:log'), $entries + 2, 'an entry more');
counts_are($edge->register($r), '0 0 1 0', 'an earlier one');
is($redis->command('XLEN', '{partners}:log'), $entries + 2, 'raises nothing');

for my $one (@edges) {
    ok(wait_for(5, sub {
        my $days = days_of($one);
        $days->{ day_of($now + 20 * $day) }
            && !$days->{ day_of($now + 5 * $day) }
            && !$days->{ day_of($now + 10 * $day) };
    }), "$one->{node} keeps it until the new day");
    is($one->call($token), 401, "$one->{node} refuses it");
    ok(wait_for(5, sub { $one->state->{agrees} }), "$one->{node} agrees");

    my %days = @{ $redis->command('HGETALL', '{partners}:days') };
    delete $days{total};
    is_deeply([ sort values %{ days_of($one) } ], [ sort values %days ],
              "$one->{node} has the days of Redis");
}

# a revocation that outlasts its token: the record stays as long
$id = token_id(token());
$edge->revoke({ ids => [ $id ] });
$r = record(id => $id, expires_at => $now - 80 * $day);
counts_are($edge->register($r), '1 0 0 0', 'over, but revoked for years');
cmp_ok($redis->command('ZSCORE', '{partners}:tokens', $id), '>',
       $now + 1800 * $day, 'is not forgotten before');
is(item($id)->{state}, 'revoked', 'is shown as revoked');
counts_are($edge->register({ %$r, id => $id, expires_at => $now - 91 * $day }),
           '0 0 1 0', 'even if it is over for long');


# from two edges at once: the same lines, and the same tokens for two owners

my @same = map { record(store => "yhst-$_", partner => "ypa-" . $_ % 5) }
               1 .. 1000;
my @claimed = map { record() } 1 .. 40;
$before = count();

sub at_once {
    my ($code) = @_;
    my @answers;
    my @pipes = map {
        my $n = $_;
        pipe my $read, my $write or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if ($pid == 0) {
            print $write map { "$_->{status} $_->{body}" } $code->($n);
            close $write;
            POSIX::_exit(0);
        }
        close $write;
        [ $pid, $read ];
    } 0, 1;
    return map { my ($pid, $read) = @$_; my @l = <$read>; waitpid $pid, 0;
                 [ @l ] } @pipes;
}

my @answers = at_once(sub { $edges[ $_[0] ]->register_lines(\@same) });
my @bodies = map { json($_->[0] =~ s/^200 //r) } @answers;
is($bodies[0]{registered} + $bodies[1]{registered}, 1000, 'each was new once');
is($bodies[0]{already} + $bodies[1]{already}, 1000, 'and known once');
is(count(), $before + 1000, 'all are there');

@answers = at_once(sub {
    my ($n) = @_;
    map { $edges[$n]->register({ %$_, store => "yhst-$n" }) } @claimed;
});
for my $i (0 .. $#claimed) {
    is(join(' ', sort map { substr $_->[$i], 0, 3 } @answers), '200 409',
       'one of two owners was first');
}


# no key of the wrong type is written to, and nothing else either

for my $key (qw(tokens partner:ypa-w store:yhst-w grant:ypa-w:yhst-w), 'token') {
    my $r = record(partner => 'ypa-w', store => 'yhst-w');
    my $name = '{partners}:' . ($key eq 'token' ? "token:$r->{id}" : $key);
    $redis->command('RENAME', $name, 'aside') if $key eq 'tokens';
    $redis->command('SET', $name, 'x');
    my @before = made_by_calls();

    problem($edge->register([ record(), $r ]), 503, "$key of the wrong type",
            qr/WRONGTYPE.*Nothing was changed/);
    is_deeply([ made_by_calls() ], \@before, "$key: no new key");

    $redis->command('DEL', $name);
    $redis->command('RENAME', 'aside', $name) if $key eq 'tokens';
}

finish();
