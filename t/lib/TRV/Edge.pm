package TRV::Edge;

# A real nginx with the module, on unix sockets, with an API behind it.
#
# options: redis (TRV::Redis), node, set (lines in the set block), http, server
#          (lines there), api (lines in location /api/), workers, main

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use Cwd ();
use File::Basename ();
use TRV::Http;
use TRV::Process;
use Time::HiRes ();

my $n = 0;


sub new {
    my ($class, %options) = @_;

    my $dir = TRV::dir() . '/nginx-' . ++$n;

    my $self = bless { node => "edge-$n", workers => 2, %options,
                       dir => $dir, socket => "$dir/http.sock",
                       backend => "$dir/backend.sock",
                       log => "$dir/error.log" }, $class;

    mkdir $dir or die "$dir: $!\n";
    mkdir "$dir/www";
    TRV::spew("$dir/www/file", "hello\n");

    $self->{replica} ||= "$dir/replica";

    $self->configure;
    return $self if $options{later};

    push @TRV::started, $self;
    $self->start;
    return $self;
}


# TRV_NGINX: an nginx that has the module built in; else the distribution's
sub binary { $ENV{TRV_NGINX} || 'nginx' }

sub load_line {
    return '' if $ENV{TRV_NGINX};
    my $build = Cwd::abs_path(File::Basename::dirname(__FILE__)
                              . '/../../../build');
    return "load_module $build/ngx_http_token_revoke_module.so;";
}


sub configure {
    my ($self, %change) = @_;
    %$self = (%$self, %change);
    TRV::spew("$self->{dir}/nginx.conf", $self->config);
}


sub config {
    my ($self) = @_;

    my %part = (set => '', http => '', server => '', api => '', main => '',
                redis_line => '', %$self);

    my $load = load_line();
    my $temp = join "\n", map { "    ${_}_temp_path $part{dir}/$_;" }
                          qw(client_body proxy fastcgi uwsgi scgi);
    my $redis = $part{redis_line}
                || ($part{redis} ? $part{redis}->address : 'unix:/nonexistent');

    return <<"CONF";
$load
$part{main}
error_log $part{log} info;
pid $part{dir}/nginx.pid;
worker_processes $part{workers};
daemon off;

events {
    worker_connections 512;
}

http {
    log_format verdict '\$status \$token_revoke_status \$token_revoke_id';
    access_log $part{dir}/access.log verdict;
$temp
    proxy_buffer_size 32k;
    proxy_buffers 8 32k;
    proxy_busy_buffers_size 64k;

    token_revoke_set partners {
        redis    $redis;
        replica  $part{replica};
        node     $part{node};
        $part{set}
    }

    $part{http}

    server {
        listen unix:$part{socket};
        server_name edge;
        $part{server}

        location /api/ {
            token_revoke partners;
            $part{api}
            proxy_pass http://unix:$part{backend}:/;
        }

        location /file/ {
            token_revoke partners;
            alias $part{dir}/www/;
        }

        location /token-revoke/ {
            token_revoke_admin partners;
            token_revoke_principal \$http_x_principal;
        }
    }

    server {
        listen unix:$part{backend};
        server_name backend;
        large_client_header_buffers 8 32k;

        location / {
            add_header X-Seen \$http_authorization;
            return 200 "api\\n";
        }
    }
}
CONF
}


sub start {
    my ($self) = @_;

    my $pid = $self->spawn("$self->{dir}/stderr.log", $self->binary,
                           '-c', "$self->{dir}/nginx.conf",
                           '-e', $self->{log});
    $self->{pid} = $pid;

    TRV::wait_for(20, sub {
        die "nginx does not start:\n" . TRV::slurp("$self->{dir}/stderr.log")
            . TRV::slurp($self->{log}) unless $self->running;
        my $answer = $self->get('/token-revoke/ready');
        $answer->{status};
    }) or die "nginx does not answer\n";
}


sub stop {
    my ($self) = @_;
    return 1 unless $self->{pid};
    my $ended = $self->end_by('QUIT', 20);
    unlink $self->{socket}, $self->{backend};
    return $ended;
}


sub kill_hard {
    my ($self) = @_;
    my @workers = $self->workers;
    $self->end_by('KILL', 10);
    kill 'KILL', @workers;
    unlink $self->{socket}, $self->{backend};
}


# pids of the workers
sub workers {
    my ($self) = @_;
    my $children = TRV::slurp("/proc/$self->{pid}/task/$self->{pid}/children");
    return grep { TRV::slurp("/proc/$_/cmdline") =~ /worker process(?! is)/ }
           split ' ', $children;
}


# the pid of the worker that has the writer lock, 0 if none
sub writer {
    my ($self) = @_;
    my (undef, $inode) = stat "$self->{replica}/writer.lock";
    for (split /\n/, TRV::slurp('/proc/locks')) {
        return $1 if /FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+\S+:$inode\s/;
    }
    return 0;
}


sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');
    return TRV::wait_for(20, sub {
        my @new = $self->workers;
        @new && !grep { $old{$_} } @new;
    });
}


sub request {
    my ($self, $method, $uri, %options) = @_;
    return TRV::Http::request($self->{socket}, $method, $uri, %options);
}


sub get {
    my ($self, $uri, %headers) = @_;
    return $self->request('GET', $uri, headers => [ %headers ]);
}


# a call of the API with a token: its status
sub call {
    my ($self, $token, $uri) = @_;
    return $self->get($uri || '/api/x', Authorization => "Bearer $token")
                ->{status};
}


# POST revocations, by default as an operator
sub revoke {
    my ($self, $body, %headers) = @_;
    %headers = ('X-Principal' => 'operator ann',
                'Content-Type' => 'application/json', %headers);
    return $self->request('POST', '/token-revoke/revocations',
        headers => [ %headers ],
        body => ref $body ? JSON::PP->new->canonical->encode($body) : $body);
}


sub admin {
    my ($self, $path, $principal) = @_;
    return $self->get("/token-revoke/$path",
                      'X-Principal' => $principal || 'operator ann');
}


sub ready { $_[0]->get('/token-revoke/ready')->{status} == 200 }


sub wait_ready {
    my ($self, $seconds) = @_;
    return TRV::wait_for($seconds || 20, sub { $self->ready })
        || die "the edge does not get ready:\n" . TRV::slurp($self->{log});
}


# what it has reported to Redis
sub state {
    my ($self) = @_;
    my ($me) = grep { $_->{node} eq $self->{node} && $_->{live} }
               @{ TRV::json($self->admin('edges')->{body})->{items} || [] };
    return $me || {};
}


sub logged {
    my ($self, $pattern) = @_;
    return grep { $_ =~ $pattern } split /\n/, TRV::slurp($self->{log});
}

1;
