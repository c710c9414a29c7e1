#!/usr/bin/perl

# Sentinels say which Redis is the master: real ones, that fail over, are dead,
# frozen, stale or wrong.  What was acknowledged is refused by all edges in the
# end, also where the new master never had it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Time::HiRes ();
use TRV;

my @redis = map { redis(tcp => 1, args => [ '--repl-diskless-sync-delay', 0 ]) }
            1 .. 2;
my ($first, $second) = @redis;

$second->command('REPLICAOF', '127.0.0.1', $first->{port});
ok(wait_for(20, sub {
    $second->command('INFO', 'replication') =~ /master_link_status:up/
}), 'a replica');

my @sentinels = map { sentinel(master => $first) } 1 .. 3;

sub know_each_other {
    for my $sentinel (@sentinels) {
        my %fields = @{ $sentinel->command('SENTINEL', 'MASTER', 'mymaster') };
        return 0 if $fields{'num-other-sentinels'} != 2
                    || $fields{'num-slaves'} < 1;
    }
    return 1;
}

ok(wait_for(30, \&know_each_other), 'three sentinels know all about it');

my $list = join ' ', map { "127.0.0.1:$_->{port}" } @sentinels;
my @edges = fleet(2, undef, redis_line => 'redis://',
                  set => "sentinel mymaster $list; timeout 1s;");
my ($one, $two) = @edges;

my @acknowledged;

sub revokes {
    my ($edge) = @_;
    my $token = token();
    my $answer = $edge->revoke({ token => $token });
    push @acknowledged, $token if $answer->{status} == 200;
    return $answer->{status} == 200;
}

sub has {
    my ($redis, @ids) = @_;
    return !grep { !defined $redis->command('ZSCORE', '{partners}:revoked', $_) }
            @ids;
}

# both edges are at this Redis, it has all of it, and so have they
sub settled {
    my ($redis, $name) = @_;

    ok(wait_for(20, sub { revokes($one) && revokes($two) }),
       "$name: both edges revoke") or diag($one->last_lines);
    ok(wait_for(20, sub { has($redis, map { token_id($_) } @acknowledged) }),
       "$name: the master has all that was acknowledged");
    ok(wait_for(20, sub {
        my $card = $redis->command('ZCARD', '{partners}:revoked');
        !grep { !$_->{agrees} || $_->{entries} != $card }
         map { $_->state } @edges;
    }), "$name: all have the same") or diag($one->last_lines);

    for my $edge (@edges) {
        is(scalar(grep { $edge->call($_) != 401 } @acknowledged), 0,
           "$name: $edge->{node} refuses all of it");
        is($edge->call(token()), 200, "$name: and nothing else");
    }
}

sub master_is {
    my ($redis, @who) = @_;
    @who = @sentinels unless @who;
    return wait_for(30, sub {
        !grep { $_->master_port != $redis->{port} } @who;
    });
}

settled($first, 'in the first place');
ok($one->logged(qr/\[notice\].*sentinel at .* names 127\.0\.0\.1:$first->{port}/),
   'who named it is said');


# the master dies while revocations come in; the replica lacks the last ones

my $load = do {
    my ($out) = dir() . '/load.out';
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        open my $fh, '>', $out or POSIX::_exit(1);
        $fh->autoflush(1);
        for my $i (1 .. 100000) {
            # ids only: no file may hold a token
            my $id = token_id("load $i of $$");
            my $answer = $edges[$i % 2]->revoke({ ids => [ $id ] });
            print $fh "$id $answer->{status}\n";
            Time::HiRes::sleep(0.01);
        }
        POSIX::_exit(0);
    }
    bless { pid => $pid, out => $out }, 'TRV::Process';
};
push @TRV::started, $load;

ok(wait_for(10, sub { slurp($load->{out}) =~ /(?:200\n.*){20}/s }), 'load');

# a replica that is not let in again after its link was lost
$second->command('CONFIG', 'SET', 'masterauth', 'wrong');
$first->command('CLIENT', 'KILL', 'TYPE', 'replica');
ok(revokes($one), 'acknowledged');
my $id = token_id($acknowledged[-1]);
$first->kill_hard;
is($second->command('ZSCORE', '{partners}:revoked', $id), undef,
   'killed: the replica lacks what was acknowledged last');
$second->command('CONFIG', 'SET', 'masterauth', '');

