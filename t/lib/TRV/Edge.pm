package TRV::Edge;

# A real nginx with the module, on unix sockets, with an API behind it.
#
# options: redis (TRV::Redis), node, set (lines in the set block), http, server
#          (lines there), api (lines in location /api/), workers, main, env (of
#          the process), daemon (it leaves its parent, as USR2 needs), module

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
sub binary {
    return $ENV{TRV_NGINX} if $ENV{TRV_NGINX};

    # a whole path: an upgrade looks for no other
    my ($found) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}),
                  '/usr/sbin';
    return $found || 'nginx';
}

sub load_line {
    my ($self) = @_;
    return '' if $ENV{TRV_NGINX};
    my $build = Cwd::abs_path(File::Basename::dirname(__FILE__)
                              . '/../../../build');
    my $module = ref $self && $self->{module}
                 || "$build/ngx_http_token_revoke_module.so";
    return "load_module $module;";
}


sub configure {
    my ($self, %change) = @_;
    %$self = (%$self, %change);

    # whole or not at all: a master may be about to read it
    my $file = "$self->{dir}/nginx.conf";
    rename TRV::spew("$file.new", $self->config), $file or die "$file: $!\n";
}


sub config {
    my ($self) = @_;

    my %part = (set => '', http => '', server => '', api => '', main => '',
                redis_line => '', %$self);

    my $load = $self->load_line;
    my $daemon = $self->{daemon} ? 'on' : 'off';
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
daemon $daemon;

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

        location /dry-run/ {
            token_revoke partners;
            token_revoke_dry_run on;
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
        access_log off;
        large_client_header_buffers 8 32k;

        location / {
            add_header X-Seen \$http_authorization;
            return 200 "api\\n";
        }
    }
}
CONF
}


# nginx -t: whether the file is good, and what was said
sub config_test {
    my ($file) = @_;
    # nginx ends a test without freeing what it has read
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    my $said = `${\ binary() } -t -c $file -e stderr 2>&1`;
    return ($? == 0, $said);
}


sub start {
    my ($self) = @_;

    my $pid = $self->spawn("$self->{dir}/stderr.log", $self->words_before,
                           $self->binary, '-c', "$self->{dir}/nginx.conf",
                           '-e', $self->{log});
    $self->{pid} = $pid;

    if ($self->{daemon}) {
        waitpid $pid, 0;
        die "nginx does not start:\n" . $self->last_lines if $?;

        # the file is written by the daemon itself, a moment later
        TRV::wait_for(20, sub { eval { $self->pid_read } && $self->running })
            or die "no pid file\n";
    }

    TRV::wait_for(20, sub {
        die "nginx does not start:\n" . $self->last_lines
            unless $self->running;
        my $answer = $self->get('/token-revoke/ready');
        $answer->{status};
    }) or die "nginx does not answer\n";
}


# the master that the pid file names
sub pid_read {
    my ($self) = @_;
    ($self->{pid}) = TRV::slurp("$self->{dir}/nginx.pid") =~ /^(\d+)/
        or die "no pid file\n";
}


# a daemon is nobody's child here
sub running {
    my ($self) = @_;
    return $self->SUPER::running unless $self->{daemon};
    return $self->{pid} && TRV::Process::alive($self->{pid}) ? 1 : 0;
}


sub last_lines {
    my ($self) = @_;
    my @lines = grep { !/\[info\]/ } map { split /^/, TRV::slurp($_) }
                "$self->{dir}/stderr.log", $self->{log};
    splice @lines, 0, -20 if @lines > 20;
    return join '', @lines;
}


sub stop {
    my ($self) = @_;
    $self->thaw;
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


sub children {
    my ($self) = @_;
    return split ' ',
           TRV::slurp("/proc/$self->{pid}/task/$self->{pid}/children");
}


# every process of it
sub freeze {
    my ($self) = @_;
    my @frozen = ($self->{pid}, $self->workers);
    kill 'STOP', @frozen;
    $self->{frozen} = \@frozen;
}


sub thaw {
    my ($self) = @_;
    kill 'CONT', @{ delete $self->{frozen} || [] };
}


# pids of the workers
sub workers {
    my ($self) = @_;
    return grep { TRV::slurp("/proc/$_/cmdline") =~ /worker process(?! is)/ }
           children($self);
}


# the pid of the worker that has the writer lock, 0 if none; of which version
# of files
sub writer {
    my ($self, $version) = @_;
    $version ||= 1;
    my $inode = (stat "$self->{replica}/writer.$version.lock")[1] or return 0;

    # the list is read in parts, between which others come and go
    for (1 .. 3) {
        return $1 if TRV::slurp('/proc/locks')
                     =~ /FLOCK\s+ADVISORY\s+WRITE\s+(\d+)\s+\S+:$inode\s/;
        Time::HiRes::sleep(0.01);
    }
    return 0;
}


sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');
    return TRV::wait_for(20, sub {
        my @new = $self->workers;
        @new == $self->{workers} && !grep { $old{$_} } @new;
    });
}


