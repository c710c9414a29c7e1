#!/usr/bin/perl

# Files of a replica that are cut short, flipped, zeroed, replaced, not ours or
# gone: they are made anew from Redis, loudly; without Redis the edge says that
# it does not know; and nothing else is ever touched.

use strict;
use warnings;

use FindBin;
use POSIX ();
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $aside = qr/\[alert\].*failed its checks and was set aside/;
allow_log($aside);

my $redis = redis();
my $edge = edge(redis => $redis, node => 'edge-1', workers => 1);
$edge->wait_ready;
my @bad = map { token() } 1 .. 50;
is($edge->revoke({ tokens => \@bad })->{status}, 200, 'revoked');

my $good = token();
my $dir = $edge->{replica};

# the one in force
sub table {
    my ($n) = sort { $b <=> $a }
              map { m{/table\.1\.(\d{1,9})$} } glob "$dir/table.1.*";
    return "$dir/table.1.$n";
}

sub flip {
    my ($file, $at) = @_;
    my $text = slurp($file);
    substr($text, $at, 1) ^= "\x40";
    spew($file, $text);
}

# one that the workers may open
sub pipe_at {
    my ($file) = @_;
    POSIX::mkfifo($file, 0600) or die "$file: $!\n";
    chown((stat $dir)[4, 5], $file);
}

sub refuses_all {
    return !grep { $edge->call($_) != 401 } @bad;
}

my %damage = (
    'table cut short' => [ 1, sub { truncate table(), 5000 } ],
    'table empty' => [ 1, sub { truncate table(), 0 } ],
    'table longer' => [ 1, sub { truncate table(), 4096 + -s table() } ],
    'head of the table flipped' => [ 1, sub { flip(table(), 20) } ],
    'table zeroed' => [ 1, sub { spew(table(), "\0" x -s table()) } ],
    'table is a link' => [ 1, sub {
        my $table = table();
        rename $table, "$dir/../elsewhere";
        symlink "$dir/../elsewhere", $table;
    } ],
    'table is a pipe' => [ 1, sub {
        my $table = table();
        unlink $table; pipe_at($table);
    } ],
    'table is a directory' => [ 1, sub {
        my $table = table();
        unlink $table; mkdir $table;
    } ],
    'table of another version' => [ 1, sub {
        my $text = slurp(table());
        spew(table(), $text =~ s/^trtable./trtable9/r);
    } ],
    'control is a link' => [ 1, sub {
        rename "$dir/control.1", "$dir/../elsewhere.control";
        symlink "$dir/../elsewhere.control", "$dir/control.1";
    } ],
    'control is a pipe' => [ 1, sub {
        unlink "$dir/control.1"; pipe_at("$dir/control.1");
    } ],
    'table is gone' => [ 1, sub { unlink table() } ],
    'control cut short' => [ 1, sub { truncate "$dir/control.1", 100 } ],
    'control empty' => [ 1, sub { truncate "$dir/control.1", 0 } ],
    'control flipped' => [ 1, sub { flip("$dir/control.1", 9) } ],
    'control zeroed' => [ 1, sub { spew("$dir/control.1", "\0" x 4096) } ],
    'control is a directory' => [ 1, sub {
        unlink "$dir/control.1"; mkdir "$dir/control.1";
    } ],
    'control is gone' => [ 0, sub { unlink "$dir/control.1" } ],
    'lock is gone' => [ 0, sub { unlink "$dir/writer.1.lock" } ],
    'all is gone' => [ 0, sub { unlink glob "$dir/*" } ],
    'foreign files' => [ 0, sub {
        spew("$dir/table.1.999999999999999999999", 'x');
        spew("$dir/table.2.1", 'x'); spew("$dir/README", 'x');
    } ],
);

for my $name (sort keys %damage) {
    my ($loud, $do) = @{ $damage{$name} };

    $edge->stop;
    my $before = () = $edge->logged($aside);
    $do->();
    $edge->start;
    ok(wait_for(10, sub { $edge->ready }), "$name: ready again");
    ok(refuses_all(), "$name: refuses all");
    is($edge->call($good), 200, "$name: and nothing else");
    my $after = () = $edge->logged($aside);
    is($after > $before ? 1 : 0, $loud, "$name: " . ($loud ? 'said' : 'quiet'));
}

