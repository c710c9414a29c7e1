#!/usr/bin/perl

# GET log: who did what, why and when, newest first, by pages, in answers of
# bounded size.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my ($edge) = fleet(1, $redis, set => 'registry off;');

sub get_log { json($edge->admin('log' . (@_ ? "?$_[0]" : ''))->{body}) }

is_deeply(get_log(), { items => [] }, 'nothing was done yet');

my ($token, $other) = (token(), token());
my $before = time;
is($edge->revoke({ token => $token, reason => 'leaked <b>' })->{status}, 200,
   'an operator');
is($edge->revoke({ token => $other }, 'X-Principal' => 'merchant acme-store')
        ->{status}, 200, 'a merchant');
is($edge->revoke({ token => $other }, @$_)->{status}, 200,
   'again: changes nothing') for [], ([ Prefer => 'wait=5' ]) x 2;
is($edge->revoke({ token => token(), dry_run => \1 })->{status}, 200,
   'a dry run: no act');

my $log = get_log();
my @items = @{ $log->{items} };
is(scalar @items, 2, 'two acts');
is_deeply([ map { $_->{by} } @items ],
          [ 'merchant acme-store', 'operator ann' ], 'who, newest first');
is_deeply([ map { $_->{act} } @items ], [ 'revoke', 'revoke' ], 'what');
is_deeply([ map { $_->{reason} } @items ], [ undef, 'leaked <b>' ], 'why');
is_deeply([ map { @$_{qw(partner store)} } @items ], [ (undef) x 4 ],
          'no scope');
is_deeply([ map { $_->{ids} } @items ],
          [ [ token_id($other) ], [ token_id($token) ] ], 'to which');
is_deeply([ map { $_->{count} } @items ], [ 1, 1 ], 'how many');
is($redis->command('XLEN', '{partners}:log'), 4,
   'who waited had an entry to be confirmed');
like($items[0]{at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'when');
is($items[0]{position},
   $redis->command('XRANGE', '{partners}:log', '-', '+', 'COUNT', 2)->[1][0],
   'position');
is($edge->revoke({ tokens => [ $token, token() ], reason => 'one more' },
                 Prefer => 'wait=5')->{status}, 200, 'one of two is new');
is(get_log()->{items}[0]{reason}, 'one more', 'that is an act');
ok(!$log->{trimmed}, 'that is all there ever was');

for my $who ('merchant acme-store', 'partner ypa-1') {
    is($edge->admin('log', $who)->{status}, 403, "$who may not");
}


# many ids: their number and the first few

is($edge->revoke({ ids => [ map { token_id($_) } 1 .. 1000 ] })->{status}, 200,
   'a thousand');
my ($item) = @{ get_log('limit=1')->{items} };
is($item->{count}, 1000, 'counted');
is(scalar @{ $item->{ids} }, 10, 'the first ten');
is($item->{ids}[0], token_id(1), 'in order');


# what is in the log by other hands

$redis->command('XADD', '{partners}:log', '*', 'prev', $item->{position},
                'merge', 'edge-9:0123456789abcdef');
$redis->command('XADD', '{partners}:log', '*', 'x', "\xff", 'by', "\xff\xfe");
@items = @{ get_log('limit=2')->{items} };
is_deeply([ map { $_->{act} } @items ], [ 'unknown', 'merge' ],
          'a merge, and what no edge understands');
is_deeply([ map { $_->{by} } @items ], [ undef, 'edge-9:0123456789abcdef' ],
          'by which edge');
is($items[1]{count}, 0, 'of a merge the ids are not known');


# pages

for (1 .. 45) {
    $redis->command('XADD', '{partners}:log', '*', 'prev', '1-1',
                    'ids', token_id($_) . ':1950000000', 'by', "operator n$_");
}
my (@by_page, @all, $cursor, $pages);
@all = map { $_->{position} } @{ get_log('limit=1000')->{items} };
is(scalar @all, 51, 'all in one');
do {
    my $page = get_log('limit=7' . ($cursor ? "&cursor=$cursor" : ''));
    push @by_page, map { $_->{position} } @{ $page->{items} };
    $cursor = $page->{next};
    $redis->command('XADD', '{partners}:log', '*', 'prev', '1-1', 'merge', 'x')
        if ++$pages == 2;
} while ($cursor && $pages < 20);
is_deeply(\@by_page, \@all, 'by pages: the same, though it goes on');
is($pages, 8, 'of seven');

my $second = int(($all[-1] =~ /^(\d+)/)[0] / 1000);
is(scalar @{ get_log("since=$second&limit=1000")->{items} }, 52, 'since');
is(scalar @{ get_log('since=' . (time + 100))->{items} }, 0, 'since later');

for my $args ('x=1', 'limit=0', 'limit=1001', 'limit=x', 'since=x', 'cursor=x',
              'cursor=', 'partner=p', 'cursor=' . 'A' x 200,
              'cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTktMQ')
{
    my $status = $edge->admin("log?$args")->{status};
    is($status, $args eq 'cursor=' ? 200 : 400, "log?$args: $status");
}


# large entries: pages are short, and the answer is bounded

my $ids = join ' ', map { token_id($_) . ':1950000000' } 1 .. 1000;
$redis->command('XADD', '{partners}:log', '*', 'prev', '1-1', 'ids', $ids)
    for 1 .. 60;
my $answer = $edge->admin('log?limit=1000');
cmp_ok(length $answer->{body}, '<', 100_000, 'a page of large ones is not');
ok(json($answer->{body})->{next}, 'and there is more');


# what was trimmed away

$redis->command('XTRIM', '{partners}:log', 'MAXLEN', 3);
$log = get_log();
is(scalar @{ $log->{items} }, 3, 'three are left');
ok($log->{trimmed}, 'and the answer says that there were more');

$redis->stop;
is($edge->admin('log')->{status}, 503, 'without Redis');

finish();
