#!/usr/bin/perl

# Revoking tokens that are on record: whose they are, when the revocation is
# over, what else is active, and what is told to whom.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis);
$edge->wait_ready;

my ($day, $now) = (86400, time);
my ($merchant, $partner) = ('merchant yhst-1', 'partner ypa-1');

# a token on record, with this expiry in days
sub on_record {
    my ($p, $s, $days, %more) = @_;
    my $token = token();
    my $answer = $edge->register({ token => $token, partner => $p, store => $s,
                                   expires_at => $now + $days * $day, %more });
    is($answer->{status}, 200, 'registered') or diag(substr $answer->{body}, 0, 300);
    return $token;
}

sub revoke {
    my ($body, $principal, %headers) = @_;
    my $answer = $edge->revoke($body, 'X-Principal' => $principal
                                                       || 'operator ann',
                               %headers);
    return ($answer->{status}, json($answer->{body}));
}

sub ids { return [ sort map { $_->{id} } @{ $_[0] } ] }
sub expiry { $redis->command('ZSCORE', '{partners}:revoked', token_id($_[0])) }
sub revoked { $redis->command('ZCARD', '{partners}:revoked') }

sub text_of {
    my @t = gmtime $_[0];
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1,
                   @t[3, 2, 1, 0];
}


# one token, and what else the partner may call the store with

my $original = on_record('ypa-1', 'yhst-1', 20);
my $renewed = on_record('ypa-1', 'yhst-1', 200, renews => token_id($original));
my $other = on_record('ypa-1', 'yhst-1', 100);
my $over = on_record('ypa-1', 'yhst-1', -3);
my $before = on_record('ypa-1', 'yhst-1', 90);
my $elsewhere = on_record('ypa-1', 'yhst-2', 90);
my $competitor = on_record('ypa-2', 'yhst-1', 90);

is((revoke({ token => $before }, $merchant))[0], 200, 'revoked before');

my ($status, $body) = revoke({ token => $other, reason => 'leaked' },
                             $merchant);
is($status, 200, 'revoked');
is_deeply($body->{revoked}, [ { id => token_id($other), partner => 'ypa-1',
                                store => 'yhst-1', already => JSON::PP::false(),
                                expires_at => text_of($now + 100 * $day) } ],
          'the item tells whose it is');
is(expiry($other), $now + 100 * $day, 'the revocation is over with the token');
is($body->{count}, 1, 'count');
is($body->{already}, 0, 'none was revoked before');

is_deeply(ids($body->{also_active}), ids([ { id => token_id($original) },
                                           { id => token_id($renewed) } ]),
          'the renewed and its original are active, nothing else is');
my ($item) = grep { $_->{id} eq token_id($renewed) } @{ $body->{also_active} };
is_deeply($item, { id => token_id($renewed), partner => 'ypa-1',
                   store => 'yhst-1',
                   expires_at => text_of($now + 200 * $day) }, 'its item');
is($edge->call($_), 200, 'what is told to be active works')
    for $original, $renewed;
ok(!exists $body->{also_active_more}, 'and is all of it');

($status, $body) = revoke({ token => $other }, $partner);
is($status, 200, 'the partner revokes it again');
is($body->{already}, 1, 'revoked before');
is(scalar @{ $body->{also_active} }, 2, 'the partner is told the same');

($status, $body) = revoke({ ids => [ map { token_id($_) } $original,
                                     $renewed ] }, $partner);
is($status, 200, 'the partner revokes both');
is_deeply($body->{also_active}, [], 'nothing else is active');
is($edge->call($elsewhere), 200, 'another store is not touched');
is($edge->call($competitor), 200, 'another partner is not touched');


# one that is dead already, by its record

($status, $body) = revoke({ token => $over }, $merchant);
is($status, 200, 'a dead token is revoked all the same');
ok($body->{revoked}[0]{expired}, 'and said to be dead');
cmp_ok(expiry($over), '>', time, 'for a while: clocks differ');
cmp_ok(expiry($over), '<=', time + $day, 'for a day');
is($edge->call($over), 401, 'it is refused');
my $expiry = expiry($over);
($status, $body) = revoke({ token => $over }, $merchant);
ok($body->{revoked}[0]{already}, 'again');
is(expiry($over), $expiry, 'which changes nothing');


# "expires_at" is for what is not on record

my $size = revoked();
my $token = on_record('ypa-1', 'yhst-1', 50);
($status, $body) = revoke({ ids => [ token_id(token()), token_id($token) ],
                            expires_at => $now + 7 * $day });
is($status, 409, 'expires_at for a token on record');
like($body->{type}, qr/:registered$/, 'its type');
like($body->{detail}, qr/"expires_at"/, 'says what is wrong');
is_deeply($body->{ids}, [ token_id($token) ], 'names the token');
is(revoked(), $size, 'nothing was changed');

($status, $body) = revoke({ ids => [ token_id(my $unknown = token()) ],
                            expires_at => $now + 7 * $day });
