#!/usr/bin/perl

# Many revocations: the same one on three edges at once, hundreds a second
# spread over the edges, and a hundred thousand by scope while calls go on.
# All are answered, all edges are equal in the end, and calls do not wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util ();
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

my $soak = $ENV{TRV_SOAK};
my $fleet = TRV::Fleet->new(3, workers => 1, set => 'timeout 20s;',
                            http => 'keepalive_requests 1000000;');
my @edges = $fleet->edges;
my $redis = $fleet->redis;

# runs code->() in a process of its own; what it returns comes by result()
sub start {
    my ($code) = @_;
    pipe my $reader, my $writer or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        close $reader;
        print $writer JSON::PP::encode_json($code->());
        close $writer;
        POSIX::_exit(0);
    }
    return [ $pid, $reader ];
}

sub result {
    my ($pid, $reader) = @{ $_[0] };
    my $text = do { local $/; <$reader> };
    waitpid $pid, 0;
    return json($text);
}

sub at {
    my ($time) = @_;
    my $left = $time - Time::HiRes::time();
    Time::HiRes::sleep($left) if $left > 0;
}

# so many that looking for each in every log would take long; other tests do
my $made = 0;
sub some_token { 'load-' . ++$made . '-' . 'x' x 100 }


# the same on three edges at once

my $rounds = $soak ? 200 : 20;
my @same = map { [ map { some_token() } 1 .. 20 ] } 1 .. $rounds;
my $begin = Time::HiRes::time() + 0.5;
my $since = $fleet->now;

my @at_once = map {
    my $edge = $_;
    start(sub {
        my $link = TRV::Http::open_link($edge->{socket});
        my @got;
        for my $n (0 .. $#same) {
            at($begin + $n * 0.02);
            my $answer = TRV::Http::ask($link, TRV::Http::revocation({
                tokens => $same[$n] }));
            push @got, [ $answer->{status},
                         json($answer->{body})->{already} ];
        }
        return { got => \@got };
    });
} @edges;

my @got = map { result($_)->{got} } @at_once;
is(scalar(grep { $_->[0] != 200 } map { @$_ } @got), 0,
   'the same on three edges at once: all are answered with 200');
