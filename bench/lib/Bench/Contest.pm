package Bench::Contest;

# This module and what people would use instead, each in a server of its own,
# all at the same time; every round loads one after the other, the server
# without a check in between.
#
#     my $contest = Bench::Contest->new(size => 1000000, len => 43);
#     $contest->run('/file/file');
#     $contest->stop;
#
# new: names (only these contestants, none: all), tls (as of Bench::Server);
# run: what url() of a server wants besides, and how load_start() is to call it.

use strict;
use warnings;

use FindBin;
use Bench;
use Bench::Server;
use TRV;

my $TOKENS = 100000;
my $START_SEC = 240;                    # whoever needs longer does not hold it
my $ROUNDS = $ENV{BENCH_ROUNDS} || (quick() ? 1 : 4);
my $WARM = quick() ? 0 : 1;             # rounds before them
my %NEAR = map { $_ => 1 } qw(module map);      # to the floor

my @CONTESTANTS = (
    { name => 'none', title => 'nginx, no check', conf => 'none.conf' },
    { name => 'module', title => 'this module', conf => 'module.conf',
      prepare => \&prepare_module },
    { name => 'dry_run', title => 'this module, dry run',
      conf => 'module.conf', prepare => \&prepare_module },
    { name => 'map', title => 'nginx `map` from a file', conf => 'map.conf',
      prepare => \&prepare_map, most => 1000000,
      why => 'nginx read 10 M for 3.5 minutes at each start and reload' },
    { name => 'lua_dict', title => 'Lua, shared dictionary',
      conf => 'lua_dict.conf', prepare => \&prepare_dict },
    { name => 'lua_redis', title => 'Lua, Redis at each call',
      conf => 'lua_redis.conf', prepare => \&prepare_set },
    { name => 'njs', title => 'njs (entry only)', conf => 'njs.conf',
      prepare => \&prepare_njs, most => 1000,
      why => 'a list in a script, not meant for more' },
    { name => 'auth_request', title => '`auth_request`, local checker',
      conf => 'auth_request.conf', most => 1000,
      why => 'its checker is a `map`' },
    { name => 'haproxy_none', title => 'HAProxy, no check',
      conf => 'haproxy.cfg', options => { ACL => '' } },
    { name => 'haproxy', title => 'HAProxy, ACL file', conf => 'haproxy.cfg',
      prepare => \&prepare_haproxy },
);


sub new {
    my ($class, %options) = @_;

    my $self = bless { %options, servers => {}, notes => [] }, $class;
    my %wanted = map { $_ => 1 } 'none', @{ $options{names} || [] };

    $self->{contestants} = [ grep { $wanted{ $_->{name} } || keys %wanted == 1 }
                             @CONTESTANTS ];
    $self->{list} = tokens($self->{size}, $self->{len}, $TOKENS);

    # its checker holds the tokens that the load has of any set
    $self->{backend} = Bench::Server->backend(
        MAP => $self->lines(1000, 'map', '"Bearer ', '" 1;'),
        MAP_BUCKET => $self->bucket);

    # all at the same time, those first that need nobody else for it
    my @ours = grep { $_->{conf} eq 'module.conf' } @{ $self->{contestants} };
    my @others = grep { $_->{conf} ne 'module.conf' } @{ $self->{contestants} };
    $self->start($_) for @others, @ours;
    $self->await($_) for @{ $self->{contestants} };
    return $self;
}


sub start {
    my ($self, $contestant) = @_;

    my ($name, $most, $prepare) = @$contestant{qw(name most prepare)};

    if ($most && $self->{size} > $most) {
        $self->{absent}{$name} = "measured up to $most, $contestant->{why}";
        return;
    }

    $self->{servers}{$name} = Bench::Server->new(
        conf => $contestant->{conf}, later => 1, seconds => $START_SEC,
        %{ $self->{backend}{world} }, tls => $self->{tls},
        %{ $contestant->{options} || {} },
        $prepare ? $prepare->($self, $name) : ());
}


sub await {
    my ($self, $contestant) = @_;

    my ($name, $title) = @$contestant{qw(name title)};
    my $server = $self->{servers}{$name} or return;

    if (!eval { $server->await }) {
        ($self->{absent}{$name}) = $@ =~ /^(.*)/;
        delete $self->{servers}{$name};
        return;
    }

    $server->wait_ready($START_SEC) if $contestant->{conf} eq 'module.conf';
    push @{ $self->{notes} }, sprintf '%s: %.0f MB resident', $title,
                              $server->memory / 1e6;
}


# both on one replica, as nginx may be
sub prepare_module {
    my ($self, $name) = @_;

    if (!$self->{redis}) {
        my $redis = $self->{redis} = redis();
        load_redis($redis, @$self{qw(size len)});
        $redis->command('SET', 'nothing', 1) unless $self->{size};
    }

    return (REDIS => $self->{redis}{socket}, REPLICA => $self->replica,
            DRY_RUN => $name eq 'dry_run' ? 'on' : 'off');
}


