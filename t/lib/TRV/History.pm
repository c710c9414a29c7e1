package TRV::History;

# What happened in a run, and whether it may have happened.
#
#     revoke START END EDGE OUTCOME TOKEN[,TOKEN..]
#            ok (200), taken (202), failed ("nothing was changed"), unknown
#     call   START END EDGE OUTCOME TOKEN
#            passed, refused, unsure (503: it says that it cannot know),
#            none (no answer), or what else was answered
#     final  START END EDGE OUTCOME TOKEN
#            a call when everything was over
#
# START and END are seconds; a token goes by a name, never by its text.  Tokens
# that are never revoked have names that begin with "good".
#
# A window is the time of a fault: from its begin until all edges agreed again.
#
#     lossy     Redis may have forgotten what it had acknowledged
#     smooth    no call and no POST may fail in it: reload, upgrade
#     healed    undef: they never agreed again
#
# The checks are invariants 1 to 5:
#
#  1  no accept after ack: what was acknowledged is refused 1 s later; by an
#     edge in a fault, at the latest when it must know that it is stale
#  2  no false refusal
#  3  no lost ack: refused everywhere in the end; an unknown outcome is the same
#     everywhere, a failed one has changed nothing
#  4  convergence after each fault
#  5  once refused on an edge, always refused there
#
# and that nothing fails, or is unsure, where there is no fault.

use strict;
use warnings;

use constant SPREAD_SEC => 1;           # from the answer to all edges


# stale_sec: what `token_revoke_stale` of the edges is; heal_sec: at most
sub new {
    my ($class, %options) = @_;
    return bless { stale_sec => 3, heal_sec => 15, %options, events => [],
                   windows => [] }, $class;
}


sub add {
    my ($self, $line) = @_;
    my ($kind, $start, $end, $edge, $outcome, $tokens) = split / /, $line;
    die "no line of a history: $line\n" unless defined $tokens;
    push @{ $self->{events} }, { kind => $kind, start => $start, end => $end,
                                 edge => $edge, outcome => $outcome,
                                 tokens => [ split /,/, $tokens ] };
}


# name, start, end, healed, and what kind it is
sub window {
    my ($self, %window) = @_;
    push @{ $self->{windows} }, \%window;
    return \%window;
}


sub count {
    my ($self, $kind, $outcome) = @_;
    return scalar grep { $_->{kind} eq $kind
                         && (!defined $outcome || $_->{outcome} eq $outcome) }
                  @{ $self->{events} };
}


sub refused_in_the_end {
    my ($self) = @_;
    my %names = map { $_->{tokens}[0] => 1 }
                grep { $_->{kind} eq 'final' && $_->{outcome} eq 'refused' }
                @{ $self->{events} };
    return sort keys %names;
}


# how often what happened, for people
sub summary {
    my ($self) = @_;
    my %n;
    $n{"$_->{kind} $_->{outcome}"}++ for @{ $self->{events} };
    return join ', ', map { "$n{$_} $_" } sort keys %n;
}


# all that must not have happened, as sentences
sub violations {
    my ($self) = @_;

    $self->{found} = [];
    $self->know;
    $self->check_windows;

    for my $event (sort { $a->{start} <=> $b->{start} }
                   @{ $self->{events} })
    {
        my $check = "check_$event->{kind}";
        $self->$check($event);
    }

    $self->check_final_tokens;
    return @{ $self->{found} };
}


sub found {
    my ($self, $event, $what) = @_;
    my ($window) = $self->window_at($event->{start});
    push @{ $self->{found} }, sprintf '%s: %s %s at %.3f on %s, token %s%s',
        $what, $event->{kind}, $event->{outcome}, $event->{start},
        $event->{edge}, join(',', @{ $event->{tokens} }),
        $window ? " (in: $window->{name})" : '';
}


# all that happened to a token but for calls that were answered as they should
sub story {
    my ($self, $token) = @_;
    return map { sprintf '%.3f %.3f %s %s %s', @$_{qw(start end kind edge outcome)} }
           sort { $a->{start} <=> $b->{start} }
           grep { grep { $_ eq $token } @{ $_->{tokens} } }
           @{ $self->{events} };
}


# the window that a moment lies in
sub window_at {
    my ($self, $time) = @_;
    return grep { $time >= $_->{start}
                  && (!defined $_->{healed} || $time <= $_->{healed}) }
           @{ $self->{windows} };
}


# those that an event lies in, with some part of it
sub windows_of {
    my ($self, $event) = @_;
    return grep { $event->{end} >= $_->{start}
                  && (!defined $_->{healed} || $event->{start} <= $_->{healed}) }
           @{ $self->{windows} };
}


