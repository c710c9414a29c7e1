package Bench::Server;

# A contestant: a server made from one of the files in contestants/, with its
# one worker on the CPU that is measured.

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use FindBin;
use TRV;
use TRV::Http;
use TRV::Process;
use IO::Socket::INET;
use Bench;

my $n = 0;


# options: conf (file), cpu, seconds to start, later (await is called by
# somebody else), tls (a certificate, for servers that are to answer https and
# h2 as well), places (beginnings of paths, and the check that each has), and what
# the file has in % signs
sub new {
    my ($class, %options) = @_;

    my $dir = dir() . '/server-' . ++$n;
    mkdir $dir or die "$dir: $!\n";

    my $self = bless { cpu => $Bench::CPU_SERVER, seconds => 30,
                       PORT => free_port(), LOG_LEVEL => 'error',
                       MODULE => module_path(), REPLICA => "$dir/replica",
                       LISTEN => '', places => { '' => '' },
                       %options, DIR => $dir,
                       log => "$dir/error.log" }, $class;

    $self->listen_tls if $self->{tls};

    $self->{command} = $self->{conf} =~ /\.cfg$/
        ? [ 'haproxy', '-f', $self->fill($self->{conf}) ]
        : [ 'nginx', '-c', $self->nginx_conf, '-e', $self->{log} ];

    push @TRV::started, $self;
    $self->start;
    $self->await unless $self->{later};
    return $self;
}


# the API behind all of them; {world} is what they want to know of it
sub backend {
    my ($class, %options) = @_;

    my $dir = dir();
    mkdir "$dir/www";
    spew("$dir/www/file", "ok\n");
    my %world = (WWW => "$dir/www", API => "$dir/api.sock");

    return $class->new(conf => 'api.conf', cpu => $Bench::CPU_CLIENT, %world,
                       MAP => spew("$dir/map-none", ''), MAP_BUCKET => 128,
                       %options, world => \%world);
}


sub listen_tls {
    my ($self) = @_;

    @{ $self->{ports} }{qw(https h2)} = (free_port(), free_port());
    $self->{LISTEN} = "listen 127.0.0.1:$self->{ports}{https} ssl;\n"
                      . "listen 127.0.0.1:$self->{ports}{h2} ssl http2;\n"
                      . "ssl_certificate $self->{tls}{file};\n"
                      . "ssl_certificate_key $self->{tls}{key};\n";
}


sub module_path {
    return "$FindBin::Bin/../build/ngx_http_token_revoke_module.so";
}


# a file of contestants/ with everything between % signs put in
sub fill {
    my ($self, $name) = @_;
    my $text = slurp("$FindBin::Bin/contestants/$name")
        or die "no contestant $name\n";
    $text =~ s/%([A-Z_]+)%/defined $self->{$1} ? $self->{$1} : die "$name: $1\n"/ge;
    return spew("$self->{DIR}/$name", $text);
}


# the two answers in each of its places, with what is checked there
sub locations {
    my ($self) = @_;
    my $text = '';

    for (sort keys %{ $self->{places} }) {
        local @$self{qw(PLACE CHECK)} = ($_, $self->{places}{$_});
        $text .= slurp($self->fill('locations.conf'));
    }

    return spew("$self->{DIR}/locations.conf", $text);
}


sub nginx_conf {
    my ($self) = @_;

    $self->{LOCATIONS} = $self->locations;
    $self->{CONTESTANT} = $self->fill($self->{conf});

    my ($load) = slurp($self->{CONTESTANT}) =~ /^# load: (.*)/;
    $self->{LOAD} = join ' ', map { 'load_module ' . (m{/} ? $_ : "modules/$_")
                                    . ';' } split ' ', $load || '';

    return $self->fill('nginx.conf');
}


sub start {
    my ($self) = @_;
    $self->{pid} = $self->spawn("$self->{DIR}/stderr.log",
                                @{ $self->{command} });
    $self->{end} = Time::HiRes::time() + $self->{seconds};
}


# until its worker is there; dies if it ends or that takes too long
sub await {
    my ($self) = @_;

    wait_for($self->{end} - Time::HiRes::time(), sub {
        $self->running or die 'it ended: ' . slurp("$self->{DIR}/stderr.log");
        $self->{worker} = $self->find_worker;
    });

    if (!$self->{worker}) {
        $self->end_by('KILL', 5);
        die "not ready within $self->{seconds} s\n";
    }

    pin($self->{cpu}, $self->{worker});
    return 1;
}


# of nginx the one child that is a worker
sub find_worker {
    my ($self) = @_;
    return $self->answers ? $self->{pid} : 0 if $self->{command}[0] ne 'nginx';
    my $children = slurp("/proc/$self->{pid}/task/$self->{pid}/children");
    my ($worker) = grep { slurp("/proc/$_/cmdline") =~ /worker process$|worker process\0/ }
                   split ' ', $children;
    return $worker || 0;
}


sub answers {
    my ($self) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $self->{PORT});
}


# protocol: https, h2; else it is plain HTTP/1.1
sub url {
    my ($self, $path, $protocol) = @_;
    return "https://127.0.0.1:$self->{ports}{$protocol}$path" if $protocol;
    return "http://127.0.0.1:$self->{PORT}$path";
}


sub get {
    my ($self, $path, %headers) = @_;
    my $link = $self->answers or return { status => 0, body => '' };
    my $text = TRV::Http::format_request('GET', $path, headers => [ %headers ]);
    syswrite $link, $text;
    return TRV::Http::read_all($link);
}


sub wait_ready {
    my ($self, $seconds) = @_;
    return wait_for($seconds, sub {
        $self->get('/token-revoke/ready')->{status} == 200;
    }) || die "not ready within $seconds s\n" . slurp($self->{log});
}


# bytes of memory that are its own or that it has mapped
sub memory {
    my ($self) = @_;
    my ($kb) = slurp("/proc/$self->{worker}/status") =~ /^VmRSS:\s+(\d+)/m;
    return $kb * 1024;
}


sub stop {
    my ($self) = @_;
    return 1 unless $self->{pid};
    return $self->end_by($self->{command}[0] eq 'nginx' ? 'QUIT' : 'TERM', 30);
}

1;
