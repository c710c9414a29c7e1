package TRV::Arena;

# Three edges, their Redis, a load on them, and faults (TRV::Faults): each is
# inflicted while the load runs, and is over when all edges agree with Redis
# again.
#
#     my $arena = TRV::Arena->new(seed => 1);
#     $arena->inflict($_) for TRV::Faults::named('redis');
#     $arena->verdict;
#
# long: faults last as long as in life, and are repeated; else as short as
# shows something.

use strict;
use warnings;

use Digest::SHA ();
use Test::More;
use Time::HiRes ();
use TRV ();
use TRV::Clock;
use TRV::Fleet;
use TRV::Load;

use constant STALE_SEC => 3;


sub new {
    my ($class, %options) = @_;
    my $self = bless { seed => 1, long => 0, %options }, $class;

    # the middle one has clocks of its own, the last one can be upgraded
    $self->{clock} = TRV::Clock->new;
    my @own = ({}, { env => $self->{clock}->env }, { daemon => 1 });

    my $fleet = TRV::Fleet->new(0, set => 'timeout 2s;',
        server => 'token_revoke_stale ' . STALE_SEC . 's deny;',
        main => 'worker_shutdown_timeout 20s;');
    $fleet->add('edge-' . ($_ + 1), %{ $own[$_] }) for 0 .. $#own;
    for my $edge ($fleet->edges) {      # all workers of each
        TRV::wait_for(20, sub { !grep { !$edge->ready } 1 .. 20 })
            or die "the edge does not get ready:\n" . $edge->last_lines;
    }

    $self->{fleet} = $fleet;
    $self->begin;
    return $self;
}


sub begin {
    my ($self) = @_;
    my $loads = $self->{loads}++ // 0;
    $self->{load} = TRV::Load->new(edges => [ $self->edges ],
                                   seed => "$self->{seed}.$loads");
    $self->{history} = $self->{load}{history};
    $self->{load}->start;
    $self->hold(0.3);
}


sub fleet { $_[0]{fleet} }
sub redis { $_[0]{fleet}->redis }
sub edges { $_[0]{fleet}->edges }
sub proxies { $_[0]{fleet}->proxies }


sub hold {
    my ($self, $seconds) = @_;
    Time::HiRes::sleep($seconds);
}


# the short or the long form of a number
sub form {
    my ($self, $short, $long) = @_;
    return $self->{long} ? $long : $short;
}


sub pick {
    my ($self, @of) = @_;
    return $of[ rand @of ];
}


# all proxies misbehave
sub fault {
    my ($self, %faults) = @_;
    $_->fault(%faults) for $self->proxies;
}


sub clear {
    my ($self) = @_;
    $_->clear for $self->proxies;
}


sub inflict {
    my ($self, $fault) = @_;

    my $window = $self->{history}->window(
        name => $fault->{name}, start => Time::HiRes::time(),
        lossy => $fault->{lossy}, smooth => $fault->{smooth});

    note(sprintf '%.3f %s', $window->{start}, $fault->{name});

    # the same each time, whatever was before
    my $times = $self->{times}{ $fault->{name} }++ // 0;
    srand unpack 'N', Digest::SHA::sha256("$self->{seed} $fault->{name} $times");

    eval { $fault->{run}->($self); 1 } or fail("$fault->{name}: $@");

    $window->{end} = Time::HiRes::time();
    my $settled = $self->{fleet}->settled($self->{fleet}->now, 30);
    $window->{healed} = Time::HiRes::time() if $settled;

    ok($settled, sprintf '%s: all agree', $fault->{name})
        or diag(map { $_->last_lines } $self->edges);

    note(sprintf '%.3f agreed, %.1f s later', Time::HiRes::time(),
                 Time::HiRes::time() - $window->{end});
    return $settled;
}


# ends the load: what must not have happened, since it has begun
sub verdict {
    my ($self) = @_;

    $self->hold(0.3);
    my $load = $self->{load};
    my $history = $load->end($self->{fleet});

    note($history->summary);
    cmp_ok($history->count('revoke', 'ok'), '>', 20, 'tokens were revoked');
    cmp_ok($history->count('call', 'refused'), '>', 100, 'and refused');
    cmp_ok($history->count('call', 'passed'), '>', 100, 'others passed');

    my @violations = $history->violations;
    my $n = @violations;
    splice @violations, 40;
    my ($first) = $n ? $violations[-1] =~ /token ([\w.]+)/ : ();
    diag(join "\n", (map { sprintf '%.3f %.3f %.3f %s', @$_{qw(start end)},
                                   $_->{healed} // 0, $_->{name} }
                         @{ $history->{windows} }),
         "the story of $first:", $history->story($first)) if defined $first;
    is(join("\n", @violations), '', "nothing happened that must not ($n)");

    # what earlier loads have revoked stays so
    for my $edge ($self->edges) {
        my @passed = $self->{fleet}->judged_otherwise($edge, 401,
            map { my $of = $_->{load}; map { $of->token($_) } @{ $_->{names} } }
                @{ $self->{past} || [] });
        is(scalar @passed, 0, "$edge->{node} refuses all of before")
            if $self->{past};
    }

    push @{ $self->{past} }, { load => $load,
                               names => [ $history->refused_in_the_end ] };
    $load->forget;
    return !$n;
}

1;