is(scalar(grep { my $n = $_; 40 != eval { my $sum = 0;
                 $sum += $_->[$n][1] for @got; $sum } } 0 .. $#same), 0,
   'each is new to exactly one of them');
ok($fleet->settled($since), 'the edges are equal');
is($redis->command('ZCARD', '{partners}:revoked'), 20 * $rounds,
   'each is there once');


# hundreds a second, spread over the edges

my ($rate, $seconds) = (500, $soak ? 30 : 3);
my $each = int($rate * $seconds / @edges);
my %tokens = map { $_->{node} => [ map { some_token() } 1 .. $each ] } @edges;
$begin = Time::HiRes::time() + 0.5;
$since = $fleet->now;

my @spread = map {
    my $edge = $_;
    start(sub {
        my $link = TRV::Http::open_link($edge->{socket});
        my %statuses;
        my $late = 0;
        for my $n (0 .. $each - 1) {
            my $due = $begin + $n * @edges / $rate;
            at($due);
            my $answer = TRV::Http::ask($link, TRV::Http::revocation({
                token => $tokens{$edge->{node}}[$n] }));
            $statuses{ $answer->{status} }++;
            my $ms = 1000 * (Time::HiRes::time() - $due);
            $late = $ms if $ms > $late;
        }
        return { statuses => \%statuses, late => $late,
                 seconds => Time::HiRes::time() - $begin };
    });
} @edges;

for my $edge (@edges) {
    my $got = result(shift @spread);
    is_deeply($got->{statuses}, { 200 => $each },
              "$edge->{node}: all $each are answered with 200");
    note(sprintf '%d a second, the last answer to a request %.0f ms late',
         $each / $got->{seconds}, $got->{late});
}

ok($fleet->settled($since, 30), 'the edges are equal');
for my $edge (@edges) {
    is(scalar $fleet->judged_otherwise($edge, 401, map { @$_ } values %tokens),
       0, "$edge->{node} refuses all of them");
}


# a hundred thousand by scope, while calls go on; the edge that is called, and
# who calls it, run before all else on a processor of their own, if they may:
# what they wait for then is each other

sub prefer {
    for my $pid (@_) {
        my $said = `{ taskset -cp 0 $pid && chrt -rp 1 $pid; } 2>&1`;
        note($said) if $?;
    }
}

# calls of an edge until it is told to stop: [ when, ms ] of each
sub calls_of {
    my ($edge) = @_;
    my $stop;
    local $SIG{USR1} = sub { $stop = 1 };
    my @links = map { TRV::Http::open_link($edge->{socket}) } 1 .. 4;
    my $bytes = TRV::Http::format_request('GET', '/api/x', keep => 1,
        headers => [ Authorization => 'Bearer ' . 'x' x 140 ]);
    my (@calls, %statuses);
    my $due = Time::HiRes::time();
    until ($stop) {
        at($due);
        my $start = Time::HiRes::time();
        my $answer = TRV::Http::ask($links[@calls % 4], $bytes);
        last if $stop;                   # it was interrupted
        push @calls, [ $start, 1000 * (Time::HiRes::time() - $start) ];
        $statuses{ $answer->{status} }++;
        $due = List::Util::max($due + 0.002, Time::HiRes::time());
    }
    return { calls => \@calls, statuses => \%statuses };
}

my ($edge) = @edges;
my $parts = $soak ? 5 : 3;
my $part = $soak ? 100_000 : 20_000;
my $expiry = time + 100 * 86400;
my @ratios;

prefer($edge->workers);

for my $n (1 .. $parts) {
    my $answer = $edge->register_lines([
        map { '{"id":"' . token_id("scope $n $_") . "\",\"partner\":\"p$n\","
              . "\"store\":\"s\",\"expires_at\":$expiry}" } 1 .. $part ]);
    is($answer->{status}, 200, "$part tokens on record");

    my $calls = start(sub { prefer($$); calls_of($edge) });
    Time::HiRes::sleep(1.8);
    my $from = Time::HiRes::time();
    $answer = TRV::Http::raw($edge->{socket},
        TRV::Http::revocation({ partner => "p$n", expect => $part }) =~
            s/\r\n\r\n/\r\nConnection: close\r\n\r\n/r, seconds => 250);
    my $to = Time::HiRes::time();
    kill 'USR1', $calls->[0];
    my $got = result($calls);

    is($answer->{status}, 200, 'revoked')
        or diag(substr $answer->{body}, 0, 300);
    is(join(' ', keys %{ $got->{statuses} }), 200, 'calls have passed');

    my @before = map { $_->[1] } grep { $_->[0] > $from - 1.5
                                        && $_->[0] < $from } @{ $got->{calls} };
    my @during = map { $_->[1] } grep { $_->[0] > $from && $_->[0] < $to }
                 @{ $got->{calls} };
    my ($p99_before, $p99_during) = map { quantile(0.99, @$_) } \@before,
                                                                 \@during;
    push @ratios, $p99_during / $p99_before;
    note(sprintf '%d revoked in %.1f s; a call takes, before: median %.2f ms, '
         . 'p99 %.2f ms of %d; meanwhile: %.2f ms, %.2f ms of %d, at most '
         . '%.1f ms', $part, $to - $from, quantile(0.5, @before), $p99_before,
         scalar @before, quantile(0.5, @during), $p99_during, scalar @during,
         quantile(1, @during));
}

# others may run here too, but for the long form
my $ratio = quantile(0.5, @ratios);
cmp_ok($ratio, '<', $soak ? 2 : 20, "p99 of calls: $ratio times that of before");

ok(wait_for(15, sub { $_->state->{agrees} }), "$_->{node} agrees") for @edges;

finish();
