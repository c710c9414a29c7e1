package Bench::Contest;

# This module and what people would use instead.  Those near the floor are places
# in one server, where one load calls now this one and now that one; each of the
# others has a server and a load of its own.  They run in short turns.
#
#     my $contest = Bench::Contest->new(size => 1000000, len => 43, rounds => 6);
#     $contest->run([ 'a tiny file', '/file/file' ]);
#     $contest->stop;
#
# new: names (only these contestants, none: all), tls (as of Bench::Server),
# rounds (of those near the floor);
# run: a title and a path each, what url() of a server wants besides, and how
# load_start() is to call it.

use strict;
use warnings;

use FindBin;
use List::Util qw(shuffle sum0);
use Bench;
use Bench::Server;
use TRV;

my $TOKENS = 100000;
my $REVOKED = 0.01;                     # of the calls
my $START_SEC = 240;                    # whoever needs longer does not hold it
my $FAR_ROUNDS = quick() ? 1 : 2;       # of those far from the floor
my $FAR_PASSES = quick() ? 5 : 10;      # turns of each, a round
my $PASSES = quick() ? 10 : 30;
my $TURN_SEC = 0.05;

my @FLOOR = qw(none none_again);

my @CONTESTANTS = (
    { name => 'none', title => 'nginx, no check', check => '' },
    { name => 'none_again', title => 'nginx, no check, again', check => '' },
    { name => 'module', title => 'this module',
      check => 'token_revoke partners;' },
    { name => 'dry_run', title => 'this module, dry run',
      check => 'token_revoke partners; token_revoke_dry_run on;' },
    { name => 'map', title => 'nginx `map` from a file',
      check => 'if ($revoked) { return 401; }', most => 1000000,
      why => 'nginx read 10 M for 3.5 minutes at each start and reload' },
    { name => 'lua_dict', title => 'Lua, shared dictionary',
      conf => 'lua_dict.conf', prepare => \&prepare_dict },
    { name => 'lua_redis', title => 'Lua, Redis at each call',
      conf => 'lua_redis.conf', prepare => \&prepare_set },
    { name => 'njs', title => 'njs (entry only)',
      conf => 'njs.conf', prepare => \&prepare_njs, most => 1000,
      why => 'a list in a script, not meant for more' },
    { name => 'auth_request', title => '`auth_request`, local checker',
      conf => 'auth_request.conf', most => 1000,
      why => 'its checker is a `map`' },
    { name => 'haproxy_none', title => 'HAProxy, no check',
      conf => 'haproxy.cfg', options => { ACL => '' } },
    { name => 'haproxy', title => 'HAProxy, ACL file',
      conf => 'haproxy.cfg', prepare => \&prepare_haproxy },
);


sub new {
    my ($class, %options) = @_;

    my $self = bless { %options, servers => {}, absent => {} }, $class;
    my @names = @{ $options{names} || [] };
    my %wanted = map { $_ => 1 } @FLOOR, @names;

    $self->{contestants} = [ grep { !@names || $wanted{ $_->{name} } }
                             @CONTESTANTS ];
    $self->{list} = tokens($self->{size}, $self->{len}, $TOKENS);

    # its checker holds the tokens that the load has of any set
    $self->{backend} = Bench::Server->backend(
        MAP => $self->lines(1000, 'map', '"Bearer ', '" 1;'),
        MAP_BUCKET => $self->bucket);

    for (@{ $self->{contestants} }) {
        $self->{absent}{ $_->{name} } = "measured up to $_->{most}, $_->{why}"
            if $_->{most} && $self->{size} > $_->{most};
    }

    # those far from the floor all at the same time
    $self->start($_) for $self->far;
    $self->await($_) for $self->far;

    $self->{redis} = redis();
    load_redis($self->{redis}, @$self{qw(size len)});
    $self->{redis}->command('SET', 'nothing', 1) unless $self->{size};
    return $self;
}


sub present {
    my ($self) = @_;
    return grep { !$self->{absent}{ $_->{name} } } @{ $self->{contestants} };
}

sub near { grep { !$_->{conf} } $_[0]->present }
sub far { grep { $_->{conf} } $_[0]->present }


