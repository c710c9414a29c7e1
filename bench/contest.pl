#!/usr/bin/perl

# What a check costs: CPU of the server's worker per call, beside what people
# would use instead.  All servers of a table run at the same time; each round
# loads one after the other, the server without a check first and last.
#
# contest.pl [NAME ...]: only these contestants, and the floor

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Bench::Server;
use TRV;

alarm 0;

my $TOKENS = 100000;
my $LEN = $ENV{BENCH_TOKEN_LEN} || 43;
my @SIZES = split ' ', $ENV{BENCH_SIZES}
            || (quick() ? '0 1000000' : '0 1000 1000000 10000000');
my $ROUNDS = $ENV{BENCH_ROUNDS} || (quick() ? 3 : 7);

my @CONTESTANTS = (
    { name => 'module', title => 'this module', conf => 'module.conf',
      prepare => \&prepare_module },
    { name => 'dry_run', title => 'this module, dry run',
      conf => 'module.conf', prepare => \&prepare_module },
    { name => 'map', title => 'nginx `map` from a file', conf => 'map.conf',
      prepare => \&prepare_map, most => 1000000 },
    { name => 'lua_dict', title => 'Lua, shared dictionary',
      conf => 'lua_dict.conf', prepare => \&prepare_dict },
    { name => 'lua_redis', title => 'Lua, Redis at each call',
      conf => 'lua_redis.conf', prepare => \&prepare_set, most => 1000000 },
    { name => 'njs', title => 'njs (entry only)', conf => 'njs.conf',
      prepare => \&prepare_njs, most => 1000 },
    { name => 'auth_request', title => '`auth_request`, local checker',
      conf => 'auth_request.conf', most => 1000 },
    { name => 'haproxy_none', title => 'HAProxy, no check',
      conf => 'haproxy.cfg', options => { ACL => '' } },
    { name => 'haproxy', title => 'HAProxy, ACL file', conf => 'haproxy.cfg',
      prepare => \&prepare_haproxy },
);

my %wanted = map { $_ => 1 } @ARGV;
@CONTESTANTS = grep { $wanted{ $_->{name} } } @CONTESTANTS if %wanted;

mkdir dir() . '/www';
spew(dir() . '/www/file', "ok\n");
my %COMMON = (WWW => dir() . '/www', API => dir() . '/api.sock');


sub redis_of_set {
    my ($size) = @_;
    my $redis = redis();
    load_redis($redis, $size, $LEN);
    $redis->command('SET', 'nothing', 1) unless $size;
    return $redis;
}


sub prepare_module {
    my ($contestant, $shared) = @_;
    $shared->{redis} ||= redis_of_set($shared->{size});
    return (REDIS => $shared->{redis}{socket},
            DRY_RUN => $contestant->{name} eq 'dry_run' ? 'on' : 'off');
}


# a line for each token of the set
sub lines {
    my ($size, $name, $before, $behind) = @_;
    my $file = dir() . "/$name-$size";
    return $file if -e $file;
    spew($file, ''), return $file unless $size;
    shell(program('tokens') . " list 0 $size $LEN"
          . " | sed 's/^/$before/; s/\$/$behind/' > $file");
    return $file;
}


sub prepare_map {
    my ($contestant, $shared) = @_;
    my $size = $shared->{size};
    return (MAP => lines($size, 'map', '"Bearer ', '" 1;'),
            MAP_SIZE => $size < 2048 ? 2048 : $size);
}


sub prepare_dict {
    my ($contestant, $shared) = @_;
    my $size = $shared->{size};
    my $megabytes = int($size * ($LEN + 85) / 1e6) + 10;
    return (SET => lines($size, 'set', '', ''), DICT_SIZE => "${megabytes}m");
}


sub prepare_set {
    my ($contestant, $shared) = @_;
    my $redis = redis();
    shell(program('tokens') . " set 0 $shared->{size} $LEN revoked"
          . " | redis-cli -s $redis->{socket} --pipe > /dev/null")
        if $shared->{size};
    return (REDIS => $redis->{socket});
}


sub prepare_njs {
    my ($contestant, $shared) = @_;
    my @set = split /\n/, slurp(lines($shared->{size}, 'set', '', ''));
    my $json = spew(dir() . "/set-$shared->{size}.json",
                    JSON::PP->new->encode({ map { $_ => 1 } @set }));
    return (SET_JSON => $json,
            CHECK_JS => "$FindBin::Bin/contestants/check.js");
}


