package TRV::Faults;

# What can go wrong.  Each fault is begun and ended by its code, which is given
# the arena (TRV::Arena) that it happens in.
#
#     lossy     Redis may forget what it has acknowledged
#     smooth    nothing may fail meanwhile

use strict;
use warnings;

use TRV ();
use Time::HiRes ();

my @faults;


sub named {
    my ($group) = @_;
    return grep { $_->{group} eq $group } @faults;
}

sub all { @faults }

sub _fault {
    my ($group, $name, $code, %kind) = @_;
    push @faults, { group => $group, name => $name, run => $code, %kind };
}


# Redis

my @keys = map { "{partners}:$_" } qw(meta revoked days log when edges);

sub _restart {
    my ($redis, $code) = @_;
    $redis->kill_hard;
    $code->() if $code;
    $redis->start;
    unlink "$redis->{dir}/dump.rdb";
}

_fault(redis => 'Redis killed, back empty', sub {
    my ($arena) = @_;
    my $redis = $arena->redis;
    _restart($redis, sub {
        unlink "$redis->{dir}/dump.rdb";
        $arena->hold($arena->form(0.5, rand 10));
    });
}, lossy => 1);

_fault(redis => 'Redis killed, back with an older dump', sub {
    my ($arena) = @_;
    $arena->redis->command('SAVE');
    $arena->hold($arena->form(0.5, rand 5));
    _restart($arena->redis);
}, lossy => 1);

_fault(redis => 'Redis killed, back with all that it acknowledged', sub {
    my ($arena) = @_;
    my $redis = $arena->redis;
    local $redis->{args} = [ @{ $redis->{args} }, '--appendonly', 'yes' ];
    $redis->command('CONFIG', 'SET', 'appendfsync', 'always');
    $redis->command('CONFIG', 'SET', 'appendonly', 'yes');
    TRV::wait_for(20, sub {
        my $info = $redis->command('INFO', 'persistence');
        $info =~ /aof_enabled:1/ && $info !~ /aof_rewrite_(in_progress|scheduled):1/;
    }) or die "no append-only file\n";
    $arena->hold($arena->form(0.3, rand 5));
    _restart($redis);
    $redis->command('CONFIG', 'SET', 'appendonly', 'no');
});

_fault(redis => 'fail-over with lost writes', sub {
    my ($arena) = @_;
    my $old = $arena->redis;
    my $new = TRV::redis();
    $new->follow($old);
    $new->promote;
    $arena->hold($arena->form(0.5, rand 10));
    $old->kill_hard;
    $arena->fleet->move_to($new);
}, lossy => 1);

_fault(redis => 'FLUSHALL', sub { $_[0]->redis->command('FLUSHALL') },
       lossy => 1);

_fault(redis => 'keys deleted', sub {
    my ($arena) = @_;
    for my $key (@keys) {
        $arena->redis->command('DEL', $key);
        $arena->hold($arena->form(0.2, rand 3));
    }
}, lossy => 1);

_fault(redis => 'keys of a wrong type', sub {
    my ($arena) = @_;
    for my $key (@keys) {
        $arena->redis->command('RENAME', $key, '{partners}:aside');
        $arena->redis->command('SET', $key, 'x');
        $arena->hold($arena->form(0.2, rand 3));
        $arena->redis->command('RENAME', '{partners}:aside', $key);
        $arena->hold(0.1);
    }
});

_fault(redis => 'log trimmed to nothing', sub {
    my ($arena) = @_;
    for (1 .. $arena->form(10, 200)) {
        $arena->redis->command('XTRIM', '{partners}:log', 'MAXLEN', 0);
        $arena->hold(0.05);
    }
});

_fault(redis => 'Redis stopped', sub {
    my ($arena) = @_;
    $arena->redis->freeze;
    $arena->hold($arena->form(2, 30));
    $arena->redis->thaw;
});

_fault(redis => 'Redis full', sub {
    my ($arena) = @_;
    $arena->redis->command('CONFIG', 'SET', 'maxmemory', 1);
    $arena->hold($arena->form(0.5, rand 10));
    $arena->redis->command('CONFIG', 'SET', 'maxmemory', 0);
});

_fault(redis => 'not enough replicas of Redis', sub {
    my ($arena) = @_;
    $arena->redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    $arena->hold($arena->form(0.5, rand 10));
    $arena->redis->command('CONFIG', 'SET', 'min-replicas-to-write', 0);
});

