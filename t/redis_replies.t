#!/usr/bin/perl

# Whatever comes for a reply of Redis - errors, other types, other protocols,
# nonsense, far too much, the half of it, a byte at a time - an edge goes on
# judging calls, says once what it got, tells who revokes whether it was done,
# and is well by itself as soon as Redis is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

my %errors = map { (/^(\w+)/)[0] => "-$_\r\n" } (
    'LOADING Redis is loading the dataset in memory',
    'BUSY Redis is busy running a script.',
    "MISCONF Redis is configured to save RDB snapshots",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    'NOREPLICAS Not enough good replicas to write.',
    "MASTERDOWN Link with MASTER is down",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    'NOSCRIPT No matching script. Please use EVAL.',
    'MOVED 1 127.0.0.1:1',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'CLUSTERDOWN The cluster is down',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
);

# no replies at all: the link will not do any more
my @broken = (
    "*2147483647\r\n", "*65537\r\n" . ":1\r\n" x 100, "*-7\r\n", "*x\r\n",
    "*99999999999999999999\r\n", "\$-5\r\n", "\$99999999999999999999\r\n",
    "\$x\r\n", ":1.5\r\n", "*1\r\n" x 5000,
    "%1\r\n+a\r\n+b\r\n", "~1\r\n+a\r\n", ">2\r\n+a\r\n+b\r\n", "#t\r\n",
    ",1.5\r\n", "(12345678901234567890\r\n", "=5\r\ntxt:a\r\n", "!3\r\nERR\r\n",
    "|1\r\n+a\r\n+b\r\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", "\0\1\2\xff\xfe", "junk\r\n",
    "+OK\r\n+nobody asked for this\r\n",
);

# replies, but not to this
my @others = (
    "+OK\r\n", "-\r\n", "-ERR %s%s%n\r\n", ":0\r\n", "\$-1\r\n", "\$0\r\n\r\n",
    "*-1\r\n", "*0\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "*1\r\n\$4\r\ndone\r\n", "*6\r\n\$4\r\ndone\r\n" . "\$1\r\nx\r\n" x 5,
    "*13\r\n\$6\r\nmaster\r\n" . "\$1\r\nx\r\n" x 12,
    "*13\r\n" . "*0\r\n" x 13, "*2\r\n\$3\r\nabc\r\n:9223372036854775807\r\n",
);

my $revoke = '^EVAL(SHA)? revoke ';

my $n = 6;
my $fleet = TRV::Fleet->new($n, workers => 1, set => 'timeout 1s;');
my @edges = $fleet->edges;
my ($one) = @edges;
my $proxy = $fleet->proxy(0);

my $good = token();
my @bad = map { token() } 1 .. 20;
is($one->revoke({ tokens => \@bad }, Prefer => 'wait=10')->{status}, 200,
   'revoked');

my @workers = map { join ' ', $_->workers } @edges;

sub judges {
    my ($name) = @_;
    for my $edge (@edges) {
        my $start = Time::HiRes::time();
        my @got = ($edge->call($good), $edge->call($bad[ rand @bad ]));
        my $took = Time::HiRes::time() - $start;
        return fail("$name: $edge->{node} answers @got in $took s")
            if "@got" ne '200 401' || $took > 3;
    }
    return 1;
}

sub revokes_again {
    my ($name) = @_;
    $proxy->clear;
    my $answer;
    ok(wait_for(10, sub {
        $answer = $one->revoke({ token => token() });
        $answer->{status} == 200;
    }), "$name: revoking works again") or diag($answer->{raw});
}

sub shown {
    my ($bytes) = @_;
    return substr($bytes, 0, 24) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
}

sub rss_kb {
    my ($edge) = @_;
    my ($kb) = slurp('/proc/' . ($edge->workers)[0] . '/status')
               =~ /^VmRSS:\s+(\d+)/m;
    return $kb;
}

sub ended_well {
    my ($name) = @_;
    $_->clear for $fleet->proxies;
    ok($fleet->settled($fleet->now, 30), "$name: all agree again")
        or diag(map { $_->last_lines } @edges);
    is_deeply([ map { join ' ', $_->workers } @edges ], \@workers,
              "$name: no worker has ended");
    judges($name);
}


# who revokes: "nothing was changed" for what Redis says before it does anything

my $before = $fleet->redis->command('ZCARD', '{partners}:revoked');

for my $error (sort keys %errors) {
    $proxy->fault(answer => [ [ $revoke, $errors{$error} ] ]);
    my $answer = $one->revoke({ token => token() });
    is($answer->{status}, 503, "$error: refused");
    is(TRV::Http::header($answer, 'Retry-After'), '1', "$error: Retry-After");
    like($answer->{body}, qr/Nothing was changed/, "$error: says so");
    like($answer->{body}, qr/\($error\)/, "$error: says why")
        unless $error eq 'MOVED';               # it went there
}

is($fleet->redis->command('ZCARD', '{partners}:revoked'), $before,
   'nothing was changed');
revokes_again('errors');


# "nobody knows" for what is no answer to that

for my $bytes (@broken, @others) {
    my $name = shown($bytes);
    $proxy->fault(replace => [ [ $revoke, $bytes ] ]);
    my $answer = $one->revoke({ token => token() });

    # the link may just be coming back from the one before
    ok(wait_for(5, sub {
        $answer->{status} == 504
            || (($answer = $one->revoke({ token => token() })), 0)[1];
    }), "$name: outcome unknown") or diag($answer->{raw});
    like($answer->{body}, qr/outcome-unknown/, "$name: says so");
}

