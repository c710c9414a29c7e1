package Bench::Contest;

# This module and what people would use instead, each in a server of its own
# with a load of its own, all at the same time; the loads run in short turns.
#
#     my $contest = Bench::Contest->new(size => 1000000, len => 43, rounds => 6);
#     $contest->run('/file/file');
#     $contest->stop;
#
# new: names (only these contestants, none: all), tls (as of Bench::Server),
# rounds (of those near the floor);
# run: what url() of a server wants besides, and how load_start() is to call it.

use strict;
use warnings;

use FindBin;
use List::Util 'shuffle';
use Bench;
use Bench::Server;
use TRV;

my $TOKENS = 100000;
my $START_SEC = 240;                    # whoever needs longer does not hold it
my $ROUGH_ROUNDS = quick() ? 1 : 2;     # of those far from the floor
my $PASSES = 10;                        # turns of each, a round
my $TURN_SEC = 0.05;

my @FLOOR = qw(none none_again);

my @CONTESTANTS = (
    { name => 'none', title => 'nginx, no check', conf => 'none.conf' },
    { name => 'none_again', title => 'nginx, no check, again',
      conf => 'none.conf' },
    { name => 'module', title => 'this module', conf => 'module.conf',
      prepare => \&prepare_module },
    { name => 'dry_run', title => 'this module, dry run',
      conf => 'module.conf', prepare => \&prepare_module },
    { name => 'map', title => 'nginx `map` from a file', conf => 'map.conf',
      prepare => \&prepare_map, most => 1000000, anew => 100000,
      why => 'nginx read 10 M for 3.5 minutes at each start and reload' },
    { name => 'lua_dict', title => 'Lua, shared dictionary',
      rough => 1, conf => 'lua_dict.conf', prepare => \&prepare_dict },
    { name => 'lua_redis', title => 'Lua, Redis at each call',
      rough => 1, conf => 'lua_redis.conf', prepare => \&prepare_set },
    { name => 'njs', title => 'njs (entry only)',
      rough => 1, conf => 'njs.conf', prepare => \&prepare_njs, most => 1000,
      why => 'a list in a script, not meant for more' },
    { name => 'auth_request', title => '`auth_request`, local checker',
      rough => 1, conf => 'auth_request.conf', most => 1000,
      why => 'its checker is a `map`' },
    { name => 'haproxy_none', title => 'HAProxy, no check',
      rough => 1, conf => 'haproxy.cfg', options => { ACL => '' } },
    { name => 'haproxy', title => 'HAProxy, ACL file',
      rough => 1, conf => 'haproxy.cfg', prepare => \&prepare_haproxy },
);


sub new {
    my ($class, %options) = @_;

    my $self = bless { %options, servers => {} }, $class;
    my @names = @{ $options{names} || [] };
    my %wanted = map { $_ => 1 } @FLOOR, @names;

    $self->{contestants} = [ grep { !@names || $wanted{ $_->{name} } }
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
    my $server = $self->{servers}{$name} or return 0;

    if (!eval { $server->await }) {
        ($self->{absent}{$name}) = $@ =~ /^(.*)/;
        delete $self->{servers}{$name};
        return 0;
    }

    $server->wait_ready($START_SEC) if $contestant->{conf} eq 'module.conf';
    $self->{resident}{$name} ||= sprintf '%s: %.0f MB resident', $title,
                                 $server->memory / 1e6;
    return 1;
}


# all on one replica, as nginx may be
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
    my $want = $self->{size} && $name !~ /^(none|dry_run|haproxy_none)/
               ? 0.01 : 0;
    my $got = $seen->{refused} / $seen->{calls};
    die "$name refused $got of the calls, not $want\n"
        if abs($got - $want) > 0.002;
}


sub load {
    my ($self, $name, $path, %options) = @_;
    return load_start($self->{servers}{$name}->url($path, $options{protocol}),
                      $self->{list}, %options);
}


# what a load saw at its end
sub seen {
    my ($self, $name, $load) = @_;
    my $seen = load_end($load);
    die "$name: $seen->{failed} calls failed\n" if $seen->{failed};
    $self->check_refused($name, $seen);
    return $seen;
}


# those that are to run in turns: stopped, when it has had its tokens and made
# its first calls
sub load_stopped {
    my ($self, $name, $path, %options) = @_;
    my $load = $self->load($name, $path, %options, seconds => 3600);
    wait_for(30, sub { ($self->turn($name, $load, 0.02))[0] > 100 })
        or die "$name has no calls\n";
    return $load;
}


sub turn {
    my ($self, $name, $load, $seconds) = @_;
    return load_turn($load, $self->{servers}{$name}{worker}, $seconds);
}


# CPU a call of each, us: a list of passes.  What is slow or fast for more than
# a pass is so for all alike, and what is so for less is in one of many.  Of what
# a worker does without calls only the share that falls into its turns is counted.
sub passes {
    my ($self, $loads) = @_;
    my @passes;

    for (1 .. $PASSES) {
        my %us;
        for (shuffle(keys %$loads)) {
            my ($calls, $ns) = $self->turn($_, $loads->{$_}, $TURN_SEC);
            $us{$_} = $ns / 1000 / $calls if $calls;
        }
        push @passes, \%us if keys %us == keys %$loads;
    }

    return @passes;
}


