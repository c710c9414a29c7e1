#!/usr/bin/perl

# One edge with a large set: the time in the handler, memory, how long its
# event loop is held, bootstrap, restart, growth under load, reload under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Bench::Server;
use Time::HiRes qw(time sleep);
use TRV;

alarm 0;

my $LEN = 43;
my $TOKENS = 100000;
my @SIZES = split ' ', $ENV{BENCH_SIZES}
            || (quick() ? '1000 1000000' : '1000 1000000 10000000');

mkdir dir() . '/www';
spew(dir() . '/www/file', "ok\n");
my %COMMON = (WWW => dir() . '/www', API => dir() . '/api.sock',
              PROBE => program('ngx_http_trv_probe_module.so'),
              conf => 'probe.conf');

Bench::Server->new(%COMMON, conf => 'api.conf', cpu => $Bench::CPU_CLIENT,
                   MAP => spew(dir() . '/map-none', ''));


# an edge whose event loop is watched
sub watched_edge {
    my ($redis, %options) = @_;
    my $file = spew(dir() . '/hold', "\0" x 4096);
    local $ENV{BENCH_HOLD} = $file;
    local $ENV{LD_PRELOAD} = program('hold.so');
    my $edge = Bench::Server->new(%COMMON, REDIS => $redis->{socket},
                                  LOG_LEVEL => 'notice', %options);
    $edge->{hold} = $file;
    return $edge;
}


# the longest turns since it was last asked: ms by the clock, ms of CPU
sub held {
    my ($edge) = @_;
    my (undef, $wall, $cpu) = unpack 'Q3', slurp($edge->{hold});
    open my $fh, '+<', $edge->{hold} or die;
    syswrite $fh, "\0" x 24;
    return map { sprintf '%.2f', $_ / 1e6 } $wall, $cpu;
}


sub handler_times {
    my ($edge) = @_;
    my %seen;
    @seen{qw(calls p50 p99 p999 longest)} = split ' ',
                                                  $edge->get('/probe')->{body};
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


sub wrk_in_background {
    my ($edge, $list, $seconds) = @_;
    open my $out, '-|', 'taskset', '-c', $Bench::CPU_CLIENT, 'wrk', '-t1',
        '-c16', "-d${seconds}s", '--timeout', '5s', '-s',
        "$FindBin::Bin/call.lua", $edge->url('/file/file'), '--', $list
        or die;
    return $out;
}


sub wrk_result {
    my ($out) = @_;
    my $text = join '', <$out>;
    my %seen;
    @seen{qw(calls refused failed seconds p50 p99)} =
        split ' ', $text =~ /^bench (.*)/m ? $1 : die "wrk says:\n$text";
    return \%seen;
}


my (@handler, @memory, @start, @grown, @reload);

@handler = [ 'revocations', 'answer', 'calls', 'p50 us', 'p99 us',
             'p99.9 us', 'longest us' ];
@memory = [ 'revocations', 'table bytes', 'bytes each',
            'worker\'s own memory, MB' ];
@start = [ 'revocations', 'from Redis, s', 'longest turn ms (of CPU)',
           'from its own file, s', 'longest turn ms (of CPU)' ];
@reload = [ 'revocations', 'calls', 'failed', 'p50 us', 'p99 us',
            'p99 us without' ];

for my $size (@SIZES) {
    my $redis = redis();
    load_redis($redis, $size, $LEN);
    my $list = tokens($size, $LEN, $TOKENS);

    my $began = time;
    my $edge = watched_edge($redis);
    $edge->wait_ready(300);
    my $from_redis = time - $began;
    my @held_redis = held($edge);

    for my $answer ('file/file', 'api/x') {
        call_load($edge->{worker}, $edge->url("/$answer"), $list);
        handler_times($edge);
        call_load($edge->{worker}, $edge->url("/$answer"), $list,
                  seconds => quick() ? 2 : 5);
        my $seen = handler_times($edge);
        push @handler, [ $size, $answer =~ /file/ ? 'file' : 'proxied',
                         $seen->{calls},
                         map { us($seen->{$_}) } qw(p50 p99 p999 longest) ];
    }

    push @memory, [ $size, table_bytes($edge),
                    sprintf('%.1f', table_bytes($edge) / $size),
                    sprintf('%.1f', own_memory($edge) / 1e6) ];

    # reload under load

    my $quiet = wrk_result(wrk_in_background($edge, $list, 4));
    my $load = wrk_in_background($edge, $list, 4);
    sleep 1.5;
    $edge->signal('HUP');
    my $seen = wrk_result($load);
    push @reload, [ $size, @$seen{qw(calls failed p50 p99)}, $quiet->{p99} ];

    $edge->stop;

    $began = time;
    $edge = watched_edge($redis, REPLICA => $edge->{REPLICA});
    $edge->wait_ready(60);
    my $from_file = time - $began;
    sleep 3;                            # it counts its entries meanwhile
    my @held_file = held($edge);
    $edge->stop;
    shell("rm -rf $edge->{REPLICA}");

    push @start, [ $size, sprintf('%.2f', $from_redis),
                   "$held_redis[0] ($held_redis[1])",
                   sprintf('%.2f', $from_file),
                   "$held_file[0] ($held_file[1])" ];
    $redis->stop;
}

heading('The handler inside the loaded server');
table(@handler);

heading('Memory of an edge');
table(@memory);

heading('Start of an edge');
table(@start);

heading('Reload under load, the tiny file');
table(@reload);


# growth: the first thousand is there, the last size comes while calls go on

heading('Growth under load');
@grown = [ 'from', 'to', 's', 'calls', 'failed', 'p99 us',
           'longest in the handler us', 'longest turn ms (of CPU)' ];

my $size = $SIZES[-1];
my $redis = redis();
load_redis($redis, 1000, $LEN);
my $edge = watched_edge($redis);
$edge->wait_ready(60);

my $seconds = int($size / 100000) + 5;
my $load = wrk_in_background($edge, tokens(1000, $LEN, $TOKENS), $seconds);
sleep 1;
handler_times($edge);
held($edge);
my $began = time;
load_redis($redis, $size, $LEN);
wait_for($seconds, sub {
    my $state = json($edge->get('/token-revoke/edges')->{body});
    ($state->{items}[0]{entries} || 0) >= $size && $state->{items}[0]{agrees};
}) or note("- not all of them came within $seconds s");
my $took = time - $began;
my $times = handler_times($edge);
my @held = held($edge);
my $seen = wrk_result($load);
push @grown, [ 1000, $size, sprintf('%.1f', $took),
               @$seen{qw(calls failed p99)}, us($times->{longest}),
               "$held[0] ($held[1])" ];
table(@grown);