# Binary upgrade of a daemon: a second master beside the old one, whose pid is
# returned; then either the old one goes, or it takes over again.

sub upgrade {
    my ($self) = @_;
    my $old = $self->{pid};
    $self->signal('USR2');
    TRV::wait_for(20, sub {
        -s "$self->{dir}/nginx.pid.oldbin" && -s "$self->{dir}/nginx.pid"
            && $self->pid_read != $old && $self->workers;
    }) or die "no second master:\n" . $self->last_lines;
    return $old;
}


sub upgrade_finish {
    my ($self, $old) = @_;
    _retire($old);
    kill 'QUIT', $old;
    _ended($old) or die "the old master does not end\n";
}


sub upgrade_back {
    my ($self, $old) = @_;
    my $new = $self->{pid};
    _retire($old);
    $self->{pid} = $old;
    $self->signal('HUP');
    TRV::wait_for(20, sub { $self->workers }) or die "no workers again\n";
    kill 'QUIT', $new;
    _ended($new) or die "the new master does not end\n";
}


# the workers of a master go, it stays
sub _retire {
    my ($master) = @_;
    my @workers = workers({ pid => $master });
    kill 'WINCH', $master;
    _ended(@workers) or die "old workers do not end\n";
}


sub _ended {
    my (@pids) = @_;
    return TRV::wait_for(20, sub { !grep { TRV::Process::alive($_) } @pids });
}


sub request {
    my ($self, $method, $uri, %options) = @_;
    my $answer = TRV::Http::request($self->{socket}, $method, $uri, %options);

    push @TRV::told, "$method $uri"
        if $uri =~ m{^/token-revoke/}
           && ($answer->{raw} // '') =~ /1\.0_[A-Za-z0-9._-]{140}/;
    return $answer;
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


# POST tokens, by default as an operator: records, an array of them, or text
sub register {
    my ($self, $body, %headers) = @_;
    %headers = ('X-Principal' => 'operator ann',
                'Content-Type' => 'application/json', %headers);
    return $self->request('POST', '/token-revoke/tokens',
        headers => [ %headers ],
        body => ref $body ? JSON::PP->new->canonical->encode($body) : $body);
}


# the same for lines, of text or of records
sub register_lines {
    my ($self, $lines, %headers) = @_;
    my $json = JSON::PP->new->canonical;
    my $body = join '', map { (ref $_ ? $json->encode($_) : $_) . "\n" }
                            @$lines;
    return $self->register($body, 'Content-Type' => 'application/x-ndjson',
                           %headers);
}


sub admin {
    my ($self, $path, $principal) = @_;
    return $self->get("/token-revoke/$path",
                      'X-Principal' => $principal || 'operator ann');
}


# GET metrics: the value of each line, by its name and labels without the set
sub metrics {
    my ($self) = @_;
    my %value;
    for (split /\n/, $self->admin('metrics')->{body} || '') {
        next unless /^token_revoke_(\w+)\{set="partners",?(.*)\} (\S+)$/;
        $value{$2 eq '' ? $1 : "$1 $2"} = $3;
    }
    return \%value;
}


# one of them
sub metric { $_[0]->metrics->{$_[1]} }


sub ready { $_[0]->get('/token-revoke/ready')->{status} == 200 }


sub wait_ready {
    my ($self, $seconds) = @_;
    return TRV::wait_for($seconds || 20, sub { $self->ready })
        || die "the edge does not get ready:\n" . $self->last_lines;
}


# what it has reported to Redis
sub state {
    my ($self) = @_;
    my ($me) = grep { $_->{node} eq $self->{node} && $_->{live} }
               @{ TRV::json($self->admin('edges')->{body})->{items} || [] };
    return $me || {};
}


# whether a heartbeat that left after this moment found it equal to Redis
sub agrees_since {
    my ($self, $time) = @_;
    my $state = $self->state;
    return $state->{agrees} && defined $state->{contact_age_ms}
           && $state->{contact_age_ms} < 1000 * (Time::HiRes::time() - $time);
}


sub logged {
    my ($self, $pattern) = @_;
    return grep { $_ =~ $pattern } split /\n/, TRV::slurp($self->{log});
}


# lines that a worker has logged before, word by word
sub repeated {
    my ($self, $pattern) = @_;
    my %before;
    return grep { /\] (\d+#.*)/ && $before{$1}++ } $self->logged($pattern);
}

1;
