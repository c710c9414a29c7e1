#!/usr/bin/perl

# GET revocations: whose, of whom, since when, page by page while others are
# revoked and forgotten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis);
$edge->wait_ready;

my ($day, $now) = (86400, time);
my %owner;                       # id -> partner, store

sub on_record {
    my ($partner, $store, @ids) = @_;
    my $answer = $edge->register([ map { { id => $_, partner => $partner,
        store => $store, expires_at => $now + 100 * $day } } @ids ]);
    is($answer->{status}, 200, 'registered') or diag(substr $answer->{body}, 0, 300);
    $owner{$_} = [ $partner, $store ] for @ids;
}

sub revoke_ids {
    my $answer = $edge->revoke({ ids => [ @_ ] });
    is($answer->{status}, 200, 'revoked') or diag(substr $answer->{body}, 0, 300);
}

sub page {
    my ($principal, $args) = @_;
    my $answer = $edge->admin("revocations?$args", $principal);
    is($answer->{status}, 200, "$principal: $args") or diag(substr $answer->{body}, 0, 300);
    return json($answer->{body});
}

# the items of all pages; between the pages something may happen
sub all {
    my ($principal, $args, $between) = @_;
    my ($cursor, @items) = '';
    for (1 .. 200) {
        my $page = page($principal, "$args$cursor");
        push @items, @{ $page->{items} };
        return @items unless $page->{next};
        $cursor = "&cursor=$page->{next}";
        $between->() if $between;
    }
    fail('an end to the pages');
}

sub ids_are {
    my ($items, $expected, $name) = @_;
    is_deeply([ sort map { $_->{id} } @$items ], [ sort @$expected ], $name);
}

sub owned {
    my ($partner, $store) = @_;
    return grep { ($partner || $owner{$_}[0]) eq $owner{$_}[0]
                  && ($store || $owner{$_}[1]) eq $owner{$_}[1] }
           keys %owner;
}


# three partners, two stores

my $n = 0;
for my $partner (qw(p1 p2 p3)) {
    for my $store (qw(s1 s2)) {
        my @ids = map { token_id("token " . $n++) } 1 .. 30;
        on_record($partner, $store, @ids);
        revoke_ids(@ids);
    }
}

my @unknown = map { token_id("unknown $_") } 1 .. 5;
revoke_ids(@unknown);

for my $case ([ 'operator ann', '', [ undef, undef ], [ @unknown ] ],
              [ 'operator ann', 'partner=p1', [ 'p1', undef ] ],
              [ 'operator ann', 'store=s2', [ undef, 's2' ] ],
              [ 'operator ann', 'partner=p1&store=s2', [ 'p1', 's2' ] ],
              [ 'operator ann', 'partner=nil', [ 'nil', undef ] ],
              [ 'merchant s1', '', [ undef, 's1' ] ],
              [ 'merchant s1', 'store=s1', [ undef, 's1' ] ],
              [ 'merchant s1', 'store=s2', [ 'nil', 'nil' ] ],
              [ 'merchant s1', 'partner=p2', [ 'p2', 's1' ] ],
              [ 'merchant s1', 'partner=p2&store=s2', [ 'nil', 'nil' ] ],
              [ 'partner p3', '', [ 'p3', undef ] ],
              [ 'partner p3', 'store=s2', [ 'p3', 's2' ] ],
              [ 'partner p3', 'partner=p1', [ 'nil', 'nil' ] ],
              [ 'partner nil', '', [ 'nil', 'nil' ] ])
{
    my ($principal, $args, $whose, $more) = @$case;
    my @items = all($principal, 'limit=7' . ($args && "&$args"));
    ids_are(\@items, [ owned(@$whose), @{ $more || [] } ],
            "$principal sees what is its: $args");
    is(join(' ', map { $_->{revoked_at} } @items),
       join(' ', sort { $b cmp $a } map { $_->{revoked_at} } @items),
       'newest first');
    is(scalar(grep { $owner{$_->{id}}
                     && "@{$owner{$_->{id}}}" ne "$_->{partner} $_->{store}" }
              @items), 0, 'whose they are');
}

my ($item) = grep { $_->{id} eq $unknown[0] } all('operator ann', 'limit=9');
is_deeply([ @$item{qw(partner store by)} ], [ undef, undef, 'operator ann' ],
          'one that is not on record');


# pages while others are revoked, and some are forgotten, the last seen too

