#!/usr/bin/perl

# Clocks that are wrong, and days that pass: what only Redis has is not
# forgotten before both clocks say so, and what was forgotten with its day comes
# back with its token.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $day = 86400;
my $redis = redis(ahead => 1);
my $clock = $redis->{clock};
my $edge = edge(redis => $redis);
$edge->wait_ready;

sub tokens { json($edge->admin('tokens?limit=1000')->{body})->{items} }

# scripts that have been run, of which the next writer's prune is an early one
sub scripts {
    return $redis->command('INFO', 'commandstats')
           =~ /cmdstat_evalsha:calls=(\d+)/ ? $1 : 0;
}

sub time_passes {
    my ($who) = @_;
    my $before = scripts();
    ok($who->reload, 'the next writer looks at once');
    ok(wait_for(30, sub { scripts() >= $before + 20 }), 'time passes');
}


# Redis is two years ahead for some time

my @tokens = map { token() } 1 .. 300;
is($edge->register_lines([ map { { token => $_, partner => 'ypa-1',
       store => 'acme', expires_at => time + 300 * $day } } @tokens ])
       ->{status}, 200, 'registered');
is($edge->revoke({ token => $tokens[0], reason => 'stolen' })->{status}, 200,
   'one is revoked');

$clock->set(2 * 365 * $day);
time_passes($edge);
is($edge->call($tokens[0]), 401, 'ahead: refused');
$clock->set(1);
time_passes($edge);

is($edge->call($tokens[0]), 401, 'right again: refused');
is(scalar @{ tokens() }, 300, 'all are on record');
is(json($edge->admin('revocations/' . token_id($tokens[0]))->{body})
       ->{reason}, 'stolen', 'and why it was revoked');
my $answer = $edge->revoke({ partner => 'ypa-1', expect => 300 });
is($answer->{status}, 200, 'all tokens of the partner can be revoked');
is($edge->call($tokens[1]), 401, 'and are refused');


# three days pass for all

my $one = edge(redis => $redis, node => 'one', env => $clock->env);
$one->wait_ready;
$edge->stop;
$edge = $one;

my ($late, $never) = (token(), token());
my %record = (partner => 'ypa-2', store => 'acme');
is($one->register([ map { { token => $_, %record, expires_at => time + 3600 } }
                    $late, $never ])->{status}, 200,
   'two, with an expiry that is too early');
is($one->revoke({ token => $late })->{status}, 200, 'one is revoked');

my $there = $redis->command('ZCARD', '{partners}:revoked');
$clock->set(3 * $day);
time_passes($one);
ok(wait_for(30, sub {
    $redis->command('ZCARD', '{partners}:revoked') == $there - 1
}), 'forgotten with its day');

is($one->register([ map { { token => $_, %record, expires_at => time + 3600 } }
                    $late, $never ])->{status}, 200, 'again, as it was');
is($redis->command('ZCARD', '{partners}:revoked'), $there - 1,
   'what is over stays so');

is($one->register([ map { { token => $_, %record,
                            expires_at => time + 300 * $day } }
                    $late, $never ])->{status}, 200, 'the expiry is put right');
my $two = edge(redis => $redis, node => 'two', env => $clock->env);
$two->wait_ready;
for my $who ($one, $two) {
    ok(wait_for(10, sub { $who->call($late) == 401 }),
       "$who->{node}: refused again");
    is($who->call($never), 200, "$who->{node}: the other one passes");
    ok(wait_for(20, sub { $who->state->{agrees} }), "$who->{node}: agrees");
}
is(join(' ', map { $_->{id} } @{ json($one->admin('revocations?partner=ypa-2')
                                          ->{body})->{items} }),
   token_id($late), 'and is in the lists');

finish();