revokes_again('no answers');
judges('who revokes');


# the half of a reply, and then the end

for my $len (1, 2, 3, 7, 20, 50, 100, 150) {
    $proxy->fault(cut_after => $len);
    my $answer = $one->revoke({ token => token() });
    like($answer->{status}, qr/^50[34]$/, "cut after $len bytes: not said to "
         . 'be done');
}

revokes_again('cut');
ended_well('who revokes');


# what edges ask on their own: each edge gets its share of all of it, as an
# answer to the greeting, heartbeats, the log, and in a merge

my @all = ((map { $errors{$_} } sort keys %errors), @broken, @others);
my %share;
push @{ $share{$_ % $n} }, $all[$_] for 0 .. $#all;

$fleet->redis->command('HDEL', '{partners}:days', 'total');     # merges

my @counts = map { $_->counts->{faulty} } $fleet->proxies;

my %given;
for my $i (0 .. $n - 1) {
    my @share = @{ $share{$i} };
    my @rules = ((map { [ '^EVAL(SHA)? heartbeat', $_, 1 ] } @share),
                 (map { [ '^XREAD', $_, 1 ] } @share),
                 (map { [ '^INFO', $_, 1 ] } @share[ 0, 1 ]),
                 [ '^EVAL(SHA)? digests', $share[2], 1 ],
                 [ '^EVAL(SHA)? page', $share[3], 1 ]);
    $given{$i} = 2 * @share;            # at least
    $fleet->proxy($i)->fault(answer => \@rules);
    $fleet->proxy($i)->cut if $i % 2;
}

ok(wait_for(60, sub {
    judges('meanwhile');
    !grep { $fleet->proxy($_)->counts->{faulty} - $counts[$_] < $given{$_} }
          0 .. $n - 1;
}), 'each edge has had its share')
    or diag(map { "$_ of $given{$_}: "
                  . ($fleet->proxy($_)->counts->{faulty} - $counts[$_]) . "\n"
                  . join "\n", $edges[$_]->logged(qr/\[(?!info)\w+\]/) }
             0 .. $n - 1);

ended_well('edges');

for my $edge (@edges) {
    my $lines = () = $edge->logged(qr/\[(error|warn)\]/);
    cmp_ok($lines, '>', 3, "$edge->{node} says what it gets");
}


# the same again and again is said once

my @once = (
    [ '^EVAL(SHA)? heartbeat', "*2147483647\r\n", qr/too many elements/ ],
    [ '^XREAD', "-LOADING Redis is loading\r\n", qr/answered: LOADING/ ],
    [ '^EVAL(SHA)? heartbeat', "+OK\r\n", qr/reply to a heartbeat is not one/ ],
    [ '^INFO', "*1\r\n" x 99, qr/reply is too deep/ ],
    [ '^EVAL(SHA)? heartbeat', "-BUSY running\r\n", qr/answered: BUSY running/ ],
    [ '^XREAD', "#t\r\n", qr/"#"|RESP2/ ],
);

my @said = map { scalar(() = $edges[$_]->logged($once[$_][2])) } 0 .. $#once;
@counts = map { $_->counts->{faulty} } $fleet->proxies;

for my $i (0 .. $#once) {
    $fleet->proxy($i)->fault(answer => [ [ @{ $once[$i] }[ 0, 1 ] ] ]);
    $fleet->proxy($i)->cut if $once[$i][0] =~ /INFO/;
}

ok(wait_for(30, sub {
    judges('again and again');
    !grep { $fleet->proxy($_)->counts->{faulty} - $counts[$_] < 4 }
          0 .. $#once;
}), 'the same again and again');

for my $i (0 .. $#once) {
    my $lines = () = $edges[$i]->logged($once[$i][2]);
    cmp_ok($lines - $said[$i], '<=', 1, shown($once[$i][1]) . ': said once');
    cmp_ok($lines, '>', 0, shown($once[$i][1]) . ': said');
}

ended_well('again and again');


# far more than a reply may have

my $kb = rss_kb($one);
my $much = [ '$12345678901234' . "\r\n", 1 << 20 ];    # 17 megabytes

$proxy->fault(answer => [ [ '^EVAL(SHA)? heartbeat', $much ] ]);
ok(wait_for(30, sub {
    judges('far too much');
    scalar $one->logged(qr/a reply is too long/);
}), 'far too much: said');

$proxy->clear;
cmp_ok(rss_kb($one) - $kb, '<', 48 * 1024, 'far too much: not kept')
    unless $ENV{TRV_NGINX};             # which keeps what was freed

ended_well('far too much');


# all of it a byte at a time

$_->fault(split => 1) for $fleet->proxies;
$_->cut for $fleet->proxies;
my $token = token();
my $answer;
ok(wait_for(30, sub {
    $answer = $one->revoke({ token => $token }, Prefer => 'wait=5');
    $answer->{status} == 200
        && (json($answer->{body})->{edges}{confirmed} // 0) == $n;
}), 'a byte at a time: revoked') or diag($answer->{raw});
is($_->call($token), 401, "a byte at a time: refused on $_->{node}")
    for @edges;
ended_well('a byte at a time');

finish();
