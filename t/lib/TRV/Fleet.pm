package TRV::Fleet;

# Edges of one set, each behind a proxy of its own, and their Redis; and what
# "all of them agree" means.
#
#     my $fleet = TRV::Fleet->new(3, set => 'timeout 1s;');
#     my $since = $fleet->now;
#     ...                                   # break something
#     ok($fleet->settled($since), 'healed');

use strict;
use warnings;

use Time::HiRes ();
use TRV ();
use TRV::Http;


sub new {
    my ($class, $n, %options) = @_;

    my $redis = delete $options{redis} || TRV::redis();
    my $self = bless { redis => $redis, edges => [], proxies => [],
                       options => \%options }, $class;

    $self->add("edge-$_") for 1 .. $n;
    $_->wait_ready for @{ $self->{edges} };
    return $self;
}


sub add {
    my ($self, $node, %more) = @_;
    my $proxy = TRV::proxy($self->{redis});
    my $edge = TRV::edge(redis => $proxy, node => $node, %{ $self->{options} },
                    %more);
    push @{ $self->{proxies} }, $proxy;
    push @{ $self->{edges} }, $edge;
    return $edge;
}


sub redis { $_[0]{redis} }
sub edges { @{ $_[0]{edges} } }
sub proxies { @{ $_[0]{proxies} } }
sub edge { $_[0]{edges}[ $_[1] ] }
sub proxy { $_[0]{proxies}[ $_[1] ] }


# cuts edges (by number, from 0) off, and connects them again
sub cut_off {
    my ($self, @which) = @_;
    for my $proxy (@{ $self->{proxies} }[ @which ]) {
        $proxy->fault(refuse => 1);
        $proxy->cut;
    }
}


sub connect {
    my ($self, @which) = @_;
    $_->clear for @{ $self->{proxies} }[ @which ];
}


# Redis is another one from now on
sub move_to {
    my ($self, $redis) = @_;
    $self->{redis} = $redis;
    for my $proxy (@{ $self->{proxies} }) {
        $proxy->lead_to($redis);
        $proxy->cut;
    }
}


# ms by the clock of Redis
sub now {
    my ($self) = @_;
    my ($sec, $usec) = @{ $self->{redis}->command('TIME') };
    return $sec * 1000 + int($usec / 1000);
}


sub report {
    my ($self, $edge) = @_;
    my %all = @{ $self->{redis}->command('HGETALL', '{partners}:edges') };
    my ($last) = sort { $b->{time} <=> $a->{time} }
                 grep { $_->{node} eq $edge->{node} }
                 map { TRV::json($_) } values %all;
    return $last || {};
}


# whether a heartbeat that left an edge after `since` found it equal to Redis
sub agrees {
    my ($self, $edge, $since) = @_;
    my $report = $self->report($edge);
    return $report->{agrees} && defined $report->{contact_age_ms}
           && $report->{time} - $report->{contact_age_ms} >= $since;
}


# what is wrong with the digests in Redis; '' if they fit its revocations
sub digests_wrong {
    my ($self) = @_;

    my ($members, $days) = @{ $self->{redis}->command('EVAL', <<'LUA', 0) };
return {redis.call('ZRANGE', '{partners}:revoked', 0, -1, 'WITHSCORES'),
        redis.call('HGETALL', '{partners}:days')}
LUA
    my @members = @$members;
    my %days = @$days;
    my (%count, %xor);
    while (my ($id, $expiry) = splice @members, 0, 2) {
        for my $day (int($expiry / 86400), 'total') {
            $count{$day}++;
            $xor{$day} = ($xor{$day} // "\0" x 16) ^ pack 'H*', $id;
        }
    }

    my $none = '0:' . '0' x 32;
    return join ' ', grep {
        my $right = $count{$_} ? "$count{$_}:" . unpack 'H*', $xor{$_} : $none;
        ($days{$_} // $none) ne $right;
    } sort keys %{ { %days, %count } };
}


# True if all edges agree with Redis, and Redis with itself, in time.  One that
# agreed may lack what another has given to Redis since: so they have agreed
# only when they also report as much as Redis had then.
sub settled {
    my ($self, $since, $seconds) = @_;
    my $members;
    return TRV::wait_for($seconds || 15, sub {
        return eval {
            return 0 if grep { !$self->agrees($_, $since) } $self->edges;
            return 0 if $self->digests_wrong ne '';
            $members //= $self->{redis}->command('ZCARD', '{partners}:revoked');
            return !grep { $self->report($_)->{entries} < $members }
                         $self->edges;
        };
    });
}


# what an edge says of tokens, in the order given: statuses
sub judge {
    my ($self, $edge, @tokens) = @_;
    my @statuses;
    while (my @some = splice @tokens, 0, 50) {
        my $link = TRV::Http::open_link($edge->{socket}) or return;
        my $last = pop @some;
        my $bytes = join '', (map { _call($_, 1) } @some), _call($last, 0);
        print $link $bytes;
        $link->flush;
        local $/;
        my $text = <$link> // '';
        push @statuses, $text =~ m{^HTTP/1\.1 (\d+)}mg;
    }
    return @statuses;
}

sub _call {
    my ($token, $keep) = @_;
    return TRV::Http::format_request('GET', '/api/x', keep => $keep,
               headers => [ Authorization => "Bearer $token" ]);
}


# tokens that an edge does not answer with this status
sub judged_otherwise {
    my ($self, $edge, $status, @tokens) = @_;
    my @got = $self->judge($edge, @tokens);
    return map { $tokens[$_] } grep { ($got[$_] // 0) != $status } 0 .. $#tokens;
}

1;
