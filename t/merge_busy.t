#!/usr/bin/perl

# Digests of a large day are put right while revocations of that day go on; and
# where Redis is far away, so that it takes long, nobody seems to be away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

my $fleet = TRV::Fleet->new(2, set => 'timeout 5s;',
                            http => 'keepalive_requests 1000000;');
my @edges = $fleet->edges;
my $redis = $fleet->redis;
my $expiry = time + 100 * 86400;

my $made = 0;
sub ids { my ($n) = @_; [ map { token_id('busy ' . ++$made) } 1 .. $n ] }

for (1 .. 20) {
    my $answer = $edges[0]->revoke({ ids => ids(1000), expires_at => $expiry });
    is($answer->{status}, 200, 'a thousand of one day') or diag($answer->{raw});
}

# one after the other, until told to stop; what comes of it is its exit
sub start_load {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    my ($stop, $wrong);
    local $SIG{USR1} = sub { $stop = 1 };
    my $link = TRV::Http::open_link($edges[1]{socket});
    $made += 1_000_000;
    until ($stop) {
        my $answer = TRV::Http::ask($link, TRV::Http::revocation({
            ids => ids(1), expires_at => $expiry }));
        $wrong++ if !$stop && $answer->{status} != 200;
        Time::HiRes::sleep(0.005);
    }
    POSIX::_exit($wrong ? 1 : 0);
}

my $load = start_load();

for my $what ('days', 'revoked') {
    my $before = $redis->command('ZCARD', '{partners}:revoked');
    $redis->command('DEL', "{partners}:$what");
    my $since = $fleet->now;

    ok(wait_for(30, sub {
        !grep({ !$fleet->agrees($_, $since) } @edges)
        && $redis->command('ZCARD', '{partners}:revoked') > $before;
    }), "$what is gone: all edges agree, and the load goes on")
        or diag(map { JSON::PP::encode_json($_->state) . "\n" } @edges);
    is($fleet->digests_wrong, '', "$what is gone: the digests are right");
}

kill 'USR1', $load;
waitpid $load, 0;
is($?, 0, 'the load was answered');

my $since = $fleet->now;
ok($fleet->settled($since), 'all agree in the end');

my ($edge, $proxy) = ($fleet->edge(0), $fleet->proxy(0));
my $good = token();
ok($edges[1]->stop, 'the other edge is stopped');
$proxy->fault(delay_ms => 200);
my ($day) = grep { $_ ne 'total' } @{ $redis->command('HKEYS',
                                                      '{partners}:days') };
$redis->command('HSET', '{partners}:days', $day, '1:' . '0' x 32,
                'total', '1:' . '0' x 32);

sub pages { $proxy->counts->{scripts}{page} || 0 }
my $pages = pages();
my $merged = () = $edge->logged(qr/merged with Redis/);

# longer than a writer may be silent
ok(wait_for(20, sub { pages() >= $pages + 12 }), 'a merge that takes long');
ok($edge->reload, 'a reload meanwhile');
my %got;
ok(wait_for(30, sub {
    $got{ $edge->call($good) }++;
    return $edge->logged(qr/merged with Redis/) > $merged;
}), 'merged in the end');
is(join(' ', keys %got), 200, 'it can judge all the time');
is(scalar $edge->logged(qr/no progress/), 0, 'its writer is said to be well');

finish();
