#!/usr/bin/perl

# GET tokens and GET tokens/ID: states, filters, whose, and pages that stay
# right while tokens are registered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis);
$edge->wait_ready;

my $day = 86400;
my $now = time;

sub record {
    my (%record) = @_;
    return { id => token_id(token()), partner => 'ypa-1', store => 'yhst-1',
             expires_at => $now + 100 * $day, %record };
}

sub add {
    my @records = @_;
    my $answer = $edge->register_lines(\@records);
    is($answer->{status}, 200, 'registered') or diag($answer->{body});
    return @records;
}

sub list {
    my ($args, $principal) = @_;
    my $answer = $edge->admin("tokens?$args", $principal);
    is($answer->{status}, 200, "?$args") or diag($answer->{body});
    return json($answer->{body});
}

sub ids { join ' ', sort map { $_->{id} } @{ $_[0] } }

# all pages
sub all {
    my ($args, $principal, $between) = @_;
    my (@items, $cursor);
    my $pages = 0;
    do {
        my $page = list($args . ($cursor ? "&cursor=$cursor" : ''),
                        $principal);
        push @items, @{ $page->{items} };
        $cursor = $page->{next};
        $between->() if $between;
    } while ($cursor && ++$pages < 1000);
    return @items;
}

sub problem {
    my ($answer, $status, $name, $pattern) = @_;
    is($answer->{status}, $status, "$name: $status");
    is(TRV::Http::header($answer, 'Content-Type'), 'application/problem+json',
       "$name: a problem");
    like(json($answer->{body})->{detail}, $pattern, "$name: what is wrong")
        if $pattern;
}


# nothing yet

is_deeply(list(''), { items => [] }, 'none');
is_deeply(list('state=active', 'merchant yhst-1'), { items => [] },
          'none of its own');


# two stores, two partners, every state

my (%of, @all);

for my $partner ('ypa-1', 'ypa-2') {
    for my $store ('yhst-1', 'yhst-2') {
        my %own = (partner => $partner, store => $store);
        my $original = record(%own, expires_at => $now + 90 * $day);
        my %tokens = (
            active => record(%own, renews => $original->{id}),
            renewed => $original,
            expiring => record(%own, expires_at => $now + 29 * $day),
            expired => record(%own, expires_at => $now - $day),
            revoked => record(%own),
        );
        push @all, add(values %tokens);
        $of{"$partner $store"} = \%tokens;
        is($edge->revoke({ ids => [ $tokens{revoked}{id} ],
                           reason => "of $store" })->{status}, 200, 'revoked');
    }
}

sub matching {
    my ($code) = @_;
    return ids([ grep { $code->() } @all ]);
}

my %states = map { my $grant = $_; map { $of{$grant}{$_}{id} => $_ }
                                   keys %{ $of{$grant} } } keys %of;

for my $item (all('limit=7')) {
    is($item->{state}, $states{ $item->{id} }, "state $item->{state}");
}

is(ids([ all('') ]), matching(sub { 1 }), 'all without arguments');
is(ids([ all('state=all') ]), matching(sub { 1 }), 'all');

for my $state (qw(renewed expiring expired revoked)) {
    for my $args ('', '&limit=1') {
        is(ids([ all("state=$state$args") ]),
           matching(sub { $states{ $_->{id} } eq $state }), $state);
    }
}

is(ids([ all('state=active') ]),
   matching(sub { $states{ $_->{id} } =~ /^(active|renewed|expiring)$/ }),
   'active: all that work');

is_deeply([ map { $_->{expires_at} } all('limit=3') ],
          [ sort map { $_->{expires_at} } all('') ], 'in order of expiry');

is(ids([ all('partner=ypa-1') ]), matching(sub { $_->{partner} eq 'ypa-1' }),
   'of a partner');
is(ids([ all('store=yhst-2') ]), matching(sub { $_->{store} eq 'yhst-2' }),
   'of a store');