is($status, 200, 'for one that is not');
is(expiry($unknown), $now + 7 * $day, 'it counts');
ok(!exists $body->{revoked}[0]{partner}, 'whose it is, is not known');

# registered later, with a later expiry: the owner sees who revoked it

$edge->register({ id => token_id($unknown), partner => 'ypa-1',
                  store => 'yhst-1', expires_at => $now + 70 * $day });
is(expiry($unknown), $now + 70 * $day, 'its revocation lives as long');
my $answer = $edge->admin('revocations/' . token_id($unknown), $merchant);
is($answer->{status}, 200, 'its owner may read it');
is(json($answer->{body})->{by}, 'operator ann', 'who did it');
is(json($answer->{body})->{store}, 'yhst-1', 'whose it is');

# an existing revocation that is longer stays

my $long = token();
revoke({ token => $long, expires_at => $now + 300 * $day });
$edge->register({ token => $long, partner => 'ypa-1', store => 'yhst-1',
                  expires_at => $now + 70 * $day });
($status, $body) = revoke({ token => $long }, $merchant);
is(expiry($long), $now + 300 * $day, 'the later expiry stays');
is($body->{revoked}[0]{expires_at}, text_of($now + 300 * $day), 'and is told');


# all or nothing; by text as by id; names what is unknown, and only that

$size = revoked();
my ($own, $foreign, $none) = (on_record('ypa-1', 'yhst-1', 9),
                              on_record('ypa-9', 'yhst-9', 9), token());

for my $request ({ tokens => [ $own, $foreign, $none ] },
                 { ids => [ map { token_id($_) } $own, $foreign, $none ] })
{
    ($status, $body) = revoke($request, $merchant);
    is($status, 404, 'own, foreign and unknown');
    like($body->{type}, qr/:unknown-token$/, 'its type');
    is_deeply($body->{ids}, [ token_id($foreign), token_id($none) ],
              'the ids of the latter');
    is($body->{detail}, '2 of the tokens are not known. Nothing was changed.',
       'says so');
}

is((revoke({ tokens => [ $own, $none ] }, $merchant))[1]{detail},
   '1 of the tokens is not known. Nothing was changed.', 'says so of one');

is(revoked(), $size, 'nothing was changed');
is($edge->call($own), 200, 'not even one\'s own');


# a dry run

($status, $body) = revoke({ token => $own, dry_run => JSON::PP::true() },
                          $merchant);
is($status, 200, 'a dry run');
is($body->{revoked}[0]{store}, 'yhst-1', 'tells what would be hit');
ok(@{ $body->{also_active} }, 'and what would still be active');
is($body->{edges}{confirmed}, 0, 'nobody has confirmed anything');
is(revoked(), $size, 'nothing was changed');


# many others that are active: told up to a hundred

$edge->register([ map { { id => token_id("many $_"), partner => 'ypa-5',
                          store => 'yhst-5', expires_at => $now + 9 * $day } }
                      1 .. 150 ]);
($status, $body) = revoke({ ids => [ token_id('many 1') ] });
is(scalar @{ $body->{also_active} }, 100, 'a hundred others are told');
ok($body->{also_active_more}, 'and that there are more');


# foreign and unknown take the same time

my %ms;
for (1 .. 200) {
    for my $kind (qw(foreign none)) {
        my $id = token_id($kind eq 'foreign' ? $foreign : $none);
        my $start = Time::HiRes::time();
        revoke({ ids => [ $id ] }, $merchant);
        push @{ $ms{$kind} }, 1000 * (Time::HiRes::time() - $start);
    }
}
my ($f, $n) = map { (sort { $a <=> $b } @$_)[100] } @ms{qw(foreign none)};
note(sprintf 'median: foreign %.3f ms, unknown %.3f ms', $f, $n);
cmp_ok($f / $n, '<', 1.5, 'foreign is not slower');
cmp_ok($n / $f, '<', 1.5, 'unknown is not slower');


# a record of the wrong type is found before anything is written

my ($good, $bad) = (token_id(on_record('ypa-1', 'yhst-1', 9)),
                    token_id(token()));
$redis->command('SET', "{partners}:token:$bad", 'junk');
$size = revoked();
is((revoke({ ids => [ $good, $bad ] }))[0], 503, 'a record of a wrong type');
is(revoked(), $size, 'nothing was changed');
$redis->command('DEL', "{partners}:token:$bad");
for my $key (qw(when:store:yhst-1 grant:ypa-1:yhst-1)) {
    $redis->command('RENAME', "{partners}:$key", 'aside');
    $redis->command('SET', "{partners}:$key", 'junk');
    is((revoke({ ids => [ $good ] }))[0], 503, "$key of a wrong type");
    is(revoked(), $size, 'nothing was changed');
    $redis->command('RENAME', 'aside', "{partners}:$key");
}
is((revoke({ ids => [ $good ] }))[0], 200, 'put right: revoked');

finish();
