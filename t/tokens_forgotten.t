#!/usr/bin/perl

# Token records go away some time after the expiry of their token, with all
# that was kept about them, but never while their revocation lives.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

my $redis = redis();
my $edge = edge(redis => $redis, set => 'token_records 3d;');
$edge->wait_ready;

my $day = 86400;
my $now = time;
my $soon = $now - 3 * $day + 6;          # too old in 6 seconds

sub record {
    my (%record) = @_;
    return { id => token_id(token()), partner => 'ypa-1', store => 'yhst-1',
             expires_at => $soon, %record };
}

sub add {
    my @records = @_;
    my $answer = $edge->register_lines(\@records);
    is($answer->{status}, 200, 'registered') or diag($answer->{body});
    return @records;
}

sub keys_of { sort @{ $redis->command('KEYS', $_[0]) } }

sub is_there { $redis->command('EXISTS', "{partners}:token:$_[0]{id}") }

my ($stays, $works) = add(record(expires_at => $now - 2 * $day),
                          record(expires_at => $now + $day));
my @old = add(map { record(store => "yhst-" . $_ % 10, partner => 'ypa-old') }
                  1 .. 1000);

# revoked for longer than the token lives, before and after it was registered
my ($before, $after) = (record(), record());
is($edge->revoke({ ids => [ $before->{id}, $after->{id} ],
                   expires_at => $now + 100 * $day })->{status}, 200,
   'two are revoked');
add($before, $after);
for my $index (qw(tokens partner:ypa-1 store:yhst-1 grant:ypa-1:yhst-1)) {
    # as if Redis had heard of the longer revocation afterwards
    $redis->command('ZADD', "{partners}:$index", $soon, $after->{id});
}

# a renewal whose original never came, and one whose original stays
my ($never, $lone) = (record(), record());
$lone->{renews} = $never->{id};
my $renewal = record(renews => $stays->{id});
add($lone, $renewal);
ok(is_there($never), 'what is known of an original that is not on record');

is($redis->command('ZCARD', '{partners}:tokens'), 1006, 'all are there');

# the next to become the writer looks at once
wait_for(20, sub { time > $soon + 3 * $day });
ok($edge->reload, 'reloaded');
ok(wait_for(20, sub { $redis->command('ZCARD', '{partners}:tokens') == 4 }),
   'forgotten')
    or diag($redis->command('ZCARD', '{partners}:tokens'));

ok(!is_there($_), 'not on record') for @old[0, 500, 999], $lone, $renewal;
ok(!is_there($never), 'nor what was known of the original');
ok(is_there($_), 'still on record') for $stays, $works, $before, $after;
is_deeply([ keys_of('{partners}:*ypa-old*') ], [], 'the indexes are gone');
is_deeply([ keys_of('{partners}:store:*') ], [ '{partners}:store:yhst-1' ],
          'but for one');

for my $index (qw(partner:ypa-1 store:yhst-1 grant:ypa-1:yhst-1)) {
    is($redis->command('ZCARD', "{partners}:$index"), 4, "$index has four");
    is($redis->command('ZSCORE', "{partners}:$index", $after->{id}),
       $now + 100 * $day, 'one stays as long as its revocation');
}

is($edge->admin("tokens/$old[0]{id}")->{status}, 404, 'is not found');
is(json($edge->admin("tokens/$after->{id}", 'merchant yhst-1')->{body})
       ->{state}, 'revoked', 'the owner of a revocation is known');
is(json($edge->admin("tokens/$stays->{id}")->{body})->{state}, 'expired',
   'why a token does not work is known');

# a revocation that is over, whose turn to be forgotten has not come, is raised
my $over = record();
$redis->command('ZADD', '{partners}:revoked', $now - 5 * $day, $over->{id});
is($edge->revoke({ ids => [ $over->{id} ] })->{status}, 200, 'revoked again');
is(TRV::Fleet::digests_wrong({ redis => $redis }), '',
   'the digests fit the revocations');

is(json($edge->register($old[0])->{body})->{skipped}, 1,
   'registered again it is left out');
is($redis->command('ZCARD', '{partners}:tokens'), 4, 'and not kept');

finish();
