#!/usr/bin/perl

# The account for edges in README.md: enough for all that an edge does, and for
# nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $top = "$FindBin::Bin/..";
my ($rules) = slurp("$top/README.md")
              =~ /^\$ redis-cli ACL SETUSER edge (reset on .*)$/m;
my @rules = map { s/^'|'$//gr } split ' ', $rules;


# the list is what scripts and links send, no more and no less

my %may = map { /^\+(.+)/ ? ($1 => 1) : () } @rules;
my %does = map { $_ => 1 } qw(evalsha eval select);

for (glob "$top/src/lua/*.lua") {
    my $text = slurp($_);
    while ($text =~ /redis\.p?call\(\s*('(\w+)'(?:,\s*'(\w+)')?)?/g) {
        ok(0, "$_: which command is it?") unless $1;
        $does{ lc($2) . ($2 eq 'XINFO' ? '|' . lc $3 : '') } = 1;
    }
}

for (glob "$top/src/*/*.c") {
    my $text = slurp($_);
    $does{ lc $1 } = 1
        while $text =~ /(?:argv\[0\] = |words\[0\], |words_add_text\(\S+ )"([A-Z]+)"/g;
}
# words of XREAD, what needs no right, what is for sentinels
delete @does{qw(count block streams auth sentinel)};
is_deeply(\%may, \%does, 'the rights of README.md are what is used');


# with exactly these rights

my $redis = redis(tcp => 1);
$redis->command('ACL', 'SETUSER', 'edge', @rules);
spew(dir() . '/redis.pw', "PASSWORD\n");

my $line = "redis://edge\@127.0.0.1:$redis->{port} password_file=" . dir()
           . '/redis.pw';
my ($one, $two) = fleet(2, undef, redis_line => $line,
                        set => 'wait_replicas 0;', workers => 1);

my @records = map { { id => token_id(token()), partner => 'p', store => "s$_",
                      expires_at => time + 864000 } } 1 .. 4;
is($one->register($_)->{status}, 200, 'registers') for @records;
is($one->revoke({ ids => [ $records[0]{id} ], reason => 'x' },
                Prefer => 'wait=5')->{status}, 200, 'revokes an id');
is($one->revoke({ token => token() })->{status}, 200, 'revokes a token');
is($one->revoke({ store => 's2' })->{status}, 200, 'revokes a scope');
is($one->revoke({ partner => 'p' })->{status}, 200, 'revokes a partner');
is($two->admin($_)->{status}, 200, "reads $_")
    for 'revocations', 'revocations?partner=p', "revocations/$records[0]{id}",
        'tokens', 'tokens?state=revoked&q=s', "tokens/$records[1]{id}",
        'edges', 'history', 'log', 'metrics';

# a merge both ways, a repair, forgetting

sub agree {
    my ($name) = @_;
    ok(wait_for(20, sub {
        my $card = $redis->command('ZCARD', '{partners}:revoked');
        $card >= 5 && !grep { !$_->{agrees} || $_->{entries} != $card }
                       map { $_->state } $one, $two;
    }), "$name: both agree") or diag($one->last_lines);
}

agree('revoked');
$redis->command('FLUSHALL');
agree('emptied');
$redis->command('DEL', '{partners}:days');
agree('digests lost');
$redis->command('HINCRBY', '{partners}:meta', 'first_day', -3);
ok(wait_for(20, sub {
    $redis->command('HGET', '{partners}:meta', 'first_day')
        >= int(time / 86400) - 1;
}), 'forgets');
agree('forgotten');

my $three = edge(redis_line => $line =~ s/ /\/3 /r, node => 'edge-3',
                 set => 'timeout 2s; wait_replicas 1;');
$three->wait_ready;
is($three->revoke({ token => token() })->{status}, 202, 'waits for replicas');
ok($_->stop, 'signs off') for $two, $three;
is(scalar @{ $redis->command('HKEYS', '{partners}:edges') }, 1, 'signed off');

is(scalar @{ $redis->command('ACL', 'LOG') }, 0, 'nothing was refused')
    or diag(explain($redis->command('ACL', 'LOG')));


# and nothing else

sub as_edge {
    my (@words) = @_;
    my @command = ('redis-cli', '-p', $redis->{port}, '--user', 'edge',
                   '--pass', 'PASSWORD', '--no-auth-warning', @words);
    open my $fh, '-|', @command or die "$!\n";
    local $/;
    return scalar <$fh>;
}

$redis->command('SET', 'other', 1);
$redis->command('SET', '{partnersx}:meta', 1);
like(as_edge(split ' '), qr/NOPERM|command not allowed/, "may not $_")
    for 'FLUSHALL', 'FLUSHDB', 'DEL {partners}:revoked', 'KEYS *', 'SCAN 0',
        'CONFIG GET *', 'SHUTDOWN NOSAVE', 'SCRIPT FLUSH', 'ACL LIST',
        'CLIENT LIST', 'REPLICAOF NO ONE', 'DEBUG SLEEP 0', 'SUBSCRIBE x',
        'PUBLISH x y', 'MONITOR', 'SAVE', 'BGREWRITEAOF', 'SWAPDB 0 1',
        'RENAME {partners}:meta {partners}:x', 'EXPIRE {partners}:meta 1',
        'STRLEN {partners}:meta', 'HGET {partnersx}:meta x', 'TYPE other',
        'UNLINK other', 'ZADD other 1 x', 'XINFO CONSUMERS {partners}:log x';
like(as_edge('EVAL', $_, 0), qr/NOPERM|can't (run|access)|no permissions/i, "nor by $_")
    for "return redis.call('TYPE','other')", "return redis.call('FLUSHALL')",
        "return redis.call('UNLINK','other')";
is($redis->command('GET', 'other'), 1, 'all is there');


# a right that is missing is said, once

spew($one->{log}, '');
$redis->command('ACL', 'SETUSER', 'edge', '-zadd');
my $answer = $one->revoke({ token => token() });
is($answer->{status}, 504, 'without ZADD: half done') or diag($answer->{raw});
ok(scalar $one->logged(qr{can't run this command|no permissions to run}),
   'says why');
$redis->command('ACL', 'SETUSER', 'edge', '+zadd', '-evalsha');
ok(wait_for(10, sub { $one->logged(qr/\[error\].*NOPERM.*'evalsha'/) }),
   'without EVALSHA: said') or diag($one->last_lines);
Time::HiRes::sleep(2.5);                 # it is tried again meanwhile
is(scalar $one->repeated(qr/Redis answered: NOPERM.*'evalsha'/), 0, 'once');
$redis->command('ACL', 'SETUSER', 'edge', '+evalsha', '-info');
$redis->command('CLIENT', 'KILL', 'USER', 'edge');
ok(wait_for(10, sub { $one->logged(qr/INFO was refused: NOPERM/) }),
   'without INFO: said');
Time::HiRes::sleep(2.5);
is(scalar $one->repeated(qr/INFO was refused/), 0, 'once');


# no account any more, another password, another file

$redis->command('ACL', 'DELUSER', 'edge');
ok(wait_for(10, sub { $one->logged(qr/AUTH was refused: WRONGPASS/) }),
   'no account: said');
Time::HiRes::sleep(2.5);
is(scalar $one->repeated(qr/AUTH was refused/), 0, 'once');
is($one->revoke({ token => token() })->{status}, 503, 'no account: 503');

$redis->command('ACL', 'SETUSER', 'edge', map { $_ eq '>PASSWORD' ? '>new' : $_ }
                @rules);
spew(dir() . '/redis.pw', "new\n");
ok($one->reload, 'reload');
ok(wait_for(10, sub { $one->revoke({ token => token() })->{status} == 200 }),
   'the new password');

# changed while links stand: they stay, new ones need the file
$redis->command('ACL', 'SETUSER', 'edge', 'resetpass', '>newer');
is($one->revoke({ token => token() })->{status}, 200, 'links that stand, stay');
spew(dir() . '/redis.pw', "newer\n");
ok($one->reload, 'reload');
ok(wait_for(10, sub { $one->revoke({ token => token() })->{status} == 200 }),
   'the newer password');
is(scalar $one->logged(qr/PASSWORD|\bnewer\b/), 0, 'no password is logged');

finish();
