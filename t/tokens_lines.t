#!/usr/bin/perl

# POST tokens with lines: a hundred thousand in bounded memory, while calls are
# served and Redis is not held up; bodies of every form; what is said where it
# ends half-way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis, workers => 1, set => 'timeout 5s;');
$edge->wait_ready;

my $now = time;
my $expires = $now + 10_000_000;
my $type = 'application/x-ndjson';

sub line {
    my ($n, %more) = @_;
    my %record = (id => sprintf('1%031x', $n),
                  partner => '"ypa-' . $n % 7 . '"',
                  store => '"yhst-' . $n % 50 . '"',
                  expires_at => $expires + $n, %more);
    return qq({"id":"$record{id}","partner":$record{partner},)
           . qq("store":$record{store},"expires_at":$record{expires_at}}\n);
}

sub post { $edge->register($_[0], 'Content-Type' => $type) }

sub count { $redis->command('ZCARD', '{partners}:tokens') }

sub counts_are {
    my ($answer, $expected, $name) = @_;
    my $body = json($answer->{body});
    is($answer->{status}, 200, $name) or diag($answer->{body});
    is(join(' ', map { $body->{$_} // '-' }
                 qw(registered changed already skipped)), $expected,
       "$name: $expected");
}

sub memory_kb {
    my ($worker) = $edge->workers;
    return slurp("/proc/$worker/status") =~ /^VmHWM:\s+(\d+) kB/m ? $1 : 0;
}

# a link on which a body has been begun
sub begin {
    my (@headers) = @_;
    my $link = TRV::Http::open_link($edge->{socket});
    $link->autoflush(1);
    print $link join "\r\n", 'POST /token-revoke/tokens HTTP/1.1', 'Host: edge',
                'X-Principal: operator ann', "Content-Type: $type",
                'Connection: close', @headers, '', '';
    return $link;
}


# a hundred thousand

counts_are(post(line(0)), '1 0 0 0', 'one');

my $hundred_thousand = join '', map { line($_) } 1 .. 100_000;
my $token = token();
my $was = memory_kb();

sub cpu_of_redis {
    my $info = $redis->command('INFO', 'cpu');
    return $info =~ /^used_cpu_user_main_thread:([\d.]+)/m ? $1 : 0;
}

my $cpu_redis = cpu_of_redis();

# calls meanwhile
# the answer, and how many calls there were meanwhile, and the longest of them
sub post_under_load {
    unlink dir() . '/enough';
    my $calls = fork // die "fork: $!\n";
    if ($calls == 0) {
        my ($n, $most) = (0, 0);
        my $end = Time::HiRes::time() + 60;
        while (Time::HiRes::time() < $end && !-e dir() . '/enough') {
            my $start = Time::HiRes::time();
            $edge->call($token) == 200 or last;
            my $took = Time::HiRes::time() - $start;
            $most = $took if $took > $most;
            $n++;
            Time::HiRes::sleep(0.002);
        }
        spew(dir() . '/calls', "$n $most");
        POSIX::_exit(0);
    }

    my $answer = post($hundred_thousand);

    spew(dir() . '/enough', '');
    waitpid $calls, 0;
    return ($answer, split ' ', slurp(dir() . '/calls'));
}

my $start = Time::HiRes::time();
my ($answer, $calls_n, $most) = post_under_load();
my $took = Time::HiRes::time() - $start;
my $cpu_redis_after = cpu_of_redis();

counts_are($answer, '100000 0 0 0', 'a hundred thousand lines');
is(count(), 100_001, 'all are there');
note(sprintf '%.2f s, memory %d kB more, %.1f ms of Redis a batch, '
             . '%d calls meanwhile, %.1f ms at most', $took,
     memory_kb() - $was, 2 * ($cpu_redis_after - $cpu_redis), $calls_n,
     1000 * $most);

cmp_ok(memory_kb() - $was, '<', 6144,
       'the worker needs half the memory of the body, at most')
    unless $ENV{TRV_NGINX};
cmp_ok($calls_n, '>', 50, 'calls are answered meanwhile');
# what holds up this machine must not do so three times
for (1 .. 2) {
    (undef, undef, $most) = post_under_load() if $most >= 0.5;
}
cmp_ok($most, '<', 0.5, 'and none waits for long');
cmp_ok(($cpu_redis_after - $cpu_redis) / 500, '<', 0.015,
       'a batch holds Redis for some milliseconds');

# a bad line far in

my @lines = split /^/, $hundred_thousand;
$lines[69_999] = qq({"id":"x"}\n);
$answer = post(join '', @lines);
my $body = json($answer->{body});
is($answer->{status}, 400, 'a bad line');
is($body->{line}, 70_000, 'its number');
is($body->{already}, 69_999, 'what was before it was taken, once more');
like($body->{detail}, qr/^Line 70000: "id" must be .* The lines before line/,
     'says so');


# ends of lines, empty ones, the last without an end

my $n = 200_000;
counts_are(post("\n\r\n  " . line($n) . "\t\n" . (line($n + 1) =~ s/\n/\r\n/r)
                . (line($n + 2) =~ s/\n//r)), '3 0 0 0', 'ends of lines');
$answer = post("\n\n" . line($n) . "\n{}\n" . line($n));
is(json($answer->{body})->{line}, 5, 'empty lines are counted');

my $long = line($n + 3) =~ s/\n//r;
my $padded = $long . ' ' x (65536 - length $long);
counts_are(post("$padded\n"), '1 0 0 0', 'a line of 64 KiB');
counts_are(post("$padded\n$padded\n$padded"), '0 0 3 0', 'three of them');

for my $body ("$padded \n", "$padded ", $padded . ' ' x 500_000) {
    my $answer = post(line($n) . $body);
    is($answer->{status}, 400, 'one byte more');
    is(json($answer->{body})->{line}, 2, 'its line');
    is(json($answer->{body})->{already}, 1, 'the line before it');
}

counts_are(post(line($n) . "\n" x 3_000_000 . line($n + 1)), '0 0 2 0',
           'three million empty lines');


# chunked, a byte at a time, slowly, cut off

{
    my $link = begin('Transfer-Encoding: chunked');
    my $left = substr $hundred_thousand, 0, 2_000_000;
    while (length $left) {
        my $piece = substr $left, 0, 1 + int(rand 30_000), '';
        printf $link "%x\r\n%s\r\n", length $piece, $piece;
    }
    print $link "0\r\n\r\n";
    my $answer = TRV::Http::read_all($link, 20);
    # the last line is not whole
    is($answer->{status}, 400, 'chunked');
    is(json($answer->{body})->{line} - 1,
       () = substr($hundred_thousand, 0, 2_000_000) =~ /\n/g,
       'chunked: all whole lines');
}

{
    my $small = line($n + 10) . line($n + 11);
    my $link = begin('Content-Length: ' . length $small);
    for my $byte (split //, $small) {
        print $link $byte;
        Time::HiRes::sleep(0.0005);
    }
    counts_are(TRV::Http::read_all($link, 20), '2 0 0 0', 'a byte at a time');
}

{
    my $link = begin('Content-Length: 1000000');
    print $link map { line($n + 100 + $_) } 1 .. 300;
    my $before = count();
    ok(wait_for(5, sub { count() >= $before + 200 || count() > 100_205 }),
       'a batch is registered before the body ends');
    close $link;
    ok(wait_for(5, sub { $edge->call($token) == 200 }), 'cut off');
}


# longer than it may be, known before and not

{
    my $link = begin('Content-Length: ' . (64 * 1024 * 1024 + 1));
    my $answer = TRV::Http::read_all($link, 5);
    is($answer->{status}, 413, 'more than 64 MiB');
    like(json($answer->{body})->{detail}, qr/at most 67108864 bytes/, 'says so');
}

{
    my $link = begin('Transfer-Encoding: chunked');
    local $SIG{PIPE} = 'IGNORE';
    my $some = line($n) . ' ' x 65_000 . "\n";
    for (1 .. 1100) {
        printf $link "%x\r\n%s\r\n", length $some, $some or last;
    }
    my $answer = TRV::Http::read_all($link, 20);
    my $body = json($answer->{body});
    is($answer->{status}, 413, 'more than 64 MiB without saying so');
    cmp_ok($body->{already}, '>', 1000, 'what was before it was taken');
    is(int($body->{line} / 2), $body->{already}, 'up to which line');
}


# where nginx ends the body: what was before is on record, and is counted

{
    my $link = begin('Transfer-Encoding: chunked');
    my $some = join '', map { line($n + 1000 + $_) } 1 .. 450;
    printf $link "%x\r\n%s\r\n", length $some, $some;
    ok(wait_for(5, sub { $redis->command('EXISTS',
        '{partners}:token:' . sprintf('1%031x', $n + 1400)) }), 'two batches');
    print $link "zz\r\n";
    my $answer = TRV::Http::read_all($link, 10);
    my $body = json($answer->{body});
    is($answer->{status}, 400, 'a chunk that is none');
    is($body->{registered}, $body->{line} - 1, 'what was before it');
    ok($body->{registered} >= 400, 'is on record');
    like($body->{detail}, qr/not one of HTTP\. The lines before line/, 'says so');
}

{
    my $small = edge(redis => $redis, node => 'small', workers => 1,
                     server => 'client_max_body_size 100k;');
    $small->wait_ready;
    my $send = sub {
        my ($type, $some) = @_;
        my $link = TRV::Http::open_link($small->{socket});
        $link->autoflush(1);
        local $SIG{PIPE} = 'IGNORE';
        print $link join "\r\n", 'POST /token-revoke/tokens HTTP/1.1',
            'Host: edge', 'X-Principal: operator ann', "Content-Type: $type",
            'Connection: close', 'Transfer-Encoding: chunked', '', '';
        while (length $some) {
            my $piece = substr $some, 0, 10_000, '';
            printf $link "%x\r\n%s\r\n", length $piece, $piece or last;
        }
        my $answer = TRV::Http::read_all($link, 10);
        is($answer->{status}, 413, 'more than nginx takes');
        is(TRV::Http::header($answer, 'Content-Type'),
           'application/problem+json', 'a problem');
        my $body = json($answer->{body});
        like($body->{detail}, qr/client_max_body_size/, 'says so');
        return $body;
    };
    my $body = $send->($type, join '', map { line($n + 2000 + $_) } 1 .. 3000);
    ok($body->{registered} >= 400, 'what was before is on record');
    is($body->{line}, $body->{registered} + 1, 'up to which line');
    $send->('application/json', '[' . ' ' x 110_000 . ']');
    $small->stop;
}


# over HTTP/2

{
    my $port = free_port();
    my $h2 = edge(redis => $redis, node => 'h2', workers => 1,
                  server => "listen 127.0.0.1:$port http2;");
    $h2->wait_ready;
    my $file = spew(dir() . '/lines', join '', @lines[0 .. 19_999]);
    my @command = ('curl', '-s', '--http2-prior-knowledge', '--max-time', 60,
                   '-H', 'X-Principal: operator ann',
                   '-H', "Content-Type: $type", '--data-binary', "\@$file",
                   "http://127.0.0.1:$port/token-revoke/tokens");
    open my $curl, '-|', @command or die "curl: $!\n";
    my $out = join '', <$curl>;
    is(json($out)->{already}, 20_000, 'HTTP/2');
    $h2->stop;
}


# a reload half-way, and Redis that goes away

sub half_way {
    my ($code, $start) = @_;
    my $before = count();
    my @more = map { line($start + $_) } 1 .. 20_000;
    my $text = join '', @more;
    my $link = begin('Content-Length: ' . length $text);
    print $link substr $text, 0, length($text) / 2, '';
    wait_for(10, sub { count() - $before >= 1000 }) or fail('does not begin');
    $code->();
    print $link $text;
    my $answer = TRV::Http::read_all($link, 20);
    return ($answer, json($answer->{body}), $before);
}

my ($problem, $before);

($answer) = half_way(sub { $edge->signal('HUP') }, 600_000);
counts_are($answer, '20000 0 0 0', 'the worker of before a reload ends it');
ok(wait_for(10, sub { $edge->workers == 1 }), 'and then itself');
$edge->wait_ready;

($answer, $problem, $before) = half_way(sub { $redis->freeze }, 300_000);
is($answer->{status}, 504, 'Redis stops: nobody knows');
like($problem->{type}, qr/:outcome-unknown$/, 'the type');
like($problem->{detail}, qr/Lines \d+ to \d+ were sent to Redis and not/,
     'which lines');
my ($from, $to) = $problem->{detail} =~ /Lines (\d+) to (\d+)/;
is($problem->{line}, $from, 'the line');
is($problem->{registered}, $from - 1, 'what is known to be there');
cmp_ok($to - $from, '<', 200, 'no more than a batch');
$redis->thaw;
wait_for(5, sub { count() >= $before + $from - 1 });
counts_are(post(join '', map { line(300_000 + $_) } 1 .. $from - 1),
           '0 0 ' . ($from - 1) . ' 0', 'all lines before it are there');
$answer = post(join '', map { line(300_000 + $_) } 1 .. 20_000);
is($answer->{status}, 200, 'repeated');
is(count(), $before + 20_000, 'and settled');

$edge->wait_ready;
($answer, $problem) = half_way(sub {
    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
}, 400_000);
is($answer->{status}, 503, 'Redis is full');
is(TRV::Http::header($answer, 'Retry-After'), 1, 'try again');
like($problem->{detail}, qr/\(OOM\).*The lines before line \d+ are on record/,
     'says so');
is($problem->{line}, $problem->{registered} + 1, 'from which line on');
$redis->command('CONFIG', 'SET', 'maxmemory', 0);

$redis->stop;
$answer = post(line(500_000));
is($answer->{status}, 503, 'no Redis');
like(json($answer->{body})->{detail}, qr/cannot be reached/, 'says so');
$answer = $edge->register(line(500_000));
is($answer->{status}, 503, 'no Redis, one record');
like(json($answer->{body})->{detail},
     qr/cannot be reached: please try again\. Nothing was changed/, 'says so');

is(scalar $edge->logged(qr/exited on signal/), 0, 'no worker has died');

finish();
