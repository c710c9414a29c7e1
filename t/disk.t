#!/usr/bin/perl

# No room for a replica, in every way that there is: on the disk, of inodes, by
# a limit on files or memory, or because the disk is read-only.  No worker ends,
# nothing that is revoked is let in, the cause is said once, and when it is gone
# the edge goes on by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

plan skip_all => 'only root can mount a disk' if $>;

my $redis = redis();
my $good = token();
my @bad;                                # answered with 200 or 202
my ($edge, $disk, @workers);
my $n = 0;
my $last_id = 0;

allow_log(qr/\[alert\].*is full: calls are answered as if it were stale/);

# what nginx itself says of a lack of memory
allow_log(qr/\[emerg\].*failed \(12: Cannot allocate memory\)/);

sub run { system(@_) == 0 }

sub unmount {
    run('umount', '-l', $disk) if $disk;
    undef $disk;
}

my $owner = $$;
END { my $status = $?; unmount() if $$ == $owner; $? = $status }

# an edge whose replica is on a disk of its own
sub start {
    my ($options, %edge) = @_;
    unmount();
    $disk = dir() . '/disk-' . ++$n;
    mkdir $disk;
    run('mount', '-t', 'tmpfs', '-o', $options, 'tmpfs', $disk)
        or die "mount: $!\n";
    $edge = edge(redis => $redis, node => "edge-$n", later => 1,
                 replica => "$disk/replica", workers => 2,
                 api => 'token_revoke_stale 1h deny;', %edge);
    push @TRV::started, $edge;
}

sub begin {
    $edge->start;
    wait_for(10, sub { (@workers = sort $edge->workers) == 2 })
        or die "no workers\n";
}

# all that is left of the disk
sub fill {
    open my $fh, '>>', "$disk/filler" or return;
    my $block = "\1" x 4096;
    1 while syswrite $fh, $block;
    close $fh;
}

# some that are called later, and many that are only there
sub revoke_some {
    my @tokens = map { token() } 1 .. 5;
    my @ids = map { $last_id++; sprintf '%016x%016x', $last_id, rand 1e9 }
                  1 .. 995;
    my $answer = $edge->revoke({ ids => [ @ids, map { token_id($_) } @tokens ] });
    $answer->{status} =~ /^20[02]$/ or die "not revoked: $answer->{raw}\n";
    push @bad, @tokens;
}

# until there is no room for more; old tables leave some behind
sub crowd {
    my ($name, $fill) = @_;
    my $said = qr/set "partners" is full/;
    my $full = sub { $fill->(); $edge->metric('full') };
    for (1 .. 120) {
        $fill->();
        revoke_some();
        last if $edge->logged(qr/cannot make table/) && wait_for(0.3, $full);
    }
    ok(wait_for(10, $full), "$name: full");
    ok(scalar $edge->logged($said), "$name: said");
}

sub refused_all {
    my @sample = @bad[ map { rand @bad } 1 .. 100 ];
    return !grep { $edge->call($_) != 401 } @sample, $bad[0], $bad[-1];
}

# nobody is let in who should not be, whatever it says instead
sub lets_nobody_in {
    my ($name) = @_;
    my @sample = @bad[ map { rand @bad } 1 .. 100 ];
    my %got;
    $got{ $edge->call($_) }++ for @sample, $bad[-1];
    delete @got{401, 503};
    is_deeply(\%got, {}, "$name: no revoked token is let in");
}

