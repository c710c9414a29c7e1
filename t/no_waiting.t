#!/usr/bin/perl

# A passed call waits for nothing: a worker under load makes the same system
# calls with the check as without it.  Seen with strace.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

plan(skip_all => 'a sanitizer makes system calls of its own')
    if $ENV{TRV_NGINX};

plan(skip_all => 'strace may not trace here')
    if system('strace -qq -o /dev/null true 2>/dev/null') != 0;

my $calls = 300;

my $redis = redis();
my $edge = edge(redis => $redis, workers => 1, later => 1);
$edge->configure(server => "location /plain/ { alias $edge->{dir}/www/; } "
                           . 'add_header X-Worker $pid always;');
push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;

my $bad = token();
is($edge->revoke({ tokens => [ $bad, map { token() } 1 .. 900 ] })->{status},
   200, 'revoked');

# the worker that follows Redis has its own business: look at another one
$edge->configure(workers => 3);
$edge->reload;
$edge->wait_ready;
my $writer;
ok(wait_for(10, sub {
    $writer = $edge->writer;
    grep { $_ == $writer } $edge->workers;
}), 'one of them writes');


# the system calls of a worker between request and answer, by keep-alive
sub trace {
    my ($uri, $token, $expected) = @_;

    my ($worker, $link);

    # of some connections at a time, one that another worker has accepted
    for (1 .. 50) {
        my @links = map { TRV::Http::open_link($edge->{socket}) } 1 .. 20;
        print $_ TRV::Http::format_request('GET', $uri, keep => 1,
            headers => [ Authorization => "Bearer $token" ]) for @links;
        for (@links) {
            my $pid = TRV::Http::header(TRV::Http::read_one($_), 'X-Worker');
            ($link, $worker) = ($_, $pid) if $pid && $pid != $writer;
        }
        last if $worker;
    }
    die "no worker took the connection\n" unless $worker;

    my $out = dir() . '/strace.out';
    my $pid = TRV::Process->spawn(dir() . '/strace.err', 'strace', '-p',
                                  $worker, '-o', $out);
    wait_for(10, sub { slurp(dir() . '/strace.err') =~ /attached/ })
        or die "strace does not attach\n";
    unlink dir() . '/strace.err';

    my $wrong = 0;
    for (1 .. $calls) {
        print $link TRV::Http::format_request('GET', $uri, keep => 1,
            headers => [ Authorization => "Bearer $token" ]);
        $wrong++ if TRV::Http::read_one($link)->{status} != $expected;
    }

    my $strace = bless { pid => $pid }, 'TRV::Process';
    $strace->end_by('INT', 10);
    is($wrong, 0, "$uri: $calls answers were $expected");

    my %seen;
    $seen{$_}++ for slurp($out) =~ /^(\w+)\(/mg;
    unlink $out;
    return \%seen;
}

my $plain = trace('/plain/file', token(), 200);
my $checked = trace('/file/file', token(), 200);

# per call, rounded: what a timer of the module does now and then is not part
# of the check
my %all = (%$plain, %$checked);
my %more;
for my $name (keys %all) {
    my $difference = (($checked->{$name} || 0) - ($plain->{$name} || 0))
                     / $calls;
    $more{$name} = $difference if $difference > 0.4;
}

is_deeply(\%more, {}, 'the check adds no system call')
    or diag(explain({ plain => $plain, checked => $checked }));
ok(!grep({ /^(futex|fsync|mmap|connect|sendto)$/ } keys %$checked),
   'no locks, no files: ' . join(' ', sort keys %$checked));
ok(($plain->{recvfrom} || $plain->{read} || 0) >= $calls,
   'strace has seen the calls');


# with Redis frozen a passed call takes no longer

$redis->freeze;
my $frozen = trace('/file/file', token(), 200);
my $refused = trace('/file/file', $bad, 401);
ok($frozen && $refused, 'with Redis frozen they go on');
$redis->thaw;

finish();
