#!/usr/bin/perl

# One edge with a large set: the time in the handler, memory, how long its
# event loop is held, bootstrap, restart, growth under load, reload under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Bench::Server;
use List::Util 'sum0';
use POSIX ();
use Time::HiRes qw(time sleep);
use TRV;

my $LEN = 43;
my $TOKENS = 100000;
my @SIZES = sizes(300, quick() ? 1000000 : (1000, 1000000, 10000000));

my $ROUNDS = quick() ? 1 : 5;           # of reloads
my $SECONDS = 2;                        # of load around one
my $FILL_SEC = 300;                     # the most that growth may take

# the worker that is measured has its CPU for itself
pin($Bench::CPU_CLIENT, $$);

my %WORLD = %{ Bench::Server->backend->{world} };


my $watched = 0;

# a server whose event loop is watched
sub watched {
    my (%options) = @_;
    my $file = spew(dir() . '/hold-' . ++$watched, "\0" x (1 << 21));
    local $ENV{BENCH_HOLD} = $file;
    local $ENV{LD_PRELOAD} = program('hold.so');
    my $server = Bench::Server->new(%WORLD, LOG_LEVEL => 'notice', %options);
    $server->{hold} = $file;
    return $server;
}


sub watched_edge {
    my ($redis, %options) = @_;
    return watched(conf => 'probe.conf', REDIS => $redis->{socket},
                   PROBE => program('ngx_http_trv_probe_module.so'), %options);
}


# the turns since it was last asked, as bench/hold.h has them, times in ms
sub held {
    my ($server) = @_;
    my %turns;
    @turns{qw(all wall cpu held cpu_long held_long)}
        = unpack 'Q6', slurp($server->{hold});
    $_ = sprintf '%.2f', $_ / 1e6 for @turns{qw(wall cpu held)};
    open my $fh, '+<', $server->{hold} or die;
    syswrite $fh, "\0" x 48;
    return \%turns;
}


sub handler_times {
    my ($edge) = @_;
    my %seen;
    @seen{qw(calls p50 p99 p999 longest stalls busy)}
        = split ' ', $edge->get('/probe')->{body};
    return \%seen;
}


sub us { sprintf '%.2f', $_[0] / 1000 }


sub table_bytes {
    my ($edge) = @_;
    my ($table) = glob "$edge->{REPLICA}/table.*";
    return -s $table;
}


# bytes of private memory of the worker, the table left out
sub own_memory {
    my ($edge) = @_;
    my ($kb) = slurp("/proc/$edge->{worker}/smaps_rollup")
               =~ /^Pss_Anon:\s+(\d+)/m;
    return $kb * 1024;
}


# page faults of a process so far: without and with a disk
sub page_faults {
    my ($pid) = @_;
    my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//r;
    return @stat[7, 9];
}


# a load with a reload in it
sub reload {
    my ($server, $list) = @_;

    my $old = $server->{worker};
    my $load = load_start($server->url('/file/file'), $list,
                          seconds => $SECONDS, client => 'h1');
    sleep 0.3;
    $server->signal('HUP');
    my $seen = load_end($load);

    wait_for(30, sub {
        $server->{worker} = $server->find_worker;
        $server->{worker} && !-e "/proc/$old";
    }) or die "the old worker does not end\n";

    @$seen{qw(minor major)} = page_faults($server->{worker});
    return $seen;
}


# rows of this edge and of the same nginx without the module, in turns
sub reloads {
    my ($redis, $replica, $size, $list) = @_;

    my @servers = (
        [ 'nginx, no check', Bench::Server->new(%WORLD, conf => 'none.conf') ],
        [ "this module, $size",
          Bench::Server->new(%WORLD, conf => 'module.conf',
                             REDIS => $redis->{socket},
                             REPLICA => $replica) ],
    );
    $servers[1][1]->wait_ready(60);
    sleep 3;                            # it counts its entries meanwhile

    my %seen;
    for (1 .. $ROUNDS) {
        for (@servers) {
            my ($title, $server) = @$_;
            my $quiet = load_end(load_start($server->url('/file/file'), $list,
                                            seconds => $SECONDS,
                                            client => 'h1'));
            my $seen = reload($server, $list);
            push @{ $seen{$title} },
                { %$seen, quiet => $quiet->{p99},
                  times => $seen->{p99} / $quiet->{p99} };
        }
    }

    $_->[1]->stop for @servers;

    return map {
        my @seen = @{ $seen{ $_->[0] } };
        my %all = map { my $what = $_; $what => [ map { $_->{$what} } @seen ] }
                  keys %{ $seen[0] };
        [ $_->[0], (map { sum0(@{ $all{$_} }) } qw(calls failed again)),
          (map { spread('%d', @{ $all{$_} }) } qw(quiet p99)),
          spread('%.2f', @{ $all{times} }), highest(@{ $all{longest} }),
          map { spread('%d', @{ $all{$_} }) } qw(minor major) ]
    } @servers;
}


my (@handler, @memory, @start, @grown, @reload);

@handler = [ 'revocations', 'answer', 'calls', 'p50 us', 'p99 us',
             'p99.9 us', 'longest us' ];
@memory = [ 'revocations', 'table bytes', 'bytes each',
            'worker\'s own memory, MB' ];
