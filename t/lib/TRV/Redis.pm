package TRV::Redis;

# A real redis-server on a unix socket, and a small client for it.
#
# options: args (of the server), ahead (seconds that its clock is), tcp (true:
# on 127.0.0.1 too, at {port}), password (for command())

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use IO::Socket::UNIX;
use Time::HiRes ();
use TRV::Clock;
use TRV::Process;

my $n = 0;


sub new {
    my ($class, %options) = @_;

    my $self = bless { %options, dir => TRV::dir() . '/redis-' . ++$n,
                       args => $options{args} || [] }, $class;

    $self->{port} ||= TRV::free_port() if $options{tcp};

    mkdir $self->{dir} or die "$self->{dir}: $!\n";
    $self->{socket} = "$self->{dir}/redis.sock";

    push @TRV::started, $self;
    $self->start;
    return $self;
}


sub address { "unix:$_[0]{socket}" }


sub start {
    my ($self) = @_;

    if ($self->{ahead}) {
        ($self->{clock} ||= TRV::Clock->new)->set($self->{ahead});
        $self->{env} = $self->{clock}->env;
    }

    # with another clock this thread would spin
    my @threads = $self->{clock} ? ('--jemalloc-bg-thread', 'no') : ();

    $self->{pid} = $self->spawn("$self->{dir}/redis.log",
        $self->words_before, 'redis-server', '--port', $self->{port} || 0,
        '--bind', '127.0.0.1', '--unixsocket', $self->{socket},
        '--unixsocketperm', 777, '--dir', $self->{dir}, '--save', '',
        '--appendonly', 'no', @threads,
        @{ $self->{args} });

    TRV::wait_for(10, sub { eval { $self->command('PING') eq 'PONG' } })
        or die "redis-server does not start\n";
}


sub stop {
    my ($self) = @_;
    delete $self->{link};
    $self->end_by('TERM', 10);
}


sub kill_hard {
    my ($self) = @_;
    delete $self->{link};
    $self->end_by('KILL', 10);
}


# all that it holds goes into a file, in plain text, if it can
sub write_down {
    my ($self) = @_;
    return unless $self->running;
    $self->thaw;
    eval {
        local $SIG{ALRM} = sub { die "no answer\n" };
        alarm 10;
        $self->command('CONFIG', 'SET', 'rdbcompression', 'no');
        $self->command('SAVE');
    };
    alarm 60;                   # for what is left to do
}


# becomes a replica of another, and has all of it; replication goes by TCP
sub follow {
    my ($self, $master) = @_;

    $master->{port} ||= TRV::free_port();
    $master->command('CONFIG', 'SET', 'bind', '127.0.0.1');
    $master->command('CONFIG', 'SET', 'port', $master->{port});
    $master->command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
    $self->command('REPLICAOF', '127.0.0.1', $master->{port});

    TRV::wait_for(20, sub {
        $self->command('INFO', 'replication') =~ /master_link_status:up/
            && $master->command('INFO', 'replication') =~ /state=online/;
    }) or die "no replication\n";
}


sub promote { $_[0]->command('REPLICAOF', 'NO', 'ONE') }

sub freeze { $_[0]->signal('STOP') }
sub thaw { $_[0]->signal('CONT') }


# one command; dies of an error reply
sub command {
    my ($self, @words) = @_;
    my $kept = $self->{link};
    my $reply = eval { $self->ask(@words) };

    # Redis closes links that it has had, e.g. when its role changes
    return $self->ask(@words) if $@ && $kept && $@ =~ /connection lost/;
    die $@ if $@;
    return $reply;
}


sub ask {
    my ($self, @words) = @_;

    if (!$self->{link}) {
        $self->{link} = IO::Socket::UNIX->new(Peer => $self->{socket})
            or die "redis: $!\n";
        $self->ask('AUTH', $self->{password}) if $self->{password};
    }

    my $link = $self->{link};
    print $link '*' . @words . "\r\n",
                map { '$' . length($_) . "\r\n$_\r\n" } @words;
    $link->flush;

    my $reply = eval { read_reply($link) };
    if ($@) {
        my $error = $@;
        delete $self->{link} unless $error =~ /^redis says/;
        die $error;
    }
    return $reply;
}


sub read_reply {
    my ($link) = @_;

    my $line = <$link>;
    die "redis: connection lost\n" unless defined $line;
    $line =~ s/\r\n$//;

    my ($type, $rest) = $line =~ /^(.)(.*)/s;

    return $rest if $type eq '+' || $type eq ':';
    die "redis says $rest\n" if $type eq '-';

    if ($type eq '$') {
        return undef if $rest < 0;
        read $link, my $data, $rest + 2;
        return substr $data, 0, $rest;
    }

    return [ map { read_reply($link) } 1 .. $rest ];
}

1;
