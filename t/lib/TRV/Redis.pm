package TRV::Redis;

# A real redis-server on a unix socket, and a small client for it.

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use IO::Socket::UNIX;
use Time::HiRes ();
use TRV::Process;

my $n = 0;


sub new {
    my ($class, %options) = @_;

    my $self = bless { dir => TRV::dir() . '/redis-' . ++$n,
                       args => $options{args} || [] }, $class;

    mkdir $self->{dir} or die "$self->{dir}: $!\n";
    $self->{socket} = "$self->{dir}/redis.sock";

    push @TRV::started, $self;
    $self->start;
    return $self;
}


sub address { "unix:$_[0]{socket}" }


sub start {
    my ($self) = @_;

    $self->{pid} = $self->spawn("$self->{dir}/redis.log", 'redis-server',
        '--port', 0, '--unixsocket', $self->{socket},
        '--unixsocketperm', 777, '--dir', $self->{dir}, '--save', '',
        '--appendonly', 'no', @{ $self->{args} });

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


sub freeze { $_[0]->signal('STOP') }
sub thaw { $_[0]->signal('CONT') }


# one command; dies of an error reply
sub command {
    my ($self, @words) = @_;

    my $link = $self->{link} ||= IO::Socket::UNIX->new(
                                     Peer => $self->{socket})
        or die "redis: $!\n";

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
