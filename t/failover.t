#!/usr/bin/perl

# Redis fails over to a replica whose clock is an hour behind and that has not
# got the last writes.  Nothing that was revoked passes again, and no edge is
# said to have confirmed what it has not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my ($master, $replica, @edges, $address);

# edges find the master where the link points to
sub lead_to {
    my ($redis) = @_;
    symlink $redis->{socket}, "$address.new" or die "symlink: $!\n";
    rename "$address.new", $address or die "rename: $!\n";
}

sub set_up {
    my ($name) = @_;
    $_->stop for @edges;
    $address = TRV::dir() . "/master-$name";
    $master = redis();
    $replica = redis(ahead => -3600);
    $replica->follow($master);
    lead_to($master);
    @edges = map { edge(redis_line => "unix:$address", node => "edge-$_") }
                 1 .. 3;
    $_->wait_ready for @edges;
    ok(wait_for(10, sub { $_->state->{agrees} }), "$_->{node} agrees")
        for @edges;
}

sub fail_over {
    $master->kill_hard;
    lead_to($replica);
}

sub refused_by {
    my ($token, $name, @all) = @_;
    is(scalar(grep { $_->call($token) == 401 } @all), scalar @all, $name);
}


# a write is lost; the edges' positions are ahead of the new log

set_up('a');
my ($old, $lost, $new) = map { token() } 1 .. 3;

is($edges[0]->revoke({ token => $old }, Prefer => 'wait=10')->{status}, 200,
   'revoked');
ok(wait_for(5, sub {
    $replica->command('ZSCORE', '{partners}:revoked', token_id($old))
}), 'replicated');

$replica->promote;
my $answer = $edges[0]->revoke({ token => $lost }, Prefer => 'wait=10');
is($answer->{status}, 200, 'revoked at the old master alone');
my $before = json($answer->{body});
is($before->{edges}{confirmed}, 3, 'all have confirmed');

# the third gets no further than its first report to the new master, which is
# still about the old one

$edges[2]->freeze;
my %reports = @{ $master->command('HGETALL', '{partners}:edges') };
my ($third) = grep { /^edge-3:/ } keys %reports;
fail_over();
$replica->command('HSET', '{partners}:edges', $third, $reports{$third});

$answer = undef;
ok(wait_for(10, sub {
    $answer = $edges[0]->revoke({ token => $new }, Prefer => 'wait=10');
    $answer->{status} == 200;
}), 'revoked at the new master');

my $body = json($answer->{body});
my ($was, $is) = map { (split /-/, $_->{position})[0] } $before, $body;
cmp_ok($is, '<', $was, 'its position is below that of the old one');
is($body->{edges}{confirmed}, 2, 'the stopped edge has not confirmed');
refused_by($new, 'those that have refuse it', @edges[0, 1]);

# its last report bears the time of the other clock

ok(wait_for(15, sub {
    my $edges = json($edges[0]->admin('edges')->{body})->{items};
    grep { $_->{node} eq 'edge-3' && $_->{lost} } @$edges;
}), 'the stopped edge is lost, whatever the clocks say');

$edges[2]->thaw;
ok(wait_for(15, sub { $edges[2]->state->{agrees} }), 'the third is back');
$answer = $edges[1]->revoke({ token => $new }, Prefer => 'wait=20');
is_deeply(json($answer->{body})->{edges},
          { live => 3, confirmed => 3, lost => 0 }, 'all have confirmed');

refused_by($_->[0], "$_->[1]: refused by all", @edges)
    for [ $old, 'replicated' ], [ $lost, 'lost by Redis' ], [ $new, 'new' ];
ok(wait_for(10, sub {
    $replica->command('ZSCORE', '{partners}:revoked', token_id($lost))
}), 'the edges have given Redis what it had lost');


# it fails over while somebody waits for proof: the revocation is repeated

set_up('b');
my $waits = token();
$replica->promote;
$edges[2]->freeze;

pipe my $reader, my $writer or die "pipe: $!\n";
my $pid = fork;
die "fork: $!\n" unless defined $pid;

if ($pid == 0) {
    close $reader;
    my $reply = $edges[0]->revoke({ token => $waits }, Prefer => 'wait=25');
    print $writer "$reply->{status} $reply->{body}";
    close $writer;
    POSIX::_exit(0);
}

close $writer;
ok(wait_for(5, sub { $edges[0]->call($waits) == 401 }), 'revoked, and waits');
%reports = @{ $master->command('HGETALL', '{partners}:edges') };
($third) = grep { /^edge-3:/ } keys %reports;
fail_over();
my ($history) = $replica->command('INFO', 'replication')
                =~ /master_replid:(\w+)/;
ok(wait_for(10, sub {
    # it is not lost meanwhile, or nobody would wait for it
    $replica->command('HSET', '{partners}:edges', $third, $reports{$third});
    my %now = @{ $replica->command('HGETALL', '{partners}:edges') };
    2 == grep { json($_)->{replication_id} eq $history } values %now;
}), 'the edges have found the new master');
$edges[2]->thaw;

my $text = do { local $/; <$reader> };
waitpid $pid, 0;
my ($status, $json) = split / /, $text, 2;
is($status, 200, 'answered');
$body = json($json);
is_deeply($body->{edges}, { live => 3, confirmed => 3, lost => 0 },
          'all have confirmed, to the new master')
    or diag($text);
ok(!$body->{revoked}[0]{already}, 'it was this call that revoked it');
refused_by($waits, 'and refuse it', @edges);
ok($replica->command('ZSCORE', '{partners}:revoked', token_id($waits)),
   'the new master has it');

finish();