_fault(redis => 'a password set live', sub {
    my ($arena) = @_;
    my $redis = $arena->redis;
    $redis->command('CONFIG', 'SET', 'requirepass', 'other');
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    $arena->hold($arena->form(0.5, rand 10));
    $redis->command('CONFIG', 'SET', 'requirepass', '');
});

_fault(redis => 'links killed', sub {
    my ($arena) = @_;
    for (1 .. $arena->form(5, 100)) {
        $arena->redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME',
                               'yes');
        $arena->hold(rand 0.2);
    }
});

_fault(redis => 'scripts forgotten', sub {
    $_[0]->redis->command('SCRIPT', 'FLUSH');
}, smooth => 1);

_fault(redis => 'a script of somebody else for too long', sub {
    my ($arena) = @_;
    my $redis = $arena->redis;
    my $limit = 'lua-time-limit';
    $redis->command('CONFIG', 'SET', $limit, 100);
    my $link = IO::Socket::UNIX->new(Peer => $redis->{socket});
    print $link "EVAL \"while true do end\" 0\r\n";
    $link->flush;
    $arena->hold($arena->form(1, 10));
    TRV::wait_for(5, sub {
        eval { $redis->command('SCRIPT', 'KILL') };
        eval { $redis->command('PING') eq 'PONG' };
    }) or die "the script goes on\n";
    $redis->command('CONFIG', 'SET', $limit, 5000);
});

my @errors = ('LOADING Redis is loading the dataset in memory',
              'BUSY Redis is busy running a script.',
              'MISCONF Redis is configured to save RDB snapshots',
              'OOM command not allowed', 'READONLY You can\'t write',
              'NOREPLICAS Not enough good replicas', 'MASTERDOWN Link down',
              'NOPERM this user has no permissions', 'NOAUTH needed',
              'WRONGPASS invalid', 'NOSCRIPT No matching script.',
              'MOVED 1 127.0.0.1:1', 'TRYAGAIN Multiple keys',
              'CLUSTERDOWN Hash slot not served', 'WRONGTYPE Operation',
              'ERR', 'x' x 5000);

_fault(redis => 'errors for answers', sub {
    my ($arena) = @_;
    for my $error (@errors) {
        $arena->fault(answer => [ [ '^(EVAL|XREAD)', "-$error\r\n" ] ]);
        $arena->hold($arena->form(0.1, rand 3));
    }
    $arena->clear;
});

_fault(redis => 'answers lost', sub {
    my ($arena) = @_;
    for (1 .. $arena->form(4, 30)) {
        my ($text) = $arena->pick('', 'cut');
        $arena->fault(replace => [ [ '^EVAL(SHA)? revoke', $text, 1 ] ]);
        $arena->hold(0.3);
    }
    $arena->clear;
});

my @malformed = ("*2147483647\r\n", "*-5\r\n", "\$2147483647\r\nx", "\$-2\r\n",
                 "*1\r\n" x 200, "\$5\r\nab\r\n\r\n\r\n", ":\r\n", "*0\r\n",
                 ":12345678901234567890123\r\n", "\0\0\0\0", "*2\r\n:1\r\n",
                 "*3\r\n\$1\r\na\r\n*0\r\n:5\r\n", "+OK\r\n", "\$-1\r\n", "\r\n",
                 "*12\r\n" . "\$0\r\n\r\n" x 12, "+OK\r\n" x 20, "GET / HTTP\r\n",
                 "*2\r\n\$1\r\n0\r\n\$1\r\n0\r\n", "*10\r\n" . ":1\r\n" x 10);

_fault(redis => 'answers that are none', sub {
    my ($arena) = @_;
    for my $bytes (@malformed) {
        $arena->fault(replace => [ [ '.', $bytes, 1 + int rand 3 ] ]);
        $arena->hold($arena->form(0.1, rand 2));
    }
    $arena->clear;
    $_->cut for $arena->proxies;        # answers may belong to other commands
});

_fault(redis => 'answers cut short', sub {
    my ($arena) = @_;
    for (1 .. $arena->form(6, 100)) {
        $arena->fault(cut_after => 1 + int rand $arena->pick(20, 200, 3000));
        $arena->hold(0.15);
    }
    $arena->clear;
});

_fault(redis => 'answers a byte at a time', sub {
    my ($arena) = @_;
    $arena->fault(split => 1);
    $arena->hold($arena->form(0.5, 10));
    $arena->clear;
});