ok(wait_for(30, sub { (eval { $second->command('ROLE')->[0] } // '') eq 'master' }),
   'the replica is made the master');
my $promoted = Time::HiRes::time();

for my $edge (@edges) {
    ok(wait_for(20, sub { revokes($edge) }), "$edge->{node} follows");
}
cmp_ok(Time::HiRes::time() - $promoted, '<', 10, 'within seconds');

$load->stop;
my %outcome;
for (split /\n/, slurp($load->{out})) {
    my ($id, $status) = split;
    push @{ $outcome{$status} }, $id;
}
cmp_ok(scalar @{ $outcome{200} }, '>', 20, 'acknowledged under load');
is(join(' ', grep { !/^(200|202|503|504)$/ } sort keys %outcome), '',
   'and no other outcomes than there are');

settled($second, 'killed');
ok(has($second, @{ $outcome{200} }),
   'what was acknowledged under load is there');

# it comes back empty, and is made a replica

$first->start;
ok(wait_for(30, sub { (eval { $first->command('ROLE')->[0] } // '') eq 'slave' }),
   'the old master is a replica');
settled($second, 'came back');


# a fail-over that somebody asked for: the old master is well

ok(wait_for(30, sub {
    $first->command('INFO', 'replication') =~ /master_link_status:up/
}), 'the first has all again');

# a sentinel that is held up gives up and does not try again by itself
ok(wait_for(30, sub {
    return 1 if $sentinels[0]->master_port == $first->{port};
    eval { $sentinels[0]->command('SENTINEL', 'FAILOVER', 'mymaster') };
    return 0;
}), 'a fail-over by hand');
ok(master_is($first), 'to the first');
settled($first, 'by hand');

# a master that is cut off: it does not know yet that there is another

ok(wait_for(30, sub {
    $second->command('INFO', 'replication') =~ /master_link_status:up/
}), 'the second is its replica');
$first->freeze;
ok(master_is($second), 'frozen: the sentinels have another');
settled($second, 'frozen');
$first->thaw;
settled($second, 'thawed');
ok(wait_for(30, sub { (eval { $first->command('ROLE')->[0] } // '') eq 'slave' }),
   'thawed: a replica');


# sentinels that are dead or frozen

$sentinels[0]->kill_hard;
$sentinels[1]->freeze;
$two->stop;
my $begin = Time::HiRes::time();
$two->start;
$two->wait_ready;
ok(wait_for(20, sub { revokes($two) }), 'one sentinel of three is enough');
cmp_ok(Time::HiRes::time() - $begin, '<', 15, 'and soon');

spew($one->{log}, '');
$sentinels[2]->kill_hard;
ok(wait_for(10, sub { $one->logged(qr/\[error\].*no sentinel names a master/) }),
   'no sentinel: said');
ok(wait_for(10, sub { revokes($one) }), 'no sentinel: the links stand');
Time::HiRes::sleep(3);
is(scalar $one->repeated(qr/no sentinel names/), 0, 'no sentinel: said once');
$sentinels[1]->thaw;
$_->start for @sentinels[0, 2];
settled($second, 'sentinels are back');


# sentinels that are wrong: the edge is shown a lie by a proxy

my $liar = proxy('127.0.0.1:' . $sentinels[0]{port}, listen => '127.0.0.1:0');

sub lie {
    my ($port, $epoch) = @_;
    $liar->fault(answer => [
        [ '^SENTINEL MASTER', "*2\r\n\$12\r\nconfig-epoch\r\n\$"
                              . length($epoch) . "\r\n$epoch\r\n" ],
        [ '^SENTINEL get-', "*2\r\n\$9\r\n127.0.0.1\r\n\$" . length($port)
                            . "\r\n$port\r\n" ]
    ]);
}

my $set = 'sentinel mymaster ' . $liar->at . ' '
          . join(' ', map { "127.0.0.1:$_->{port}" } @sentinels[1, 2])
          . '; timeout 1s;';

my $stranger = redis(tcp => 1);

lie($stranger->{port}, 0);
my $three = edge(redis_line => 'redis://', node => 'edge-3', set => $set);
$three->wait_ready;
is($stranger->command('EXISTS', '{partners}:meta'), 0,
   'stale: a lower epoch is not followed');

for my $case ([ 'a replica', $first->{port}, qr/it says that it is not/ ],
              [ 'nothing', free_port(), qr/Connection refused/ ],
              [ 'no port', 99999 ], [ 'a sentinel', $sentinels[1]{port} ])
{
    my ($name, $port, $why) = @$case;
    spew($three->{log}, '');
    lie($port, 1000000);
    ok(wait_for(20, sub { $three->logged($why) }), "$name: said")
        or diag($three->last_lines) if $why;
    ok(wait_for(20, sub { revokes($three) }), "$name: the others are believed")
        or diag($three->last_lines);
    $three->wait_ready;
}

my @junk = map { [ '^SENTINEL', $_, 2 ] }
    "-IDONTKNOW x\r\n", "\$-1\r\n", "*0\r\n",
    "*2\r\n\$3\r\na\nb\r\n\$1\r\n1\r\n",
    "*3\r\n\$12\r\nconfig-epoch\r\n:1\r\n*1\r\n*1\r\n\$1\r\nx\r\n";
my $faulty = $liar->fault(answer => \@junk)->{faulty};
ok(wait_for(15, sub { $liar->counts->{faulty} >= $faulty + 10 }), 'junk');
ok(revokes($three), 'junk: the others are believed');
push @edges, $three;
$liar->clear;
settled($second, 'in the end');

is(scalar $_->logged(qr/two links of one follower/), 0,
   "$_->{node}: its links were never at two servers") for @edges;

finish();
