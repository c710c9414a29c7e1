package TRV::Proxy;

# A real proxy between an edge and its Redis, which can be told to misbehave.
# It stands between real parts and makes nothing up but what it is told to.
#
#     my $proxy = proxy($redis);            # edge(redis => $proxy, ...)
#     $proxy->fault(delay_ms => 200);       # from now on, until the next one
#     $proxy->cut;                          # all links that are open
#     $proxy->clear;                        # no fault any more
#
# new(target, options): the target is a TRV::Redis, a path or "host:port".
#
#     listen   "host:port" or a path; default: a unix socket of its own
#     raw      bytes are passed on as they come (TLS); the faults marked (*)
#              need to know commands and are not to be had then
#
# fault(...): all faults that shall be in force, as data, so that a soak can
# print and replay them:
#
#     refuse => 1            new links are closed at once
#     stall => 'up'          nothing is passed on in this direction, and nothing
#                            is lost: 'up' (to Redis), 'down', 'both'
#     lose => 'down'         what comes in this direction is thrown away, and
#                            all that comes later on a link that has lost some
#     delay_ms => n          everything arrives so much later
#     split => n             in pieces of n bytes
#     cut_after => n         a link ends after n more bytes to the edge
#     reset => 1             links do not end, they are reset (TCP)
#     rewrite => [[from, to], ...]
#                            regular expression and text, in each piece (raw)
#                            or whole reply that goes to the edge
#     answer => [[what, reply, times], ...]                               (*)
#                            the reply, in bytes, instead of asking Redis; or
#                            [bytes, n]: n times these
#     replace => [[what, reply, times], ...]                              (*)
#                            Redis does it, the edge gets this reply instead;
#                            '' none at all: the link stays open and silent,
#                            'cut': it ends
#
#            `what` is a regular expression on the words of a command, the
#            first in capitals; for a script of ours "EVALSHA revoke" (its name
#            instead of its digest).  `times` is how often, default: always.
#
# counts() knows: links (made so far), open, commands, scripts (by name),
# faulty (answers and replacements given).

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use Digest::SHA ();
use Errno ();
use File::Basename ();
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP ();
use Socket ();
use TRV::Process;

my $n = 0;


sub new {
    my ($class, $target, %options) = @_;

    my $self = bless { %options, target => address_of($target) }, $class;

    my $listen = $options{listen} || TRV::dir() . '/proxy-' . ++$n . '.sock';
    my $server = listen_at($listen);
    $self->{address} = $listen =~ m{^/} ? "unix:$listen"
                                        : 'redis://' . name_of($server);
    $self->{at} = $listen =~ m{^/} ? $listen : name_of($server);

    $self->fork_loop(sub {
        my ($control) = @_;
        TRV::Proxy::Loop->new($self, $server, $control)->run;
    }, $server);

    push @TRV::started, $self;
    return $self;
}


sub address { $_[0]{address} }          # for the directive "redis"
sub at { $_[0]{at} }                    # the same as a path or host:port


sub fault {
    my ($self, %faults) = @_;
    return $self->tell({ faults => \%faults });
}


# new links go to another server from now on
sub lead_to {
    my ($self, $target) = @_;
    $self->{target} = address_of($target);
    return $self->tell({ target => $self->{target} });
}


sub clear { $_[0]->tell({ faults => {} }) }
sub cut { $_[0]->tell({ cut => 1 }) }
sub counts { $_[0]->tell({}) }


sub stop {
    my ($self) = @_;
    $self->end_by('TERM', 5);
}