_fault(redis => 'answers late', sub {
    my ($arena) = @_;
    $arena->fault(delay_ms => $arena->pick(100, 400, 700));
    $arena->hold($arena->form(0.7, 10));
    $arena->clear;
});


# edges

sub _allow {
    my ($what) = @_;
    TRV::allow_log({
        killed => qr/process \d+ exited on signal 9/,
        aside => qr/\[alert\].*failed its checks and was set aside/,
        replaced => qr/\[alert\].*was replaced, no longer the writer/,
        broken => qr/\[emerg\].*invalid name of a token revocation set "a b"/,
    }->{$what});
}

_fault(edge => 'writers killed', sub {
    my ($arena) = @_;
    _allow('killed');
    my $edge = $arena->pick($arena->edges);
    for (1 .. $arena->form(12, 200)) {
        my $writer = $edge->writer;
        kill 'KILL', $writer if $writer;
        $arena->hold(rand 0.15);
    }
});

_fault(edge => 'workers killed', sub {
    my ($arena) = @_;
    _allow('killed');
    for (1 .. $arena->form(6, 60)) {
        my ($worker) = $arena->pick($arena->pick($arena->edges)->workers);
        kill 'KILL', $worker if $worker;
        $arena->hold(rand 0.2);
    }
});

_fault(edge => 'master killed', sub {
    my ($arena) = @_;
    my $edge = $arena->fleet->edge(0);
    my @orphans = $edge->workers;
    $edge->end_by('KILL', 10);
    $arena->hold($arena->form(0.5, rand 5));
    kill 'QUIT', @orphans;
    TRV::wait_for(20, sub { !grep { TRV::Process::alive($_) } @orphans })
        or die "orphans do not end\n";
    unlink $edge->{socket}, $edge->{backend};
    $edge->start;
});

_fault(edge => 'edge killed', sub {
    my ($arena) = @_;
    my $edge = $arena->pick($arena->edges);
    $edge->kill_hard;
    $arena->hold($arena->form(0.3, rand 10));
    $edge->start;
});

_fault(edge => 'edge stopped and started', sub {
    my ($arena) = @_;
    my $edge = $arena->pick($arena->edges);
    $edge->stop or die "$edge->{node} does not end\n";
    $arena->hold($arena->form(0.3, rand 10));
    $edge->start;
});

_fault(edge => 'reloads', sub {
    my ($arena) = @_;
    my $edge = $arena->pick($arena->edges);
    for (1 .. $arena->form(4, 100)) {
        $edge->reload or die "$edge->{node} does not reload\n";
    }
}, smooth => 1);

_fault(edge => 'reload of a broken configuration', sub {
    my ($arena) = @_;
    _allow('broken');
    my $edge = $arena->fleet->edge(0);
    TRV::spew("$edge->{dir}/nginx.conf", $edge->config
              =~ s/token_revoke_set partners/token_revoke_set "a b"/r);
    my $before = () = $edge->logged(qr/invalid name of a token rev/);
    $edge->signal('HUP');
    TRV::wait_for(10, sub {
        $before < (() = $edge->logged(qr/invalid name of a token rev/));
    }) or die "not said\n";
    $edge->configure;
}, smooth => 1);

_fault(edge => 'writer stopped, and holds the lock', sub {
    my ($arena) = @_;
    my $writer = $arena->pick($arena->edges)->writer;
    kill 'STOP', $writer || die "no writer\n";
    $arena->hold($arena->form(1, rand 20));
    kill 'CONT', $writer;
});

my @damage = (
    sub { truncate $_[0], int rand -s $_[0] },
    sub { truncate $_[0], 4096 + -s $_[0] },
    sub { TRV::spew($_[0], "\0" x -s $_[0]) },
    sub { TRV::spew($_[0], join '', map { chr rand 256 } 1 .. -s $_[0]) },
    sub { unlink $_[0] },
    sub { my $to = "$_[0].away"; rename $_[0], $to; symlink $to, $_[0] },
    sub { unlink $_[0]; mkdir $_[0] },
    sub {
        require POSIX;
        my @owner = (stat $_[0])[4, 5];
        unlink $_[0];
        POSIX::mkfifo($_[0], 0600);
        chown @owner, $_[0];            # no permission is no damage
    },
);