sub recovers {
    my ($name) = @_;

    # it looks once a second, and may have become full only just now
    ok(wait_for(15, sub { ($edge->metric('full') // 1) == 0 }),
       "$name: has room");
    ok(wait_for(15, sub { $edge->ready && $edge->call($good) == 200 }),
       "$name: passes others again") or diag($edge->last_lines);
    ok(wait_for(15, sub { refused_all() }), "$name: refuses all again");
    is(join(' ', sort $edge->workers), join(' ', @workers),
       "$name: no worker has ended");
}

sub said_once {
    my ($name, $what) = @_;
    ok(wait_for(10, sub { scalar $edge->logged($what) }), "$name: said")
        or diag($edge->last_lines);
    is(scalar $edge->repeated($what), 0, "$name: once");
}

# each worker says in turn that it is full and that it has room, once each
sub said_in_turn {
    my ($name) = @_;
    my %last;
    my @twice = grep {
        my ($pid, $what) = /\] (\d+)#.* (is full|has room again)/;
        my $before = $last{$pid} // 'has room again';
        $last{$pid} = $what;
        $before eq $what;
    } $edge->logged(qr/"partners" (?:is full|has room again)/);
    is(join("\n", @twice), '', "$name: nothing is said twice");
    ok(scalar(grep { $_ eq 'has room again' } values %last),
       "$name: room is said");
}


# full before there is anything

my $first = edge(redis => $redis, node => 'edge-0');
$first->wait_ready;
push @bad, token();
is($first->revoke({ token => $bad[0] })->{status}, 200, 'revoked');

start('size=256k');
mkdir "$disk/replica";
chown((stat $first->{replica})[4, 5], "$disk/replica");
fill();
begin();
said_once('full from the start', qr/\[error\].*cannot (?:write|lock) ".*: No space|\[error\].*No space/);
is($edge->call($_), 503, 'full from the start: knows nothing')
    for $good, $bad[0];
is($edge->get('/token-revoke/ready')->{status}, 503, 'and says so');
unlink "$disk/filler";
recovers('full from the start');


# full when it would grow

crowd('full', \&fill);
is($edge->call($good), 503, 'full: as if it were stale');
lets_nobody_in('full');
is($edge->call($bad[0]), 401, 'full: what it knows it refuses');
said_once('full', qr/\[crit\].*cannot make table.*No space left/);
ok($edge->reload, 'full: reloaded');    # the next writer has no room either
@workers = sort $edge->workers;
ok(wait_for(10, sub {
    my %new = map { $_ => 1 } @workers;
    grep { /\] (\d+)#/ && $new{$1} } $edge->logged(qr/"partners" is full/);
}), 'full: it says so');
lets_nobody_in('full, reloaded');
unlink "$disk/filler";
recovers('full');
said_in_turn('full');
$edge->stop;


# no inodes

start('size=8m,nr_inodes=6');
begin();
$edge->wait_ready;
my $i = 0;
crowd('no inodes', sub {
    while (open my $fh, '>', "$disk/inode-$i") { $i++ }
});
lets_nobody_in('no inodes');
said_once('no inodes', qr/\[crit\].*cannot make table.*No space left/);
unlink glob "$disk/inode-*";
recovers('no inodes');
said_in_turn('no inodes');
$edge->stop;


# read-only: what is there is judged by

run('mount', '-o', 'remount,ro', $disk) or die "remount: $!\n";
begin();
ok(wait_for(15, sub { refused_all() }), 'read-only: refuses all');
ok(wait_for(15, sub { $edge->call($good) == 200 }),
   'read-only: passes others, as if Redis were lost');
said_once('read-only', qr/\[error\].*cannot (?:write|lock) ".*: Read-only/
                       . '|\[error\].*Read-only file system');
run('mount', '-o', 'remount,rw', $disk) or die "remount: $!\n";
ok(wait_for(15, sub { $edge->metric('writer_present') }),
   'read-only: writes again');
recovers('read-only');
$edge->stop;


# a limit on the size of files

# as the user whom it is about: root may lack the right to limit others
sub limit {
    my ($what, $value) = @_;
    for my $pid (@workers) {
        my ($uid, $gid) = (stat "/proc/$pid/task")[4, 5];
        run('setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups',
            'prlimit', "--$what=$value:unlimited", '--pid', $pid)
            or die "prlimit: $!\n";
    }
}

start('size=64m');
begin();
$edge->wait_ready;
limit('fsize', 1_200_000);              # more than the logs will have
crowd('file size', sub { });
lets_nobody_in('file size');
said_once('file size', qr/\[crit\].*cannot make table.*File too large/);
limit('fsize', 'unlimited');
recovers('file size');


# a limit on memory: a larger table cannot be mapped

$edge->stop;

SKIP: {
    skip 'a sanitizer needs all the memory that there is', 1 if $ENV{TRV_NGINX};
    @bad = ();
    start('size=64m', set => 'prefix memory;');
    begin();
    $edge->wait_ready;
    revoke_some();
    my ($kb) = sort { $b <=> $a }
               map { slurp("/proc/$_/status") =~ /^VmSize:\s+(\d+)/m } @workers;
    limit('as', $kb * 1024 + 300_000);

    for (1 .. 60) {
        last if $edge->logged(qr/cannot make table/);
        eval { revoke_some() };         # it may lack memory, too
    }

    said_once('memory', qr/\[crit\].*cannot make table.*Cannot allocate/);
    lets_nobody_in('memory');
    limit('as', 'unlimited');
    recovers('memory');
}

$edge->stop;
unmount();

finish();
