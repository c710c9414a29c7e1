#!/usr/bin/perl

# make demo proves itself, what it prints to try works, and Ctrl-C leaves
# nothing behind: no process, no file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;
use TRV::Process;

my $n = 0;

sub demo_start {
    my (@command) = @_;
    my $out = dir() . '/out-' . ++$n;
    chdir "$FindBin::Bin/..";
    local $ENV{TMPDIR} = dir();
    my $demo = bless { out => $out,
                       pid => TRV::Process->spawn($out, @command) },
                     'TRV::Process';
    $demo->{group} = $demo->{pid};
    return $demo;
}

# pids of a process and of all below it, and who is whose
sub family {
    my ($pid) = @_;
    my %children;
    for (glob '/proc/[0-9]*/stat') {
        my ($child, $parent) = slurp($_) =~ /^(\d+) \(.*\) \w (\d+)/s or next;
        push @{ $children{$parent} }, $child;
    }
    my @all = $pid;
    for (my $i = 0; $i < @all; $i++) {
        push @all, @{ $children{ $all[$i] } || [] };
    }
    return @all;
}

sub demo_dirs { grep { -d } glob dir() . '/trv-*' }

# who has a file of a demo open, deleted or not
sub holders {
    my $own = qr{^\Q${\ dir() }\E/trv-};
    return grep { grep { (readlink // '') =~ $own } glob "$_/fd/*" }
           glob '/proc/[0-9]*';
}

sub is_gone {
    my ($demo, $pids, $name) = @_;
    ok($demo->wait_end(30), "$name: it ends");
    is(join(' ', grep { kill 0, $_ } @$pids), '', "$name: all processes, too");
    is(join(' ', holders()), '', "$name: nobody has its files");
    is(join(' ', demo_dirs()), '', "$name: its directory is gone");
}


# as somebody at a terminal would see it

my $demo = demo_start('make', '-s', 'demo');
ok(wait_for(120, sub {
    !$demo->running || slurp($demo->{out}) =~ /^Ctrl-C ends/m;
}), 'it starts');
my $said = slurp($demo->{out});
ok($demo->running, 'it waits') or diag($said);

my @ms = $said =~ /^  edge \d   401 after ([\d.]+) ms$/mg;
is(scalar(@ms), 3, "refused on three edges, after @ms ms");
cmp_ok($ms[-1], '<', 1000, 'within a second');
like($said, qr/^  POST     200 after/m, 'the POST was answered with 200');

my @curl = $said =~ /^  (curl .*)$/mg;
is(scalar @curl, 5, 'lines to try');
my $curl = sub { scalar `$_[0] -s` };

like($curl->($curl[0]), qr/^HTTP\S+ 200 /, 'a call passes');
my $answer = json($curl->($curl[1]));
my $id = $answer->{revoked}[0]{id};
is($answer->{edges}{live}, 3, 'the token is revoked');
ok(wait_for(5, sub { $curl->($curl[0]) =~ /^HTTP\S+ 401 / }),
   'the same call is refused');
my ($own) = grep { $_->{id} eq $id } @{ json($curl->($curl[2]))->{items} };
is($own->{state}, 'revoked', 'the partner sees it');
my ($item) = grep { $_->{id} eq $id } @{ json($curl->($curl[3]))->{items} };
is($item->{by}, 'merchant yhst-1234567890', 'the list says by whom');
ok(wait_for(5, sub {
    3 == grep { $_->{live} && $_->{agrees} }
              @{ json($curl->($curl[4]))->{items} };
}), 'three edges agree');

my ($redis_cli) = $said =~ /^  Redis +(.*)$/m;
is(`$redis_cli ZSCORE '{partners}:revoked' $id` > time, 1, 'Redis is there');

my @tokens = $said =~ /(1\.0_[\w.-]{140})/g;
cmp_ok(@tokens, '>=', 3, 'it shows tokens');
my ($dir) = demo_dirs();
is(join(' ', grep { system('grep', '-rqF', '--', $_, $dir) == 0 } @tokens),
   '', 'none of them is in any file');
cmp_ok(scalar holders(), '>=', 10, 'its processes have files there');

my @pids = family($demo->{pid});
cmp_ok(@pids, '>=', 11, 'processes: ' . @pids);
kill 'INT', -$demo->{group};
is_gone($demo, \@pids, 'Ctrl-C');


# ended while it starts; a server that ends

for my $case ([ 'TERM', 0, sub { $_[0]->{pid} } ],
              [ 'KILL', 1, sub {
                  grep { slurp("/proc/$_/comm") =~ /redis/ } family($_[0]{pid});
              } ])
{
    my ($signal, $failed, $whom) = @$case;

    $demo = demo_start($^X, 't/lib/demo.pl');
    ok(wait_for(20, sub { family($demo->{pid}) >= 8 }), 'it starts');
    @pids = family($demo->{pid});
    kill $signal, $whom->($demo);
    is_gone($demo, \@pids, $failed ? 'a server has ended' : 'TERM');
    is($demo->{status} != 0 || 0, $failed, 'status');
    like(slurp($demo->{out}), qr/Redis has ended/, 'it says so') if $failed;
}

finish();