_fault(edge => 'files damaged', sub {
    my ($arena) = @_;
    _allow('aside');
    for (1 .. $arena->form(1, 10)) {
        my $edge = $arena->pick($arena->edges);
        $edge->stop or die "$edge->{node} does not end\n";
        for my $file (grep { -f } glob "$edge->{replica}/{control,table}.*[0-9]") {
            $arena->pick(@damage)->($file);
        }
        $edge->start;
        $edge->wait_ready;
    }
});

_fault(edge => 'directory replaced', sub {
    my ($arena) = @_;
    _allow('replaced');
    my $edge = $arena->fleet->edge(0);
    my $dir = $edge->{replica};
    my @owner = (stat $dir)[4, 5];
    rename $dir, "$dir.away" or die "$dir: $!\n";
    $arena->hold($arena->form(0.5, rand 5));
    mkdir $dir, 0700 or die "$dir: $!\n";
    chown @owner, $dir;
    TRV::wait_for(10, sub { $edge->writer }) or die "no writer\n";
    system 'rm', '-rf', "$dir.away";
});

_fault(edge => 'table grows through generations', sub {
    my ($arena) = @_;
    return if $arena->redis->command('ZCARD', '{partners}:revoked') > 300_000;
    my $edge = $arena->pick($arena->edges);
    for (1 .. $arena->form(8, 50)) {
        my @ids = map { join '', map { sprintf '%08x', rand 2 ** 32 } 1 .. 4 }
                      1 .. 1000;
        my $answer = $edge->revoke({ ids => \@ids });
        $answer->{status} =~ /^20[02]$/
            or die "not revoked: $answer->{raw}\n";
    }
}, smooth => 1);

_fault(edge => 'two nginx on one directory', sub {
    my ($arena) = @_;
    my $edge = $arena->fleet->edge(0);
    my $twin = $arena->{twin} ||= TRV::edge(redis => $edge->{redis},
        node => $edge->{node}, replica => $edge->{replica}, later => 1,
        set => $edge->{set}, server => $edge->{server});
    push @TRV::started, $twin unless $arena->{twin_known}++;

    $twin->start;
    $twin->wait_ready;
    $edge->stop or die "does not end\n";
    my @tokens = map { TRV::token() } 1 .. 3;
    TRV::wait_for(10, sub {
        $twin->revoke({ tokens => \@tokens })->{status} == 200;
    }) or die "the other one does not revoke\n";
    $edge->start;
    $edge->wait_ready;
    for my $of ($edge, $twin) {
        $of->call($_) == 401 or die "not refused\n" for @tokens;
    }
    $twin->stop or die "the other one does not end\n";
});

_fault(edge => 'binary upgrade, and back', sub {
    my ($arena) = @_;
    my $edge = $arena->fleet->edge(2);
    my $old = $edge->upgrade;
    $arena->hold($arena->form(0.2, rand 5));
    if ($arena->pick(0, 1)) {
        $edge->upgrade_back($old);
    } else {
        $edge->upgrade_finish($old);
    }
}, smooth => 1);


# the fleet

_fault(fleet => 'an edge cut off', sub {
    my ($arena) = @_;
    my $which = int rand 3;
    $arena->fleet->cut_off($which);
    $arena->hold($arena->form(5, 60));
    $arena->fleet->connect($which);
});

_fault(fleet => 'all edges cut off', sub {
    my ($arena) = @_;
    $arena->fleet->cut_off(0 .. 2);
    $arena->hold($arena->form(1, rand 20));
    $arena->fleet->connect(0 .. 2);
});

_fault(fleet => 'links silent, not closed', sub {
    my ($arena) = @_;
    my $proxy = $arena->pick($arena->proxies);
    $proxy->fault(lose => $arena->pick('up', 'down', 'both'));
    $arena->hold($arena->form(1.5, rand 30));
    $proxy->clear;
    $proxy->cut;
});

for my $hours (1, -1) {
    _fault(fleet => "clock of an edge $hours h ahead", sub {
        my ($arena) = @_;
        my $asleep = $arena->{asleep} // 0;
        $arena->{clock}->set($asleep + 3600 * $hours, $asleep);
        $arena->hold($arena->form(1.5, 10));
        $arena->{clock}->set($asleep, $asleep);
    }, smooth => 1);
}

_fault(fleet => 'an edge asleep for an hour', sub {
    my ($arena) = @_;
    $arena->{asleep} += 3600;
    $arena->{clock}->set($arena->{asleep}, $arena->{asleep});
    $arena->hold(0.5);
});

1;