is(ids([ all('partner=ypa-2&store=yhst-1&state=active') ]),
   ids([ @{ $of{'ypa-2 yhst-1'} }{qw(active renewed expiring)} ]),
   'of both, in a state');
is(ids([ all('partner=ypa-9') ]), '', 'of a partner without any');

my $some = $of{'ypa-1 yhst-2'}{active}{id};
is(ids([ all('q=' . substr $some, 0, 10) ]), $some, 'begin of an id');
is(ids([ all("q=$some") ]), $some, 'a whole id');
is(ids([ all("q=$some&store=yhst-1") ]), '', 'a whole id of another store');
is(ids([ all('q=' . token_id(token())) ]), '', 'an id that is not there');
is(ids([ all('q=ypa-1') ]), matching(sub { $_->{partner} eq 'ypa-1' }),
   'begin of a partner');
is(ids([ all('q=yhst-') ]), matching(sub { 1 }), 'begin of a store');
is(ids([ all('q=hst') ]), '', 'not the middle');
is(ids([ all('q=') ]), matching(sub { 1 }), 'of anything');

my ($hex) = add(record(partner => '0123456789abcdef' x 2, store => 'f' x 64));
is(ids([ all("q=$_") ]), $hex->{id}, "a name may look like an id: $_")
    for $hex->{partner}, 'f' x 32, 'f' x 64;

my $item = json($edge->admin("tokens/$of{'ypa-1 yhst-1'}{revoked}{id}")
                    ->{body});
is($item->{state}, 'revoked', 'a revoked one');
is($item->{reason}, 'of yhst-1', 'why');
is($item->{revoked_by}, 'operator ann', 'by whom');
like($item->{revoked_at}, qr/^20\d\d-/, 'when');


# whose

for my $case ([ 'merchant yhst-1', 'store', 'yhst-1', 'yhst-2' ],
              [ 'partner ypa-2', 'partner', 'ypa-2', 'ypa-1' ])
{
    my ($principal, $field, $own, $foreign) = @$case;
    my $mine = matching(sub { $_->{$field} eq $own });

    is(ids([ all('', $principal) ]), $mine, "$principal: its own");
    is(ids([ all('limit=1', $principal) ]), $mine, 'by pages');
    is(ids([ all("$field=$own", $principal) ]), $mine, 'asked for');
    is(ids([ all("$field=$foreign", $principal) ]), '', 'foreign: none');
    is(ids([ all("q=$foreign", $principal) ]), '', 'foreign by q: none');

    my ($foreign_id) = map { $_->{id} } grep { $_->{$field} eq $foreign } @all;
    my ($own_id) = map { $_->{id} } grep { $_->{$field} eq $own } @all;

    is(ids([ all("q=$foreign_id", $principal) ]), '', 'nor by its id');

    # a cursor says where, not whose
    my $cursor = list("$field=$foreign&limit=1")->{next};
    unlike(ids([ all("cursor=$cursor", $principal) ]), qr/$foreign_id/,
           'nor by a cursor of somebody else');

    is($edge->admin("tokens/$own_id", $principal)->{status}, 200, 'one');
    my $answer = $edge->admin("tokens/$foreign_id", $principal);
    problem($answer, 404, 'a foreign one');
    is($answer->{body}, $edge->admin('tokens/' . token_id(token()),
                                     $principal)->{body},
       'looks like an unknown one');
}

is(ids([ all('store=yhst-2', 'partner ypa-2') ]),
   ids([ values %{ $of{'ypa-2 yhst-2'} } ]), 'a partner, for one store');

problem($edge->admin('tokens', 'none x'), 403, 'nobody');
problem($edge->admin("tokens/$some", 'none x'), 403, 'nobody, one');


# arguments

