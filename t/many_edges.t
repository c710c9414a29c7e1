#!/usr/bin/perl

# Fifty edges that lose their Redis at the same moment: they do not come back in
# step, and not more often than they must; when it is there again all of them
# agree with it, and all of them learn what is revoked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes ();
use TRV;

use constant EDGES => 50;
use constant LINKS => 2;                # of each: log and heartbeat
use constant WAIT_SEC => 1.333;         # the shortest, in the end

my $redis = redis();

# each set has a follower, a replica and a name of its own: what makes an edge
my $edge = edge(redis => $redis, later => 1, node => 'edge-1');
$edge->configure(http => join '', map { <<"CONF" } 2 .. EDGES);
    token_revoke_set set-$_ {
        redis    @{[ $redis->address ]};
        replica  $edge->{dir}/replica-$_;
        prefix   partners;
        node     edge-$_;
    }
CONF
push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;

sub reports {
    my %all = @{ $redis->command('HGETALL', '{partners}:edges') };
    return map { json($_) } values %all;
}

sub all_agree {
    my ($name) = @_;
    my $since = $redis->command('TIME')->[0] + 1;
    ok(wait_for(20, sub {
        EDGES == grep { $_->{agrees} && $_->{time} / 1000 > $since } reports();
    }), "$name: all agree");
}

# revokes; all of them are to say that they refuse it
sub revokes {
    my ($name) = @_;
    my $token = token();
    my $answer = $edge->revoke({ token => $token }, Prefer => 'wait=10');
    is($answer->{status}, 200, "$name: revoked");
    is_deeply(json($answer->{body})->{edges},
              { live => EDGES, confirmed => EDGES, lost => 0 },
              "$name: all have confirmed it");
    return $token;
}

all_agree('at first');
my @bad = revokes('at first');


# nobody but us answers, and closes at once: when does who come?

$redis->command('SAVE');
$redis->kill_hard;
unlink $redis->{socket};
my $instead = IO::Socket::UNIX->new(Local => $redis->{socket}, Listen => 500)
    or die "listen: $!\n";
chmod 0777, $redis->{socket};

my $begun = Time::HiRes::time();
my (@came, %held_up);
my $last = 0;
while ((my $now = Time::HiRes::time() - $begun) < 8) {
    $held_up{ int $now / 0.1 } = 1 if $now - $last > 0.3;
    $last = $now;
    next unless IO::Select->new($instead)->can_read(0.1);
    push @came, Time::HiRes::time() - $begun;
    close $instead->accept;
}

close $instead;
unlink $redis->{socket};

my @late = grep { $_ > 4 && $_ < 8 } @came;
cmp_ok(scalar @came, '>', 2 * EDGES, 'they try');
cmp_ok(scalar @late, '<=', EDGES * LINKS * (1 + 4 / WAIT_SEC),
       'less and less often');

my %at;
$at{ int $_ / 0.1 }++ for @late;
delete @at{keys %held_up};              # it was we who did not come
my ($most) = sort { $b <=> $a } values %at;
note(scalar @came, ' came, ', scalar @late, " late, $most of them in 0.1 s");
cmp_ok($most, '<', 0.25 * @late, 'and not in step');


# it is back

$redis->start;
all_agree('back');
push @bad, revokes('back');
is($edge->call($_), 401, 'refused') for @bad;
is($edge->call(token()), 200, 'a good one passes');

finish();