# for each token: when it was acknowledged first, tried first without being
# told that nothing was changed, and whether it was ever sent at all
sub know {
    my ($self) = @_;

    $self->{$_} = {} for qw(acked at_once tried sent refused finals);

    for my $event (grep { $_->{kind} eq 'revoke' } @{ $self->{events} }) {

        # Redis had it and no edge yet, when it forgot
        $event->{outcome} = 'unknown' if $event->{outcome} eq 'taken'
            && grep { $_->{lossy} } $self->windows_of($event);

        for my $token (@{ $event->{tokens} }) {
            $self->{sent}{$token} = 1;

            _least($self->{acked}, $token, $event->{end})
                if $event->{outcome} =~ /^(ok|taken)$/;
            _least($self->{at_once}, $token, $event->{end})
                if $event->{outcome} eq 'ok';
            _least($self->{tried}, $token, $event->{start})
                if $event->{outcome} ne 'failed';
        }
    }
}

sub _least {
    my ($known, $token, $time) = @_;
    $known->{$token} = $time
        if !defined $known->{$token} || $time < $known->{$token};
}


sub check_windows {
    my ($self) = @_;

    for my $window (@{ $self->{windows} }) {
        my $took = defined $window->{healed}
                   ? $window->{healed} - $window->{end} : undef;
        next if defined $took && $took <= $self->{heal_sec};

        push @{ $self->{found} }, defined $took
            ? sprintf('slow: %.1f s until all agreed after %s', $took,
                      $window->{name})
            : "never: edges do not agree after $window->{name}";
    }
}


sub check_revoke {
    my ($self, $event) = @_;

    return if $event->{outcome} =~ /^(ok|taken)$/;

    $self->found($event, 'a revocation fails')
        unless grep { !$_->{smooth} } $self->windows_of($event);
}


sub check_call {
    my ($self, $event) = @_;

    my ($token) = @{ $event->{tokens} };
    my $outcome = $event->{outcome};

    return $self->check_passed($event, $token) if $outcome eq 'passed';
    return $self->check_refused($event, $token) if $outcome eq 'refused';

    return $self->found($event, 'an answer that makes no sense')
        if $outcome !~ /^(unsure|none)$/;

    $self->found($event, 'a call fails')
        unless grep { !$_->{smooth} } $self->windows_of($event);
}


sub check_passed {
    my ($self, $event, $token) = @_;

    my ($edge, $start) = @$event{qw(edge start)};

    my $refused = $self->{refused}{"$edge $token"};
    return $self->found($event, 'refused before, passes now')
        if defined $refused && $refused < $start;

    my $acked = $self->{at_once}{$token};
    return unless defined $acked && $start > $acked + SPREAD_SEC;

    my ($window) = $self->window_at($start);

    return $self->found($event, 'passes after it was acknowledged')
        if !$window || $acked < $window->{start} - SPREAD_SEC;

    # it may not know, but then it must know that
    $self->found($event, 'passes on an edge that must know it is stale')
        if !$window->{lossy}
           && $start > $acked + $self->{stale_sec} + SPREAD_SEC;
}


sub check_refused {
    my ($self, $event, $token) = @_;

    my $tried = $self->{tried}{$token};

    return $self->found($event, $self->{sent}{$token}
                                ? 'refused, though nothing was to be changed'
                                : 'refused, never revoked')
        if !defined $tried;

    return $self->found($event, 'refused before it was revoked')
        if $tried > $event->{end};

    _least($self->{refused}, "$event->{edge} $token", $event->{end});
}


sub check_final {
    my ($self, $event) = @_;
    my ($token) = @{ $event->{tokens} };
    push @{ $self->{finals}{$token} }, $event;
}


sub check_final_tokens {
    my ($self) = @_;

    for my $token (sort keys %{ $self->{finals} }) {
        my @finals = @{ $self->{finals}{$token} };
        my %other = map { $_->{outcome} => $_ } @finals;
        my $acked = $self->{acked}{$token};

        if (my ($odd) = grep { !/^(passed|refused)$/ } sort keys %other) {
            $self->found($other{$odd}, 'no judgement in the end');

        } elsif (defined $acked) {
            $self->found($_, sprintf 'acknowledged at %.3f, and lost', $acked)
                for grep { $_->{outcome} eq 'passed' } @finals;

        } elsif (!defined $self->{tried}{$token}) {
            $self->found($other{refused}, $self->{sent}{$token}
                ? 'in force, though nothing was to be changed'
                : 'in force, never revoked') if $other{refused};

        } elsif ($other{passed} && $other{refused}) {
            $self->found($other{passed}, 'edges differ in the end');
        }
    }
}

1;