for my $args ('limit=0', 'limit=1001', 'limit=x', 'limit=', 'cursor=x',
              'cursor=!!', 'cursor=' . 'a' x 500, 'cursor=dzpmb286YmFy',
              'state=', 'state=ACTIVE', 'state=dead', 'partner=', 'store=',
              'partner=a/b', 'store=' . 'a' x 65, 'q=a%20b', 'q=a*',
              'q=' . 'a' x 65, 'since=1', 'foo=1', 'Q=x', 'partner', 'q=%00',
              'q=a&q=a', 'partner=ypa-1&state=all&partner=ypa-2', 'q=%a',
              'q=%', 'partner=%ypa-1', 'limit=1%', 'q=a%zz')
{
    problem($edge->admin("tokens?$args"), 400, "?$args");
}

problem($edge->admin('tokens?foo=1'), 400, 'an unknown one',
        qr/"limit", "cursor", "partner", "store", "state", "q"\.$/);
problem($edge->admin('revocations?q=1'), 400, 'one of another list',
        qr/"limit", "cursor", "since"/);
problem($edge->admin('tokens/xyz'), 400, 'no id');
problem($edge->admin('tokens/' . uc $some), 400, 'an id in capitals');
problem($edge->admin("tokens/$some?x=1"), 400, 'an argument of one');

for my $head ("tokens", "tokens/$some") {
    my $answer = $edge->request('HEAD', "/token-revoke/$head",
                            headers => [ 'X-Principal' => 'operator ann' ]);
    is($answer->{status}, 200, "HEAD $head");
    is($answer->{body}, '', 'has no body');
}


# pages stay right while tokens come: many expire in the same second

my @same = add(map { record(partner => 'ypa-p', store => 'yhst-p',
                            expires_at => $now + 50 * $day) } 1 .. 700);
my @more;

my @seen = all('partner=ypa-p&limit=50', undef, sub {
    push @more, add(map { record(partner => 'ypa-p', store => 'yhst-p',
                                 expires_at => $now + 50 * $day) } 1 .. 20)
        if @more < 200;
});

my %seen;
$seen{ $_->{id} }++ for @seen;
is(scalar(grep { !$seen{ $_->{id} } } @same), 0,
   'each that was there is seen');
is(scalar(grep { $_ > 1 } values %seen), 0, 'none twice');

# an expiry that is raised meanwhile: seen, perhaps twice
my @raised = map { { %$_, expires_at => $now + 60 * $day } } @same[0 .. 99];
my $pages = 0;
@seen = all('store=yhst-p&limit=50', undef, sub {
    add(splice @raised, 0, 10) if @raised;
    $pages++;
});
%seen = map { $_->{id} => 1 } @seen;
is(scalar(grep { !$seen{ $_->{id} } } @same, @more), 0,
   'none is missed when its expiry is raised');
cmp_ok($pages, '>=', 18, 'in so many pages');

# the last one seen goes away
my $page = list('partner=ypa-p&limit=100');
my $last = $page->{items}[-1]{id};
$redis->command('ZREM', '{partners}:partner:ypa-p', $last);
my $rest = list("partner=ypa-p&limit=1000&cursor=$page->{next}");
is(@{ $page->{items} } + @{ $rest->{items} }, scalar(@same) + @more,
   'the page goes on behind one that is gone');

# a page that finds little is short, not empty-handed and not slow
my @others = add(map { record(store => "zz-$_") } 1 .. 3000);
my @last = add(record(store => 'yhst-z', expires_at => $now + 1000 * $day));
is(ids(list('q=yhst-z')->{items}), $last[0]{id},
   'found behind thousands in one call');

# what is in an index without a record, or has a record that is none
$redis->command('ZADD', '{partners}:tokens', $now + 1000, 'f' x 32);
$redis->command('ZADD', '{partners}:tokens', $now + 1001, 'e' x 32);
$redis->command('SET', '{partners}:token:' . 'e' x 32, 'x');
is(scalar(grep { $_->{id} =~ /^([ef])\1{31}$/ } all('limit=1000')), 0,
   'is not shown');
is($edge->admin('tokens/' . 'e' x 32)->{status}, 404, 'nor found');
$redis->command('DEL', '{partners}:store:yhst-q');
$redis->command('SET', '{partners}:store:yhst-q', 'x');
problem($edge->admin('tokens?store=yhst-q'), 503, 'an index that is none');

finish();
