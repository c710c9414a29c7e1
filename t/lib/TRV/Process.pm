package TRV::Process;

# A server that a test has started: signals, ends, knows whether it lives.

use strict;
use warnings;

use IO::Handle;
use JSON::PP ();
use POSIX ();
use Socket ();
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


# words before a command: the program, with arguments, of the option `under`, and
# what gives it the environment of `env`
sub words_before {
    my ($self) = @_;
    my %env = %{ $self->{env} || {} };
    return (@{ $self->{under} || [] },
            %env ? ('env', map { "$_=$env{$_}" } sort keys %env) : ());
}


# a process of our own, which runs code->(control) and holds on to the files
# given; tell() asks it something, and control->answer() in it gives an answer
sub fork_loop {
    my ($self, $code, @keep) = @_;

    socketpair my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0
        or die "socketpair: $!\n";

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        $SIG{$_} = 'DEFAULT' for qw(ALRM INT TERM HUP);
        alarm 0;

        my %keep = map { fileno $_ => 1 } $theirs, @keep;
        $keep{$_} or POSIX::close($_) for 3 .. 255;

        eval { $code->(bless $theirs, 'TRV::Process::Control') };
        print STDERR $@ if $@;
        POSIX::_exit($@ ? 1 : 0);
    }

    close $theirs;
    $ours->autoflush(1);
    $self->{pid} = $pid;
    $self->{control} = $ours;
}


sub tell {
    my ($self, $order) = @_;
    my $link = $self->{control};
    print $link JSON::PP::encode_json($order) . "\n";
    my $line = <$link>;
    die "a process of the test has ended\n" unless defined $line;
    return JSON::PP::decode_json($line);
}


sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} if $self->{pid};
}


# whether any process has this pid, but for one that is only to be buried
sub alive {
    my ($pid) = @_;
    return TRV::slurp("/proc/$pid/stat") =~ /^\d+ \(.*\) [^ZX] /s;
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

    # an nginx that has only just started may wait before it looks at the first
    for (1 .. $seconds) {
        $self->signal($signal);
        return 1 if $self->wait_end(1);
    }

    $self->signal('KILL');
    $self->wait_end(5);
    return 0;
}


sub stop { $_[0]->end_by('TERM', 5) }


package TRV::Process::Control;

use parent -norequire, 'IO::Handle';


# reads an order and answers with what code makes of it; false: no more to come
sub answer {
    my ($self, $code) = @_;
    my $line = '';
    while ($line !~ /\n$/) {
        sysread $self, $line, 1, length $line or return 0;
    }
    my $answer = JSON::PP::encode_json($code->(JSON::PP::decode_json($line)));
    syswrite $self, "$answer\n";
    return 1;
}

1;