sub prepare_haproxy {
    my ($contestant, $shared) = @_;
    my $file = lines($shared->{size}, 'acl', 'Bearer ', '');
    return (ACL => "acl revoked req.fhdr(authorization) -f $file\n"
                   . '    http-request deny deny_status 401 if revoked');
}


sub start_contestant {
    my ($contestant, $shared) = @_;

    return if $contestant->{most} && $shared->{size} > $contestant->{most};

    my %values = $contestant->{prepare}
                 ? $contestant->{prepare}->($contestant, $shared) : ();
    my $server = Bench::Server->new(conf => $contestant->{conf}, seconds => 900,
                                    %COMMON, %{ $contestant->{options} || {} },
                                    %values);
    $server->wait_ready(600) if $contestant->{conf} eq 'module.conf';
    return $server;
}


# a check that refuses nothing would be a cheap one
sub check_refused {
    my ($name, $seen, $size) = @_;
    my $want = $size && $name !~ /^(none|dry_run|haproxy_none)$/ ? 0.01 : 0;
    my $got = $seen->{refused} / $seen->{calls};
    die "$name refused $got of the calls, not $want\n"
        if abs($got - $want) > 0.002;
}


# one list of results for each server, rounds in turns
sub compare {
    my ($servers, $path, $list, $size) = @_;

    my %results;
    my @order = sort keys %$servers;

    for my $round (0 .. $ROUNDS) {
        my %cpu;
        @order = reverse @order;

        for my $name ('none', (grep { $_ ne 'none' } @order), 'none') {
            my $server = $servers->{$name};
            my $seen = call_load($server->{worker}, $server->url($path), $list);
            die "$name: $seen->{failed} calls failed\n" if $seen->{failed};
            check_refused($name, $seen, $size);
            push @{ $cpu{$name} }, $seen;
        }

        next unless $round;             # the first one warms up

        my $floor = median(map { $_->{cpu} } @{ $cpu{none} });

        for my $name (keys %cpu) {
            for my $seen (@{ $cpu{$name} }) {
                push @{ $results{$name} },
                    { %$seen, ratio => $seen->{cpu} / $floor };
            }
        }
    }

    return \%results;
}


sub print_results {
    my ($results) = @_;

    my @rows = [ 'check', 'CPU a call, us', 'over none', 'p50 us', 'p99 us',
                 'refused' ];

    for my $c ({ name => 'none', title => 'nginx, no check' }, @CONTESTANTS) {
        my @seen = @{ $results->{ $c->{name} } || [] } or next;
        my $share = 100 * median(map { $_->{refused} / $_->{calls} } @seen);
        push @rows, [ $c->{title},
                      spread('%.2f', map { $_->{cpu} } @seen),
                      spread('%.3f', map { $_->{ratio} } @seen),
                      sprintf('%d', median(map { $_->{p50} } @seen)),
                      sprintf('%d', median(map { $_->{p99} } @seen)),
                      sprintf('%.1f %%', $share) ];
    }

    table(@rows);
}


# its checker holds the tokens that the load has of any set
Bench::Server->new(conf => 'api.conf', cpu => $Bench::CPU_CLIENT, %COMMON,
                   MAP => lines(1000, 'map', '"Bearer ', '" 1;'));

for my $size (@SIZES) {
    my %shared = (size => $size);
    my $list = tokens($size, $LEN, $TOKENS);
    my %servers = (none => Bench::Server->new(conf => 'none.conf', %COMMON));
    my @notes;

    for my $contestant (@CONTESTANTS) {
        my $server = eval { start_contestant($contestant, \%shared) };
        push @notes, "$contestant->{title}: $@" if $@;
        next unless $server;
        $servers{ $contestant->{name} } = $server;
        push @notes, sprintf '%s: ready in %.1f s, %.0f MB resident',
                             $contestant->{title}, $server->{started_in},
                             $server->memory / 1e6;
    }

    for my $answer ([ '/file/file', 'a tiny file' ],
                    [ '/api/x', 'a proxied answer' ]) {
        heading("$size revocations, $LEN-byte token, $answer->[1]");
        print_results(compare(\%servers, $answer->[0], $list, $size));
    }

    note("- $_") for @notes;

    $_->stop for values %servers;
    $shared{redis}->stop if $shared{redis};
}
