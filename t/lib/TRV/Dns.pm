package TRV::Dns;

# A small DNS server on 127.0.0.1: names are what a test says they are.
#
#     my $dns = dns();
#     $dns->set('redis.internal' => [ '127.0.0.1', '::1' ]);
#     $dns->set('gone.internal' => undef);      # NXDOMAIN, as all others
#     $dns->silent(1);                          # answers nothing
#     $dns->at                                  # for the directive "resolver"
#
# Answers hold for one second.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket ();
use TRV::Process;

use parent -norequire, 'TRV::Process';


sub new {
    my ($class) = @_;

    my $self = bless { names => {} }, $class;
    my $server = IO::Socket::INET->new(Proto => 'udp',
                                       LocalAddr => '127.0.0.1')
        or die "udp: $!\n";
    $self->{at} = '127.0.0.1:' . $server->sockport;

    $self->fork_loop(sub {
        my ($control) = @_;
        serve($server, $control);
    }, $server);

    push @TRV::started, $self;
    return $self;
}


sub at { $_[0]{at} }


sub set {
    my ($self, %names) = @_;
    return $self->tell({ names => \%names });
}


sub silent { $_[0]->tell({ silent => $_[1] }) }

# questions that have come so far
sub asked { $_[0]->tell({})->{asked} }


sub serve {
    my ($server, $control) = @_;

    my %names;
    my ($silent, $asked) = (0, 0);
    my $select = IO::Select->new($server, $control);

    while (1) {
        for my $fh ($select->can_read) {
            if ($fh == $server) {
                my $from = recv $server, my $question, 4096, 0;
                $asked++;
                send $server, answer($question, \%names), 0, $from
                    if defined $from && !$silent;
                next;
            }

            $control->answer(sub {
                my ($order) = @_;
                %names = (%names, %{ $order->{names} }) if $order->{names};
                $silent = $order->{silent} if exists $order->{silent};
                return { asked => $asked };
            }) or return;
        }
    }
}


sub answer {
    my ($question, $names) = @_;

    my ($id) = unpack 'n', $question;
    my ($labels) = unpack 'x12 Z*', $question;
    my $type = unpack 'n', substr $question, 12 + length($labels) + 1, 2;
    my $name = lc join '.', unpack '(C/a)*', $labels;

    my $known = $names->{$name};
    my @records = map { pack 'n n n N n/a*', 0xc00c, $type, 1, 1, $_ }
                  grep { defined }
                  map { Socket::inet_pton($type == 28 ? Socket::AF_INET6()
                                                      : Socket::AF_INET(), $_) }
                  grep { $type == (/:/ ? 28 : 1) } @{ $known || [] };

    return pack('n n n n n n', $id, $known ? 0x8180 : 0x8183, 1,
                scalar @records, 0, 0)
           . substr($question, 12, length($labels) + 5) . join '', @records;
}

1;