my @before = owned(undef, 's1');
my @new;
my @items = all('merchant s1', 'limit=10', sub {
    push @new, my $id = token_id('new ' . @new);
    on_record('p1', 's1', $id);
    revoke_ids($id);
});
ids_are(\@items, \@before, 'what is revoked between pages moves nothing');

my ($seen, @gone) = (0);
@items = all('merchant s1', 'limit=10', sub {
    my ($last) = $redis->command('ZREVRANGE', '{partners}:when:store:s1',
                                 10 * ++$seen - 1 - @gone,
                                 10 * $seen - 1 - @gone)->[0] or return;
    push @gone, $last;
    $redis->command('ZREM', "{partners}:$_", $last)
        for qw(when:store:s1 when:partner:p1 revoked when);
});
cmp_ok(scalar @gone, '>', 3, 'the last one of some pages was forgotten');
ids_are(\@items, [ @before, @new ], 'which loses none of the others');


# since, limits, cursors made up

is(scalar all('merchant s1', 'since=' . ($now + 1000)), 0, 'since the future');
cmp_ok(scalar all('merchant s1', 'since=' . ($now - 1000)), '>', 50,
       'since before');
is(scalar @{ page('merchant s1', 'limit=1')->{items} }, 1, 'one');

my $other = page('merchant s2', 'limit=1')->{next};
@items = @{ page('merchant s1', "limit=1000&cursor=$other")->{items} };
is(scalar(grep { $_->{store} ne 's1' } @items), 0,
   'the cursor of somebody else shows nothing of theirs');

require MIME::Base64;
for my $cursor ('r:0:' . 'f' x 32, 'r:99999999999:' . '1' x 32,
                'w:0:' . '0' x 32)
{
    @items = @{ page('merchant s1', 'limit=1000&cursor='
                     . MIME::Base64::encode_base64url($cursor))->{items} };
    is(scalar(grep { ($_->{store} // '') ne 's1' } @items), 0,
       "nor does $cursor");
}


# what came by a bulk load: only its expiry is known; its owner sees it once it
# is on record

my @bulk = map { token_id("bulk $_") } 1 .. 20;
$redis->command('ZADD', '{partners}:revoked', $now + 50 * $day, $_) for @bulk;
@items = all('operator ann', 'limit=50');
ids_are([ grep { !defined $_->{revoked_at} } @items ], \@bulk,
        'operators see it, with no time');
is_deeply([ map { $_->{revoked_at} // 'bulk' } @items[-20 .. -1] ],
          [ ('bulk') x 20 ], 'last');
on_record('p7', 's7', @bulk);
ids_are([ all('merchant s7', 'limit=6') ], \@bulk, 'its owner, too');
is($edge->admin("revocations/$bulk[0]", 'partner p7')->{status}, 200,
   'one by one');


# many of a store, few of them of a partner: work is bounded, pages go on

my @many = map { token_id("many $_") } 1 .. 3000;
while (my @batch = splice @many, 0, 500) {
    on_record('p8', 's8', @batch);
    revoke_ids(@batch);
}
my @few = map { token_id("few $_") } 1 .. 3000;
while (my @batch = splice @few, 0, 500) {
    on_record('p9', 's9', @batch);
    revoke_ids(@batch);
}
on_record('p9', 's8', my $needle = token_id('needle'));
revoke_ids($needle);
@items = all('merchant s8', 'limit=1000&partner=p9');
ids_are(\@items, [ $needle ], 'one of three thousand');
ids_are([ all('operator ann', 'limit=1000&partner=p9&store=s8') ], [ $needle ],
        'for operators, too');


# forgotten: nothing is left of it in any list

sub kept { scalar map { @{ $redis->command('KEYS', "{partners}:$_") } }
                  qw(revocation:* when when:*) }

cmp_ok(kept(), '>', 3000, 'much is kept');
ok(wait_for(30, sub {
    !grep { !defined $redis->command('ZSCORE', '{partners}:revoked', $_) } @gone
}), 'what was taken out by hand is back');
$redis->command('SAVE');
$redis->kill_hard;
$redis->{ahead} = 200 * $day;
$redis->start;
my $later = edge(redis => $redis, node => 'later', env => $redis->{clock}->env);
$edge->stop;
ok(wait_for(60, sub { kept() == @unknown + 1 }),
   'when all are over, nothing is but those that are not')
    or diag(join ' ', @{ $redis->command('KEYS', '{partners}:*') });

finish();