# a path, or host:port
sub address_of {
    my ($target) = @_;
    $target = $target->address if ref $target;
    $target =~ s/^unix://;
    $target =~ s{^rediss?://(?:[^@/]*@)?}{};
    return $target;
}


sub listen_at {
    my ($at) = @_;

    my $server = $at =~ m{^/}
        ? IO::Socket::UNIX->new(Local => $at, Listen => 128)
        : IO::Socket::IP->new(host_and_port('Local', $at), Listen => 128,
                              ReuseAddr => 1);

    die "cannot listen at $at: $!\n" unless $server;
    chmod 0777, $at if $at =~ m{^/};    # workers of nginx are somebody else
    $server->blocking(0);
    return $server;
}


sub connect_to {
    my ($at) = @_;
    my $link = $at =~ m{^/} ? IO::Socket::UNIX->new(Peer => $at)
                            : IO::Socket::IP->new(host_and_port('Peer', $at),
                                                  Timeout => 5);
    $link->blocking(0) if $link;
    return $link;
}


sub host_and_port {
    my ($side, $at) = @_;
    my ($host, $port) = $at =~ /^\[?(.*?)\]?:(\d+)$/
        or die "no address: $at\n";
    return ("${side}Host" => $host, "${side}Port" => $port);
}


sub name_of {
    my ($server) = @_;
    my $host = $server->sockhost;
    return ($host =~ /:/ ? "[$host]" : $host) . ':' . $server->sockport;
}


package TRV::Proxy::Loop;

# what runs in the process of the proxy

use Time::HiRes ();

use constant PIECE_PAUSE => 0.0003;     # so that pieces arrive one by one


sub new {
    my ($class, $conf, $server, $control) = @_;
    return bless { raw => $conf->{raw}, target => $conf->{target},
                   server => $server, control => $control, orders => '',
                   links => [], faults => {}, scripts => scripts(),
                   counts => { links => 0, commands => 0, faulty => 0 } },
                 $class;
}


# digest -> name of our scripts
sub scripts {
    my $lua = File::Basename::dirname(__FILE__) . '/../../../src/lua';
    my $prelude = TRV::slurp("$lua/prelude.lua");
    return { map {
        my ($name) = m{([^/]+)\.lua$};
        (Digest::SHA::sha1_hex($prelude . TRV::slurp($_)) => $name);
    } glob "$lua/*.lua" };
}


sub run {
    my ($self) = @_;

    while (1) {
        my ($in, $out) = (IO::Select->new, IO::Select->new);
        my %owner;

        $in->add($self->{server}, $self->{control});

        my $now = Time::HiRes::time();
        my $wait = 5;

        for my $link (@{ $self->{links} }) {
            for my $way ('up', 'down') {
                my $pipe = $link->{$way};
                $owner{ fileno $pipe->{from} } = [ $link, $way ];
                next if $self->stalled($way);
                $in->add($pipe->{from}) unless $pipe->{ended};
                next unless @{ $pipe->{out} };
                my $due = $pipe->{out}[0][0] - $now;
                if ($due <= 0) {
                    $out->add($pipe->{to});
                } elsif ($due < $wait) {
                    $wait = $due;
                }
            }
        }

        my ($readable) = IO::Select->select($in, $out, undef, $wait);

        for my $fh (@{ $readable || [] }) {
            if ($fh == $self->{server}) {
                $self->accept;
            } elsif ($fh == $self->{control}) {
                return unless $self->obey;
            } elsif (my $found = $owner{ fileno($fh) // -1 }) {
                $self->take(@$found) unless $found->[0]{closed};
            }
        }

        $self->move($_) for grep { !$_->{closed} } @{ $self->{links} };
        @{ $self->{links} } = grep { !$_->{closed} } @{ $self->{links} };
    }
}


sub stalled {
    my ($self, $way) = @_;
    return ($self->{faults}{stall} // '') =~ /^(?:$way|both)$/;
}


sub obey {
    my ($self) = @_;

    return $self->{control}->answer(sub {
        my ($order) = @_;

        if ($order->{faults}) {
            $self->{faults} = $order->{faults};
            $_->{left} = $order->{faults}{cut_after} for @{ $self->{links} };
        }

        $self->{target} = $order->{target} if $order->{target};

        if ($order->{cut}) {
            $self->end($_) for @{ $self->{links} };
            @{ $self->{links} } = ();
        }

        return { %{ $self->{counts} }, open => scalar @{ $self->{links} } };
    });
}


sub accept {
    my ($self) = @_;

    while (my $edge = $self->{server}->accept) {
        $self->{counts}{links}++;
        $edge->blocking(0);

        my $redis = $self->{faults}{refuse}
                    ? undef
                    : TRV::Proxy::connect_to($self->{target});
        if (!$redis) {
            $self->linger($edge);
            close $edge;
            next;
        }

        push @{ $self->{links} }, {
            up => { from => $edge, to => $redis, in => '', out => [] },
            down => { from => $redis, to => $edge, in => '', out => [] },
            asked => [], left => $self->{faults}{cut_after},
        };
    }
}


sub linger {
    my ($self, $socket) = @_;
    setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
               pack('II', 1, 0) if $self->{faults}{reset};
}


sub end {
    my ($self, $link) = @_;
    return if $link->{closed}++;
    for my $socket ($link->{up}{from}, $link->{down}{from}) {
        $self->linger($socket);
        close $socket;
    }
}


# reads what has come and lines up what shall go on
sub take {
    my ($self, $link, $way) = @_;

    my $pipe = $link->{$way};
    my $got = sysread $pipe->{from}, $pipe->{in}, 65536, length $pipe->{in};

    return if !defined $got && $!{EAGAIN};

    if (!$got) {
        $pipe->{ended} = 1;
        return;
    }

    # what comes later has no meaning without what was lost
    $pipe->{lost} ||= ($self->{faults}{lose} // '') =~ /^(?:$way|both)$/;

    if ($pipe->{lost}) {
        $pipe->{in} = '';

    } elsif ($self->{raw}) {
        $self->send($link, $way, delete $pipe->{in});
        $pipe->{in} = '';

    } elsif ($way eq 'up') {
        $self->commands($link);

    } else {
        $self->replies($link);
    }
}


sub send {
    my ($self, $link, $way, $bytes) = @_;

    my $faults = $self->{faults};

    if ($way eq 'down') {
        $bytes =~ s/$_->[0]/$_->[1]/g for @{ $faults->{rewrite} || [] };
    }

    my $due = Time::HiRes::time() + ($faults->{delay_ms} // 0) / 1000;
    my $out = $link->{$way}{out};

    if (!$faults->{split}) {
        push @$out, map { [ $due, $_ ] } unpack '(a65536)*', $bytes;
        return;
    }

    for my $piece (unpack "(a$faults->{split})*", $bytes) {
        push @$out, [ $due, $piece ];
        $due += PIECE_PAUSE;
    }
}


sub commands {
    my ($self, $link) = @_;

    my $pipe = $link->{up};

    while (my $len = length_of(\$pipe->{in}, 0)) {
        my $bytes = substr $pipe->{in}, 0, $len, '';
        my $words = $self->words($bytes);

        $self->{counts}{commands}++;
        $self->{counts}{scripts}{$1}++ if $words =~ /^EVAL(?:SHA)? (\w+)/;

        if (defined(my $own = $self->told('answer', $words))) {
            push @{ $link->{asked} }, { own => $own };
            $self->replies($link);
            next;
        }

        push @{ $link->{asked} }, { own => $self->told('replace', $words),
                                    redis => 1 };
        $self->send($link, 'up', $bytes);
    }
}


sub replies {
    my ($self, $link) = @_;

    my $pipe = $link->{down};

    while (@{ $link->{asked} } || length $pipe->{in}) {
        my $asked = $link->{asked}[0] || { redis => 1 };
        my $bytes = '';

        if ($asked->{redis}) {
            my $len = length_of(\$pipe->{in}, 0) or return;
            $bytes = substr $pipe->{in}, 0, $len, '';
        }

        shift @{ $link->{asked} };
        $bytes = $asked->{own} if defined $asked->{own};

        if ($bytes eq 'cut') {
            $link->{last} = 1;
            return;
        }

        $pipe->{lost} ||= $bytes eq '';
        $self->send($link, 'down', $bytes) unless $pipe->{lost};
    }
}


# the bytes that shall be given for this command, if any
sub told {
    my ($self, $kind, $words) = @_;

    for my $rule (@{ $self->{faults}{$kind} || [] }) {
        next if defined $rule->[2] && $rule->[2] <= 0;
        next unless $words =~ /$rule->[0]/;
        $rule->[2]-- if defined $rule->[2];
        $self->{counts}{faulty}++;
        my $reply = $rule->[1];
        return ref $reply ? $reply->[0] x $reply->[1] : $reply;
    }

    return undef;
}


sub words {
    my ($self, $bytes) = @_;

    my @words;
    pos($bytes) = 0;
    $bytes =~ /\G\*\d+\r\n/g;

    while ($bytes =~ /\G\$(\d+)\r\n/g) {
        push @words, substr $bytes, pos $bytes, $1;
        pos($bytes) += $1 + 2;
    }

    return '' unless @words;
    $words[0] = uc $words[0];

    if (@words > 1) {
        my $digest = $words[0] eq 'EVAL' ? Digest::SHA::sha1_hex($words[1])
                                         : $words[1];
        $words[1] = $self->{scripts}{$digest} // $words[1];
    }

    return join ' ', @words;
}


# how long the whole reply or command at this place is, 0: not whole yet
sub length_of {
    my ($bytes, $at) = @_;

    my $end = index $$bytes, "\r\n", $at;
    return 0 if $end < 0;

    my $type = substr $$bytes, $at, 1;
    my $n = substr $$bytes, $at + 1, $end - $at - 1;
    $end += 2;

    if ($type eq '$' && $n >= 0) {
        $end += $n + 2;
        return length $$bytes >= $end ? $end - $at : 0;
    }

    if ($type eq '*') {
        for (1 .. $n) {
            my $len = length_of($bytes, $end) or return 0;
            $end += $len;
        }
    }

    return $end - $at;
}


# sends what is due
sub move {
    my ($self, $link) = @_;

    for my $way ('up', 'down') {
        my $pipe = $link->{$way};
        next if $self->stalled($way);

        while (@{ $pipe->{out} }
               && $pipe->{out}[0][0] <= Time::HiRes::time())
        {
            my $piece = $pipe->{out}[0][1];
            $piece = substr $piece, 0, $link->{left}
                if $way eq 'down' && defined $link->{left};

            my $sent = length $piece ? syswrite $pipe->{to}, $piece : 0;

            if (!defined $sent) {
                last if $!{EAGAIN};
                return $self->end($link);
            }

            if ($way eq 'down' && defined $link->{left}) {
                $link->{left} -= $sent;
                return $self->end($link) if $link->{left} <= 0;
            }

            if ($sent < length $pipe->{out}[0][1]) {
                substr $pipe->{out}[0][1], 0, $sent, '';
                last;
            }

            shift @{ $pipe->{out} };
            last if $self->{faults}{split};
        }

        return $self->end($link)
            if $pipe->{ended} && !@{ $pipe->{out} };
    }

    $self->end($link) if $link->{last} && !@{ $link->{down}{out} };
}

1;