sub replica { dir() . "/replica-$_[0]{size}-$_[0]{len}" }

sub bucket { $_[0]{len} > 100 ? 1024 : 128 }


# a line for each token of the set
sub lines {
    my ($self, $size, $name, $before, $behind) = @_;
    my $file = dir() . "/$name-$size-$self->{len}";
    return $file if -e $file;
    spew($file, ''), return $file unless $size;
    shell(program('tokens') . " list 0 $size $self->{len}"
          . " '$before' '$behind' > $file");
    return $file;
}


sub prepare_map {
    my ($self) = @_;
    my $size = $self->{size};
    return (MAP => $self->lines($size, 'map', '"Bearer ', '" 1;'),
            MAP_SIZE => $size < 2048 ? 2048 : $size,
            MAP_BUCKET => $self->bucket);
}


sub prepare_dict {
    my ($self) = @_;
    my $megabytes = int($self->{size} * ($self->{len} + 85) / 1e6) + 10;
    return (SET => $self->lines($self->{size}, 'set', '', ''),
            DICT_SIZE => "${megabytes}m");
}


sub prepare_set {
    my ($self) = @_;
    my $redis = $self->{set} = redis();
    shell(program('tokens') . " set 0 $self->{size} $self->{len} revoked"
          . " | redis-cli -s $redis->{socket} --pipe > /dev/null")
        if $self->{size};
    return (REDIS => $redis->{socket});
}


sub prepare_njs {
    my ($self) = @_;
    my $size = $self->{size};
    my @set = split /\n/, slurp($self->lines($size, 'set', '', ''));
    my $json = spew(dir() . "/set-$size.json",
                    JSON::PP->new->encode({ map { $_ => 1 } @set }));
    return (SET_JSON => $json,
            CHECK_JS => "$FindBin::Bin/contestants/check.js");
}


sub prepare_haproxy {
    my ($self) = @_;
    my $file = $self->lines($self->{size}, 'acl', 'Bearer ', '');
    return (ACL => "acl revoked req.fhdr(authorization) -f $file\n"
                   . '    http-request deny deny_status 401 if revoked');
}


# a check that refuses nothing would be a cheap one
sub check_refused {
    my ($self, $name, $seen) = @_;
    my $want = $self->{size} && $name !~ /^(none|dry_run|haproxy_none)$/
               ? 0.01 : 0;
    my $got = $seen->{refused} / $seen->{calls};
    die "$name refused $got of the calls, not $want\n"
        if abs($got - $want) > 0.002;
}


# one turn of a server
sub load {
    my ($self, $name, $path, %options) = @_;
    my $server = $self->{servers}{$name};
    my $seen = call_load($server->{worker},
                         $server->url($path, $options{protocol}),
                         $self->{list}, %options);
    die "$name: $seen->{failed} calls failed\n" if $seen->{failed};
    $self->check_refused($name, $seen);
    return $seen;
}


# One list of results for each server, rounds in turns.  The machine is now
# faster and now slower: what is near the floor has the floor before and behind
# it, and all are compared with those of the floor that are next to them.
sub compare {
    my ($self, $path, %options) = @_;

    my %results;
    my @order = grep { $_ ne 'none' } sort keys %{ $self->{servers} };

    for my $round (1 - $WARM .. $ROUNDS) {
        @order = reverse @order;
        my @turns = ('none', (map { $NEAR{$_} ? ('none', $_, 'none') : $_ }
                                  @order), 'none');
        my @seen = map { $self->load($_, $path, %options) } @turns;

        next if $round < 1;             # it warms up

        my @floors = grep { $turns[$_] eq 'none' } 0 .. $#turns;

        for my $i (0 .. $#turns) {
            my ($before) = grep { $_ < $i } reverse @floors;
            my ($behind) = grep { $_ > $i } @floors;
            my @cpu = map { $seen[$_]{cpu} } grep { defined } $before, $behind;
            push @{ $results{ $turns[$i] } },
                { %{ $seen[$i] }, ratio => $seen[$i]{cpu} / median(@cpu) };
        }
    }

    return \%results;
}


sub run {
    my ($self, $path, %options) = @_;

    my $results = $self->compare($path, %options);
    my @rows = [ 'check', 'CPU a call, us', 'over none', 'p50 us', 'p99 us',
                 'refused' ];

    for my $c (@{ $self->{contestants} }) {
        my @seen = @{ $results->{ $c->{name} } || [] };

        if (!@seen) {
            push @rows, [ $c->{title}, "does not hold $self->{size}: "
                          . $self->{absent}{ $c->{name} }, ('-') x 4 ];
            next;
        }

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


sub notes { @{ $_[0]{notes} } }


sub stop {
    my ($self) = @_;
    $_->stop for values %{ $self->{servers} }, $self->{backend};
    $_->stop for grep { $_ } @$self{qw(redis set)};
    shell('rm -rf ' . $self->replica);
}

1;