is(slurp("$dir/table.2.1"), 'x', 'files of another version stay');
is(slurp("$dir/README"), 'x', 'so do those of others');


# bits that flip in what no checksum covers - ids, tags and days -, a few and
# very many: what cannot be found any more is merged again, nothing else is in

sub flip_slots {
    my ($n) = @_;
    my $file = slurp(table());
    for (1 .. $n) {
        vec($file, 8 * 4096 + int rand 8 * (length($file) - 4096), 1) ^= 1;
    }
    spew(table(), $file);
}

my $seed = srand;
for my $bits (1, 10, 100, 1000, 10_000) {
    $edge->stop;
    flip_slots($bits);
    $edge->start;
    ok(wait_for(10, sub { $edge->ready && $edge->state->{agrees} && refuses_all() }),
       "$bits bits flipped: refuses all, and agrees") or diag("srand($seed)");
    is($edge->call($good), 200, "$bits bits flipped: and nothing else");
}


# the same without Redis: not ready, and so it says

$edge->stop;
truncate table(), 5000;
$redis->kill_hard;
$edge->start;
is($edge->call($_), 503, 'broken, no Redis: not ready') for $good, $bad[0];
is($edge->get('/token-revoke/ready')->{status}, 503, 'for balancers, too');
$redis->start;
my $other = edge(redis => $redis, node => 'edge-2');
$other->wait_ready;                     # an empty set now: a new deployment
ok(wait_for(10, sub { $edge->ready }), 'ready once there is a Redis');
is($edge->revoke({ tokens => \@bad })->{status}, 200, 'revoked again');


# the directory vanishes under a running edge

allow_log(qr/\[alert\].*was replaced, no longer the writer/);
rename $dir, "$dir.away" or die "$dir: $!\n";
ok(refuses_all(), 'directory gone: refuses all');
ok(wait_for(5, sub { $edge->logged(qr/was replaced, no longer the writer/) }),
   'directory gone: said');
ok(refuses_all(), 'still');
is($edge->call($good), 200, 'still passes others');

mkdir $dir, 0700;
chown((stat "$dir.away")[4, 5], $dir);
ok(wait_for(10, sub { -e "$dir/control.1" && $edge->writer }),
   'a new directory is taken');
ok(wait_for(10, sub { $edge->ready }), 'and filled');
ok(refuses_all(), 'new directory: refuses all');


# not ours

SKIP: {
    skip 'only root can take a directory away', 4 if $>;
    $edge->stop;
    $edge->start;
    $edge->wait_ready;
    ok($edge->stop, 'ends');
    $edge->configure(main => 'user nobody nogroup;');
    my @files = ($dir, glob "$dir/*");
    chmod 0000, "$dir/control.1";
    $edge->start;
    ok(wait_for(10, sub { $edge->logged(qr/\[err(or)?\].*cannot/) }),
       'no permission: said');
    is($edge->call($good), 503, 'no permission: not ready');
    ok(!-e "$dir/control.1.bad", 'no permission is not corruption');
}


# two nginx on one directory: one writer

chmod 0600, "$dir/control.1";
$edge->stop;
$edge->configure(main => '');
$edge->start;
$edge->wait_ready;
my $second = edge(redis => $redis, node => 'edge-1', replica => $dir);
$second->wait_ready;
my $token = token();
is($second->revoke({ token => $token })->{status}, 200, 'two on one: revoked');
ok(wait_for(5, sub { $_->call($token) == 401 }), "two on one: refused")
    for $edge, $second;
my $writer = $edge->writer;
ok((grep { $_ == $writer } $edge->workers), 'the first one writes');
$edge->stop;
ok(wait_for(5, sub { (grep { $_ == $second->writer } $second->workers) > 0 }),
   'the second one takes over');
$token = token();
is($second->revoke({ token => $token })->{status}, 200, 'and revokes');
is($second->call($token), 401, 'and refuses');

finish();