@start = [ 'revocations', 'from Redis, s', 'longest turn ms (of CPU)',
           'from its own file, s', 'longest turn ms (of CPU)' ];
@reload = [ 'server', 'calls', 'failed', 'sent again', 'p99 us before',
            'p99 us meanwhile', 'times', 'longest us',
            'page faults of the new worker', 'from disk' ];

for my $size (@SIZES) {
    my $redis = redis();
    load_redis($redis, $size, $LEN);
    my $list = tokens($size, $LEN, $TOKENS);

    my $began = time;
    my $edge = watched_edge($redis);
    $edge->wait_ready(300);
    my $from_redis = time - $began;
    my $held_redis = held($edge);

    for my $answer ('file/file', 'api/x') {
        load_end(load_start($edge->url("/$answer"), $list));
        handler_times($edge);
        load_end(load_start($edge->url("/$answer"), $list,
                            seconds => quick() ? 2 : 5));
        my $seen = handler_times($edge);
        push @handler, [ $size, $answer =~ /file/ ? 'file' : 'proxied',
                         $seen->{calls},
                         map { us($seen->{$_}) } qw(p50 p99 p999 longest) ];
    }

    push @memory, [ $size, table_bytes($edge),
                    sprintf('%.1f', table_bytes($edge) / $size),
                    sprintf('%.1f', own_memory($edge) / 1e6) ];

    $edge->stop;

    $began = time;
    $edge = watched_edge($redis, REPLICA => $edge->{REPLICA});
    $edge->wait_ready(60);
    my $from_file = time - $began;
    sleep 3;                            # it counts its entries meanwhile
    my $held_file = held($edge);
    $edge->stop;

    push @reload, reloads($redis, $edge->{REPLICA}, $size, $list)
        if $size == $SIZES[-1];
    shell("rm -rf $edge->{REPLICA}");

    push @start, [ $size, sprintf('%.2f', $from_redis),
                   "$held_redis->{wall} ($held_redis->{cpu})",
                   sprintf('%.2f', $from_file),
                   "$held_file->{wall} ($held_file->{cpu})" ];
    $redis->stop;
}

heading('The handler inside the loaded server');
table(@handler);

heading('Memory of an edge');
table(@memory);

heading('Start of an edge');
table(@start);

heading("Reloads under load, the tiny file, $ROUNDS times; p99 of $SECONDS s");
table(@reload);


# growth: the first thousand is there, the last size comes while calls go on

heading('Growth under load');
@grown = [ 'server', 's', 'calls', 'failed', 'p99 us', 'turns',
           'longest turn held ms', 'turns held above 2 ms',
           'with the time the CPU stood still: ms, above 2 ms',
           'taken by the host, % of a CPU' ];

my $size = $SIZES[-1];

# a row: a server that is called while a Redis gets n, until something is true
sub filled {
    my ($title, $server, $redis, $n, $until) = @_;

    my $load = load_start($server->url('/file/file'),
                          tokens(1000, $LEN, $TOKENS), seconds => $FILL_SEC);
    sleep 1;
    my $witness = bless {
        pid => TRV::Process->spawn(dir() . '/witness.log', program('witness'),
                                   $server->{hold}, $Bench::CPU_SERVER),
    }, 'TRV::Process';
    held($server);

    my ($began, $stolen) = (time, stolen());
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        load_redis($redis, $n, $LEN);
        POSIX::_exit(0);
    }

    wait_for($FILL_SEC, $until)
        or note("- $title: not all of it within $FILL_SEC s");
    my $took = time - $began;
    $stolen = stolen() - $stolen;
    my $held = held($server);
    $witness->running
        or note('- nobody says when the CPU stood still: '
                . slurp(dir() . '/witness.log'));
    $witness->end_by('TERM', 5);
    waitpid $pid, 0;

    kill 'INT', $load->{pid};           # wrk then says what it saw
    my $seen = load_end($load);

    return [ $title, sprintf('%.0f', $took), @$seen{qw(calls failed p99)},
             @$held{qw(all held held_long)}, "$held->{cpu}, $held->{cpu_long}",
             sprintf('%.1f', 100 * $stolen / $took) ];
}

# what this machine does to any event loop meanwhile
my $redis = redis();
my $plain = watched(conf => 'none.conf');
push @grown, filled("nginx, no check, beside $size", $plain, $redis, $size, sub {
    $redis->command('ZCARD', '{partners}:revoked') >= $size;
});
$_->stop for $plain, $redis;

$redis = redis();
load_redis($redis, 1000, $LEN);
my $edge = watched_edge($redis);
$edge->wait_ready(60);
handler_times($edge);

push @grown, filled("this module, from 1000 to $size", $edge, $redis,
                     $size, sub {
    my $state = json($edge->get('/token-revoke/edges')->{body})->{items}[0];
    sleep 0.5;
    return ($state->{entries} || 0) >= $size && $state->{agrees};
});
my $times = handler_times($edge);
$edge->stop;
$redis->stop;
table(@grown);

note(sprintf '- in the handler: %d calls, the longest %s us by the clock, %d above 1 ms,'
             . ' %d of them with the CPU all the time',
     $times->{calls}, us($times->{longest}), @$times{qw(stalls busy)});