sub floor { median(map { $_[0]{$_} } @FLOOR) }


# the half of the passes in which the servers of the floor differ least: in the
# others the host was busy with something else
sub quiet {
    my @passes = sort { differ($a) <=> differ($b) } @_;
    return @passes[0 .. $#passes / 2];
}

sub differ {
    my ($pass) = @_;
    return abs($pass->{ $FLOOR[0] } - $pass->{ $FLOOR[1] }) / floor($pass);
}


# medians of a server: of the quiet passes of all rounds, with those of the
# lowest and the highest round, by what is asked of a pass
sub summary {
    my ($rounds, $format, $ask) = @_;
    my @rounds = map { median(map { $ask->($_) } @$_) } @$rounds;
    return sprintf "$format ($format - $format)",
                   median(map { $ask->($_) } quiet(map { @$_ } @$rounds)),
                   lowest(@rounds), highest(@rounds);
}


# a round of these servers: its passes
sub round {
    my ($self, $names, $path, %options) = @_;

    my %loads = map { $_ => $self->load_stopped($_, $path, %options) } @$names;
    my @passes = $self->passes(\%loads);

    load_interrupt(values %loads);
    $self->seen($_, $loads{$_}) for @$names;

    return \@passes;
}


# Rounds of these servers: a list of passes for each.  Servers that are the same
# differ by where they got their memory, as long as they live: those near the
# floor are started anew for each round, if they do not take too long for it.
sub rounds {
    my ($self, $rounds, $names, $path, %options) = @_;

    my @rounds;
    my %among = map { $_ => 1 } @$names;
    my @anew = grep { $among{ $_->{name} } && !$_->{rough}
                      && $self->{size} <= ($_->{anew} // $self->{size}) }
               @{ $self->{contestants} };

    for (1 .. $rounds) {
        push @rounds, $self->round($names, $path, %options);

        $self->{servers}{ $_->{name} }->stop for @anew;
        $self->{servers}{ $_->{name} }->start for shuffle(@anew);
        $self->await($_) or die "$_->{name}: $self->{absent}{ $_->{name} }\n"
            for @anew;
    }

    return \@rounds;
}


# Those near the floor in rounds of their own, which the rows of the floor are
# of too: a pass that is short is the same for all.  Loads that are stopped do
# not know how long a call took, so each server has a second without stops first.
sub compare {
    my ($self, $path, %options) = @_;

    my @all = grep { $self->{servers}{ $_->{name} } } @{ $self->{contestants} };
    my @rough = map { $_->{name} } grep { $_->{rough} } @all;
    my @near = map { $_->{name} } grep { !$_->{rough} } @all;

    pin($Bench::CPU_CLIENT, $$);

    my %plain = map { $_ => $self->seen($_, $self->load($_, $path, %options)) }
                @near, @rough;
    my $rough = @rough && $self->rounds($ROUGH_ROUNDS, [ @FLOOR, @rough ],
                                        $path, %options);
    my $near = $self->rounds($self->{rounds}, \@near, $path, %options);

    pin($Bench::CPU_ANY, $$);

    return { (map { $_ => { %{ $plain{$_} }, rounds => $near } } @near),
             (map { $_ => { %{ $plain{$_} }, rounds => $rough } } @rough) };
}


sub run {
    my ($self, $path, %options) = @_;

    my $results = $self->compare($path, %options);
    my @rows = [ 'check', 'CPU a call, us', 'us over none', 'over none',
                 'p50 us', 'p99 us', 'refused' ];

    for my $c (@{ $self->{contestants} }) {
        my ($name, $title) = @$c{qw(name title)};
        my $seen = $results->{$name};

        if (!$seen) {
            push @rows, [ $title, "does not hold $self->{size}: "
                                  . $self->{absent}{$name}, ('-') x 5 ];
            next;
        }

        my $rounds = $seen->{rounds};
        push @rows, [ $title,
                      summary($rounds, '%.2f', sub { $_[0]{$name} }),
                      summary($rounds, '%.2f',
                              sub { $_[0]{$name} - floor($_[0]) }),
                      summary($rounds, '%.3f',
                              sub { $_[0]{$name} / floor($_[0]) }),
                      @$seen{qw(p50 p99)},
                      sprintf('%.1f %%',
                              100 * $seen->{refused} / $seen->{calls}) ];
    }

    table(@rows);
}


# what each took when it was ready
sub notes {
    my ($self) = @_;
    return grep { $_ } map { $self->{resident}{ $_->{name} } }
                       @{ $self->{contestants} };
}


sub stop {
    my ($self) = @_;
    $_->stop for values %{ $self->{servers} }, $self->{backend};
    $_->stop for grep { $_ } @$self{qw(redis set)};
    shell('rm -rf ' . $self->replica);
}

1;