sub start {
    my ($self, $contestant) = @_;

    my ($name, $prepare) = @$contestant{qw(name prepare)};

    $self->{servers}{$name} = Bench::Server->new(
        conf => $contestant->{conf}, later => 1, seconds => $START_SEC,
        %{ $self->{backend}{world} }, %{ $contestant->{options} || {} },
        $prepare ? $prepare->($self) : ());
}


sub await {
    my ($self, $contestant) = @_;

    my ($name, $title) = @$contestant{qw(name title)};
    my $server = $self->{servers}{$name};

    if (!eval { $server->await }) {
        ($self->{absent}{$name}) = $@ =~ /^(.*)/;
        return;
    }

    $self->{resident}{$title} = $server->memory;
}


# The server of those near the floor, and where in it each of them is: anew for
# each round, as it is faster or slower for as long as it lives, by where it got
# its memory, and a place by where nginx looks for it.
sub start_near {
    my ($self) = @_;

    my @near = $self->near;
    my @places = map { "/$_" } shuffle('a' .. 'z');
    my %place = map { $_->{name} => shift @places } @near;

    my $server = Bench::Server->new(
        conf => 'near.conf', seconds => $START_SEC,
        %{ $self->{backend}{world} }, tls => $self->{tls},
        places => { map { $place{ $_->{name} } => $_->{check} } @near },
        REDIS => $self->{redis}{socket}, REPLICA => $self->replica,
        $self->prepare_map);

    $server->wait_ready($START_SEC);
    $self->{resident}{'nginx with all that are near the floor'}
        ||= $server->memory;
    $self->{near} = { server => $server, place => \%place };
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
    my $size = (grep { $_->{name} eq 'map' } $self->near) ? $self->{size} : 0;
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


sub refuses {
    my ($self, $name) = @_;
    return $self->{size} && $name !~ /^(none|dry_run|haproxy_none)/;
}


# a load for these contestants, at a server: of those near the floor the first
# one is called
sub load {
    my ($self, $kind, @names) = @_;

    my (undef, $path, %options) = @$kind;
    my $near = $self->{near};
    my $server = $self->{servers}{ $names[0] } || $near->{server};

    return { server => $server, first => $names[0],
             aim => { map { $names[$_] => $_ } 0 .. $#names },
             load => load_start($server->url($path, $options{protocol}),
                                $self->{list}, %options,
                                paths => [ map { ($near->{place}{$_} // '')
                                                 . $path } @names ]) };
}


# what a load saw at its end; a check that refuses nothing would be a cheap one,
# and so would one that was not called.  Calls outside of turns were for the first.
sub seen {
    my ($self, $load) = @_;

    my $seen = load_end($load->{load});
    my %calls = %{ $load->{calls} || {} };
    my $turns = sum0(values %calls);
    $calls{ $load->{first} } += $seen->{calls} - $turns;

    my $refused = sum0(@calls{ grep { $self->refuses($_) } keys %calls });
    my $want = $REVOKED * $refused / sum0(values %calls);
    my $got = $seen->{refused} / $seen->{calls};

    die join(', ', sort keys %calls), ": $got of the calls refused, not $want, "
        . "$seen->{failed} failed\n"
        if $seen->{failed} || abs($got - $want) > $want / 5;
    return $seen;
}


# calls of one of those that a load is for, and ns of CPU
sub turn {
    my ($load, $name, $seconds) = @_;
    load_aim($load->{load}, $load->{aim}{$name});
    my ($calls, $ns) = load_turn($load->{load}, $load->{server}{worker},
                                 $seconds);
    $load->{calls}{$name} += $calls;
    return ($calls, $ns);
}


# CPU a call of each, us: a list of n passes.  What is slow or fast for more than
# a pass is so for all alike, and what is so for less is in one of many.  Of what
# a worker does without calls only the share that falls into its turns is counted.
sub passes {
    my ($n, $loads) = @_;
    my @passes;

    for (1 .. $n) {
        my %us;
        for (shuffle(keys %$loads)) {
            my ($calls, $ns) = turn($loads->{$_}, $_, $TURN_SEC);
            $us{$_} = $ns / 1000 / $calls if $calls;
        }
        push @passes, \%us if keys %us == keys %$loads;
    }

    return @passes;
}


sub floor { median(map { $_[0]{$_} } @FLOOR) }


# medians of what is asked of a pass: of all passes, of those of the lowest and of
# those of the highest round
sub summary {
    my ($rounds, $format, $ask) = @_;
    my @rounds = map { median(map { $ask->($_) } @$_) } @$rounds;
    return sprintf "$format ($format - $format)",
                   median(map { $ask->($_) } map { @$_ } @$rounds),
                   lowest(@rounds), highest(@rounds);
}


# a round, which is a list of n passes, of some of those near the floor and of
# others: they are stopped when each has had its tokens and some calls
sub round {
    my ($self, $n, $kind, $near, @far) = @_;

    my @loads = map { $self->load([ @$kind, seconds => 3600 ], @$_) }
                $near, map { [ $_ ] } @far;

    my %loads;
    for my $load (@loads) {
        $loads{$_} = $load for keys %{ $load->{aim} };
    }
    for my $name (keys %loads) {
        wait_for(30, sub { (turn($loads{$name}, $name, 0.02))[0] > 100 })
            or die "$name has no calls\n";
    }

    my @passes = passes($n, \%loads);

    load_interrupt(map { $_->{load} } @loads);
    $self->seen($_) for @loads;

    return \@passes;
}


# Those near the floor in rounds of their own, which the rows of the floor are
# of too: a pass that is short is the same for all.  Loads that are stopped do
# not know how long a call took, so each has a second without stops first.
sub compare {
    my ($self, @kinds) = @_;

    my @near = map { $_->{name} } $self->near;
    my @far = map { $_->{name} } $self->far;
    my @results = map { {} } @kinds;

    for my $round (1 .. $self->{rounds}) {
        $self->start_near;
        pin($Bench::CPU_CLIENT, $$);

        for (0 .. $#kinds) {
            my ($kind, $result) = ($kinds[$_], $results[$_]);

            if ($round == 1) {
                $result->{plain}{$_} = $self->seen($self->load($kind, $_))
                    for @near, @far;
            }

            push @{ $result->{far} },
                 $self->round($FAR_PASSES, $kind, \@FLOOR, @far)
                if @far && $round <= $FAR_ROUNDS;
            push @{ $result->{near} }, $self->round($PASSES, $kind, \@near);
        }

        pin($Bench::CPU_ANY, $$);
        $self->{near}{server}->stop;
    }

    return @results;
}


sub run {
    my ($self, @kinds) = @_;

    for my $result ($self->compare(@kinds)) {
        my $kind = shift @kinds;
        heading("$self->{size} revocations, $self->{len}-byte token, $kind->[0]");
        table([ 'check', 'CPU a call, us', 'us over none', 'over none',
                'p50 us', 'p99 us', 'refused' ],
              map { $self->row($result, $_) } @{ $self->{contestants} });
    }
}


sub row {
    my ($self, $result, $contestant) = @_;

    my ($name, $title) = @$contestant{qw(name title)};
    return [ $title, "does not hold $self->{size}: $self->{absent}{$name}",
             ('-') x 5 ] if $self->{absent}{$name};

    my $seen = $result->{plain}{$name};
    my $rounds = $result->{ $contestant->{conf} ? 'far' : 'near' };

    return [ $title,
             summary($rounds, '%.2f', sub { $_[0]{$name} }),
             summary($rounds, '%.2f', sub { $_[0]{$name} - floor($_[0]) }),
             summary($rounds, '%.3f', sub { $_[0]{$name} / floor($_[0]) }),
             @$seen{qw(p50 p99)},
             sprintf('%.1f %%', 100 * $seen->{refused} / $seen->{calls}) ];
}


# what each took when it was ready
sub notes {
    my ($self) = @_;
    return map { sprintf '%s: %.0f MB resident', $_,
                 $self->{resident}{$_} / 1e6 } sort keys %{ $self->{resident} };
}


sub stop {
    my ($self) = @_;
    $_->stop for values %{ $self->{servers} }, $self->{backend};
    $_->stop for grep { $_ } @$self{qw(redis set)};
    shell('rm -rf ' . $self->replica);
}

1;
