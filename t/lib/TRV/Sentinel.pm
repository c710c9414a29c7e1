package TRV::Sentinel;

# A real sentinel: a redis-server that watches over others.
#
# options: master (TRV::Redis with a port), name, quorum, tls (true: only with
# TLS), conf (more lines; what the master needs comes first)

use strict;
use warnings;

use TRV::Redis;

use parent -norequire, 'TRV::Redis';


sub start {
    my ($self) = @_;

    my $master = $self->{master};
    my $conf = "$self->{dir}/sentinel.conf";
    $self->{port} ||= TRV::free_port();

    # it keeps what it has learned in there
    TRV::spew($conf, join "\n",
        $self->{tls} ? ('port 0', "tls-port $self->{port}")
                     : "port $self->{port}",
        'bind 127.0.0.1',
        "unixsocket $self->{socket}", "dir $self->{dir}",
        "sentinel monitor $self->{name} 127.0.0.1 "
        . "$master->{port} $self->{quorum}",
        "sentinel down-after-milliseconds $self->{name} 2000",
        "sentinel failover-timeout $self->{name} 2000",
        @{ $self->{conf} || [] }, '')
        unless -e $conf;

    $self->{pid} = $self->spawn("$self->{dir}/redis.log", 'redis-server', $conf,
                                '--sentinel');

    TRV::wait_for(10, sub { eval { $self->command('PING') eq 'PONG' } })
        or die "the sentinel does not start\n";

    # it is patient; from version 7.0 on it can be told not to be: also not for
    # 30 seconds after a machine that stood still for two (tilt)
    eval {
        $self->command('SENTINEL', 'DEBUG', 'publish-period', 200,
                       'info-period', 500, 'ask-period', 200,
                       'tilt-period', 1000);
    };
}


# the port of the master that it names
sub master_port {
    my ($self) = @_;
    my $answer = eval {
        $self->command('SENTINEL', 'get-master-addr-by-name', $self->{name});
    };
    return $answer ? $answer->[1] : 0;
}

1;
