package TRV::Load;

# Processes that revoke tokens on random edges and call all edges with tokens
# of which it is known whether they may pass, and write down what happened.
#
#     my $load = TRV::Load->new(edges => [ ... ], seed => 7);
#     $load->start;
#     ...
#     my $history = $load->end($fleet);     # with a last look at every token
#
# Tokens are computed from the seed, so that no file need hold their text.

use strict;
use warnings;

use Digest::SHA ();
use POSIX ();
use Time::HiRes ();
use TRV ();
use TRV::Fleet;
use TRV::History;
use TRV::Http;

use constant GOOD => 5;                 # tokens that are never revoked
use constant RECENT => 40;              # most calls are with these
use constant ANSWER_SEC => 5;           # longer than any time-out of an edge

my $n = 0;


sub new {
    my ($class, %options) = @_;
    my $self = bless { seed => 1, processes => 3, pause_ms => 3, %options,
                       dir => TRV::dir() . '/load-' . ++$n,
                       history => TRV::History->new }, $class;
    mkdir $self->{dir} or die "$self->{dir}: $!\n";

    # the part that all of its tokens have in common
    $self->{mark} = 'load' . substr Digest::SHA::sha256_hex($self->{seed}), 0, 24;
    TRV::never_shown($self->{mark});
    return $self;
}


sub token {
    my ($self, $name) = @_;
    return '1.0_' . $self->{mark}
           . Digest::SHA::sha512_base64("$self->{mark} $name") =~ tr{+/}{-_}r;
}


sub start {
    my ($self) = @_;
    for my $i (1 .. $self->{processes}) {
        my $pid = fork;
        die "fork: $!\n" unless defined $pid;
        if ($pid == 0) {
            @TRV::started = ();
            $SIG{$_} = 'DEFAULT' for qw(ALRM INT);
            alarm 0;
            eval { $self->run($i) };
            print STDERR $@ if $@;
            POSIX::_exit($@ ? 1 : 0);
        }
        push @{ $self->{pids} }, $pid;
    }
    return $self;
}


sub stop {
    my ($self) = @_;
    my @pids = @{ delete $self->{pids} || [] } or return 1;
    TRV::spew("$self->{dir}/end", '');
    my $failed = 0;
    for my $pid (@pids) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    unlink "$self->{dir}/end";
    for my $file (glob "$self->{dir}/*.history") {
        $self->{history}->add($_) for split /\n/, TRV::slurp($file);
        unlink $file;
    }
    die "$failed processes of the load died\n" if $failed;
    return 1;
}


# stops, and asks each edge for each token a last time when all have settled,
# which is given so many seconds; returns the history
sub end {
    my ($self, $fleet, $seconds) = @_;

    $self->stop;
    $fleet->settled($fleet->now, $seconds // 15);
    my $history = $self->{history};

    my %names = map { $_ => 1 } map { @{ $_->{tokens} } } @{ $history->{events} };
    my @names = sort keys %names;
    my @tokens = map { $self->token($_) } @names;

    for my $edge ($fleet->edges) {
        my $now = Time::HiRes::time();
        my @statuses = $fleet->judge($edge, @tokens);
        for my $i (0 .. $#names) {
            $history->add(join ' ', 'final', $now, $now, $edge->{node},
                          verdict($statuses[$i] // 0), $names[$i]);
        }
    }

    return $history;
}


# the history, not the tokens
sub forget { delete $_[0]{history} }


sub verdict {
    my ($status) = @_;
    return { 200 => 'passed', 401 => 'refused', 503 => 'unsure', 0 => 'none' }
               ->{$status} || "status-$status";
}


# in a process of its own

sub run {
    my ($self, $i) = @_;

    srand unpack 'N', Digest::SHA::sha256("$self->{mark} $i");
    open $self->{file}, '>', "$self->{dir}/$i.history" or die "history: $!\n";
    $self->{file}->autoflush(1);
    my $parent = getppid;
    my @mine;                           # tokens that may be revoked

    until (-e "$self->{dir}/end" || getppid != $parent) {
        my $edge = $self->{edges}[ rand @{ $self->{edges} } ];
        my $what = rand;

        if ($what < 0.15 || !@mine) {
            push @mine, $self->revoke($edge, map { "$i." . ++$self->{last}[$i] }
                                                 0 .. rand 3);
        } elsif ($what < 0.18) {
            $self->revoke($edge, $mine[ rand @mine ]);

        } elsif ($what < 0.5) {
            $self->call($edge, 'good.' . int rand GOOD);

        } else {
            my $from = @mine > RECENT && rand() < 0.8 ? @mine - RECENT : 0;
            $self->call($edge, $mine[ $from + rand(@mine - $from) ]);
        }

        Time::HiRes::sleep($self->{pause_ms} / 1000);
    }

    close $self->{file};
}


sub write_down {
    my ($self, $kind, $start, $edge, $outcome, @names) = @_;
    printf { $self->{file} } "%s %.6f %.6f %s %s %s\n", $kind, $start,
           Time::HiRes::time(), $edge->{node}, $outcome, join ',', @names;
}


sub revoke {
    my ($self, $edge, @names) = @_;

    my $start = Time::HiRes::time();
    my $tokens = join ',', map { '"' . $self->token($_) . '"' } @names;
    my $answer = $edge->request('POST', '/token-revoke/revocations',
        seconds => ANSWER_SEC, body => qq({"tokens":[$tokens]}),
        headers => [ 'X-Principal' => 'operator load',
                     'Content-Type' => 'application/json' ]);

    # without a connection nothing was sent
    my $outcome = { 200 => 'ok', 202 => 'taken', 503 => 'failed',
                    504 => 'unknown', 0 => 'unknown' }->{ $answer->{status} }
                  || "status-$answer->{status}";
    $outcome = 'failed' if !$answer->{status} && !defined $answer->{raw};

    $self->write_down('revoke', $start, $edge, $outcome, @names);
    return @names;
}


sub call {
    my ($self, $edge, $name) = @_;

    my $start = Time::HiRes::time();
    my $answer = $edge->request('GET', '/file/file', seconds => ANSWER_SEC,
        headers => [ Authorization => 'Bearer ' . $self->token($name) ]);
    $self->write_down('call', $start, $edge, verdict($answer->{status}), $name);
}

1;
