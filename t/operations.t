#!/usr/bin/perl

# What the operations guide says of another Redis and of a new password, step by
# step: nothing revoked is let in, nothing else refused, and who revokes
# meanwhile is answered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $old = redis(tcp => 1);
my $new = redis(tcp => 1);
my $newest = redis(tcp => 1);
my $dir = dir();
my @edges = fleet(2, undef, redis_line => "redis://127.0.0.1:$old->{port}");

my $good = token();
my @bad;

sub revoked_on {
    my ($edge, $name) = @_;
    push @bad, token();
    is($edge->revoke({ token => $bad[-1] })->{status}, 200, "$name: revoked");
    is($edge->call($bad[-1]), 401, "$name: refused there");
}

sub all_refuse {
    my ($name) = @_;
    for my $edge (@edges) {
        ok(wait_for(20, sub { !grep { $edge->call($_) != 401 } @bad }),
           "$name: $edge->{node} refuses all " . @bad);
        is($edge->call($good), 200, "$name: and nothing else");
    }
}

# waits until the links of the new configuration work
sub with_line {
    my ($edge, $line) = @_;
    my @known = grep { $edge->call($_) == 401 } @bad;
    $edge->configure(redis_line => $line);
    ok($edge->reload, "$edge->{node}: reload");
    is(scalar(grep { $edge->call($_) != 401 } @known), 0,
       "$edge->{node}: refused all along");
    my $reloaded = Time::HiRes::time();
    ok(wait_for(20, sub { $edge->agrees_since($reloaded) }),
       "$edge->{node}: agrees");
}

revoked_on($_, 'in the first place') for @edges;
all_refuse('in the first place');


# another Redis: empty, one edge after the other

my $line = "redis://127.0.0.1:$new->{port}";

with_line($edges[0], $line);
revoked_on($_, 'half-way') for @edges;
with_line($edges[1], $line);
all_refuse('moved');
ok(wait_for(20, sub { $new->command('ZCARD', '{partners}:revoked') == @bad }),
   'the new Redis has all of them');
$old->stop;
revoked_on($_, 'without the old one') for @edges;
all_refuse('without the old one');


# another one, that was a replica of it: with token records

my $record = token_id(token());
is($edges[0]->register({ id => $record, partner => 'ypa-1', store => 'acme',
                         expires_at => time + 86400 })->{status}, 200,
   'on record');
$newest->follow($new);
revoked_on($edges[0], 'with a replica');
ok(wait_for(20, sub { $newest->command('ZCARD', '{partners}:revoked') == @bad }),
   'the replica has it');
$newest->promote;
with_line($_, "redis://127.0.0.1:$newest->{port}") for @edges;
$new->stop;
all_refuse('on what was a replica');
is($edges[1]->admin("tokens/$record")->{status}, 200, 'and has the record');
$new = $newest;


# the password of Redis: an account, then another password for it

my $file = spew("$dir/redis.pw", "first\n");
$new->command('ACL', 'SETUSER', 'edge', 'on', '>first', '~*', '+@all');
$line = "redis://edge\@127.0.0.1:$new->{port} password_file=$file";
with_line($_, $line) for @edges;

$new->command('ACL', 'SETUSER', 'edge', '>second');
spew($file, "second\n");
revoked_on($edges[0], 'before the reload');
with_line($_, $line) for @edges;
$new->command('ACL', 'SETUSER', 'edge', '<first');
$new->command('CLIENT', 'KILL', 'USER', 'edge');

for my $edge (@edges) {
    ok(wait_for(20, sub {
        $edge->revoke({ token => $bad[0] })->{status} == 200;
    }), "$edge->{node}: connects with the new one");
}
revoked_on($_, 'with the new one') for @edges;
all_refuse('with the new one');
is(scalar(grep { $_->logged(qr/WRONGPASS/) } @edges), 0, 'no password is refused');

finish();
