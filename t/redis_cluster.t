#!/usr/bin/perl

# A Redis Cluster: a set is in one slot, links go to the node that has it, also
# when that is another node from now on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my @nodes = map {
    redis(tcp => 1, args => [ '--cluster-enabled', 'yes',
                              '--cluster-port', free_port(),
                              '--cluster-node-timeout', 2000,
                              '--cluster-require-full-coverage', 'no' ])
} 1 .. 3;

my @slots = ([ 0, 5460 ], [ 5461, 10922 ], [ 10923, 16383 ]);
for my $i (0 .. 2) {
    $nodes[$i]->command('CLUSTER', 'ADDSLOTSRANGE', @{ $slots[$i] });
    $nodes[$i]{id} = $nodes[$i]->command('CLUSTER', 'MYID');
    $nodes[0]->command('CLUSTER', 'MEET', '127.0.0.1', $nodes[$i]{port},
                       $nodes[$i]{args}[3]) if $i;
}
ok(wait_for(20, sub {
    !grep { my $info = $_->command('CLUSTER', 'INFO');
            $info !~ /cluster_state:ok/ || $info !~ /cluster_known_nodes:3/ }
      @nodes;
}), 'a cluster');

my $slot = $nodes[0]->command('CLUSTER', 'KEYSLOT', '{partners}:meta');
my ($home) = grep { $slots[$_][0] <= $slot && $slot <= $slots[$_][1] } 0 .. 2;
my $owner = $nodes[$home];
my ($seed, $other) = @nodes[($home + 1) % 3, ($home + 2) % 3];

is(scalar(keys %{ { map { $_ => 1 }
    map { $seed->command('CLUSTER', 'KEYSLOT', "{partners}:$_") }
    qw(meta revoked days log when edges revocation:x token:x store:x) } }), 1,
   'all keys are in one slot');

my @edges = map {
    edge(redis_line => "redis://127.0.0.1:$_->[1]{port}", node => "edge-$_->[0]",
         set => 'timeout 3s;')
} [ 1, $seed ], [ 2, $owner ];
$_->wait_ready for @edges;
my ($one, $two) = @edges;

my @revoked;
sub revokes {
    my ($edge) = @_;
    my $token = token();
    my $answer = $edge->revoke({ token => $token });
    push @revoked, $token if $answer->{status} == 200;
    return $answer;
}

sub settled {
    my ($node, $name) = @_;
    for my $edge (@edges) {
        ok(wait_for(20, sub { revokes($edge)->{status} == 200 }),
           "$name: $edge->{node} revokes") or diag($edge->last_lines);
    }
    ok(wait_for(20, sub {
        my $card = eval { $node->command('ZCARD', '{partners}:revoked') } || 0;
        $card >= @revoked && !grep { !$_->{agrees} || $_->{entries} != $card }
                              map { $_->state } @edges;
    }), "$name: all agree") or diag($one->last_lines);
    is(scalar(grep { $one->call($_) != 401 || $two->call($_) != 401 } @revoked),
       0, "$name: all is refused");
    is($one->call(token()), 200, "$name: and nothing else");
}

settled($owner, 'asked another node');
is(join("\n", grep { !/no answer in time/ }
               map { $_->logged(qr/\[error\]/) } @edges), '',
   'without a word of trouble');


# the slot is moved while it is in use

sub move_slot {
    my ($from, $to, $between) = @_;
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});
    $between->('begun');
    while (my @keys = @{ $from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 7) }) {
        $from->command('MIGRATE', '127.0.0.1', $to->{port}, '', 0, 5000,
                       'KEYS', @keys);
        $between->('some keys');
    }
    $between->('all keys');
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id}) for $to, $from;
}

my %seen;
move_slot($owner, $other, sub {
    for my $edge (@edges) {
        my $status = revokes($edge)->{status};
        $seen{$status}++;
        is($edge->call($revoked[0]), 401, 'refused meanwhile') if $_[0] ne 'some keys';
    }
});
is(join(' ', grep { !/^(200|202|503)$/ } keys %seen), '',
   'while it is moved: done, or not done, and known');

# the same links: the command itself goes there
for my $edge (@edges) {
    my $answer = revokes($edge);
    is($answer->{status}, 200, "$edge->{node}: not lost over it")
        or diag($answer->{raw}, $edge->last_lines);
}
settled($other, 'moved');
ok((grep { $_->logged(qr/\[notice\].*our slot of the cluster is at 127/) }
    @edges), 'where it is, is said');


# the node dies, another gets the slot, empty

$other->kill_hard;
like(revokes($one)->{status}, qr/^50[34]$/, 'dead: refused');
for (1, 2) {
    eval { $_->command('CLUSTER', 'BUMPEPOCH') } for $owner;
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $owner->{id})
        for $owner, $seed;
}
settled($owner, 'dead');


# a node that sends us round and round

my $proxy = proxy("127.0.0.1:$owner->{port}", listen => '127.0.0.1:0');
my $round = edge(redis_line => $proxy->address, node => 'edge-3',
                 set => 'timeout 3s;');
$round->wait_ready;
$proxy->fault(answer => [ [ '^(EXISTS|EVALSHA|XREAD)',
                            "-MOVED $slot " . $proxy->at . "\r\n" ] ]);
my $links = $proxy->cut->{links};
ok(wait_for(10, sub { $round->logged(qr/\[error\].*EXISTS was refused: MOVED/) }),
   'round and round: said') or diag($round->last_lines);
is($round->revoke({ token => token() })->{status}, 503,
   'round and round: refused');
Time::HiRes::sleep(2);
cmp_ok($proxy->counts->{links} - $links, '<', 200, 'round and round: not fast');
is(scalar $round->repeated(qr/EXISTS was refused/), 0, 'round and round: once');

for my $junk ('MOVED', 'MOVED 1', 'MOVED 1 x', 'MOVED 1 :', 'MOVED 1 ?:1',
              "MOVED 1 a b:1", 'MOVED 1 127.0.0.1:0', 'MOVED x 127.0.0.1:99999',
              'MOVED 1 ' . 'h' x 300 . ':1', 'MOVED 1 [::1:1')
{
    $proxy->fault(answer => [ [ '^EXISTS', "-$junk\r\n" ] ]);
    my $faulty = $proxy->cut->{faulty};
    ok(wait_for(5, sub { $proxy->counts->{faulty} > $faulty }), "junk: $junk");
}

# an empty host is the same one
$proxy->fault(answer => [ [ '^EXISTS', "-MOVED $slot :$owner->{port}\r\n" ] ]);
$proxy->cut;
ok(wait_for(10, sub { $round->revoke({ token => token() })->{status} == 200 }),
   'no host: the same') or diag($round->last_lines);

finish();
