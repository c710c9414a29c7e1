package TRV::Process;

# A server that a test has started: signals, ends, knows whether it lives.

use strict;
use warnings;

use POSIX ();
use Time::HiRes ();


# runs a command with its output in a file; returns its pid
sub spawn {
    my ($class, $log, @command) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    return $pid;
}


sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} if $self->{pid};
}


sub running {
    my ($self) = @_;
    return 0 unless $self->{pid};
    if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
        $self->{status} = $?;
        $self->{pid} = 0;
    }
    return $self->{pid} ? 1 : 0;
}


# true if it ended in time
sub wait_end {
    my ($self, $seconds) = @_;
    my $end = Time::HiRes::time() + $seconds;
    while ($self->running) {
        return 0 if Time::HiRes::time() > $end;
        Time::HiRes::sleep(0.005);
    }
    return 1;
}


sub end_by {
    my ($self, $signal, $seconds) = @_;
    return 1 unless $self->running;
    $self->signal('CONT');
    $self->signal($signal);
    return 1 if $self->wait_end($seconds);
    $self->signal('KILL');
    $self->wait_end(5);
    return 0;
}

1;
