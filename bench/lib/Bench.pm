package Bench;

# What all measurements share: programs, pinned processes, CPU time, the load,
# medians and tables.

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IO::Select;
use POSIX ();
use Time::HiRes qw(time sleep);

use lib "$FindBin::Bin/../t/lib";
use TRV;

alarm 0;                         # which ends tests that take too long

our @EXPORT = qw(quick sizes program capture shell pin cpu_ns stolen
                 median lowest highest spread table heading note
                 tokens load_redis
                 load_start load_aim load_turn load_interrupt load_end);

our $CPU_SERVER = 0;             # the worker that is measured
our $CPU_CLIENT = 1;             # all that loads it
our ($CPU_ANY) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s+(\S+)/m;

my %loads;                       # those that run, by pid: some may be stopped

my $n = 0;                        # loads so far

END { kill 'KILL', keys %loads }


sub quick { $ENV{BENCH_QUICK} ? 1 : 0 }

# sizes of sets, or those that BENCH_SIZES names: as far as there is memory for
# so many bytes a revocation
sub sizes {
    my ($bytes, @sizes) = @_;

    my ($kb) = slurp('/proc/meminfo') =~ /^MemAvailable:\s+(\d+)/m;
    @sizes = split ' ', $ENV{BENCH_SIZES} if defined $ENV{BENCH_SIZES};

    my @large = grep { $_ * $bytes > $kb * 1024 } @sizes;
    note(sprintf '- this machine does not hold %s: %.1f GB are free', $_,
         $kb / 1e6) for @large;
    return grep { $_ * $bytes <= $kb * 1024 } @sizes;
}


sub program { "$FindBin::Bin/../build/bench/$_[0]" }


sub capture {
    my (@command) = @_;
    open my $out, '-|', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$out>;
    close $out or die "@command failed\n";
    return $text;
}


sub shell {
    my ($line) = @_;
    system('bash', '-o', 'pipefail', '-c', $line) == 0
        or die "failed: $line\n";
}


# a running process, with all its threads, on one CPU
sub pin {
    my ($cpu, @pids) = @_;
    capture('taskset', '-a', '-c', '-p', $cpu, $_) for @pids;
}


# CPU time of a process: in ns where the kernel says so, else in its ticks
sub cpu_ns {
    my ($pid) = @_;
    my ($ns) = split ' ', slurp("/proc/$pid/schedstat");
    return $ns if $ns;
    my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//r;
    return ($stat[11] + $stat[12]) * 1e7;
}


# seconds that the host has taken from the CPUs of this machine so far
sub stolen {
    my ($ticks) = slurp('/proc/stat') =~ /^cpu +(?:\d+ +){7}(\d+)/;
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return 0 unless @sorted;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

sub lowest { (sort { $a <=> $b } @_)[0] }
sub highest { (sort { $b <=> $a } @_)[0] }


# "median (lowest - highest)"
sub spread {
    my ($format, @values) = @_;
    return '-' unless @values;
    return sprintf "$format ($format - $format)",
                   median(@values), lowest(@values), highest(@values);
}


sub heading { print "\n## $_[0]\n\n" }
sub note { print "$_[0]\n" }


# rows of cells, the first one is the head
sub table {
    my (@rows) = @_;
    splice @rows, 1, 0, [ map { $_ ? '--:' : '---' } 0 .. $#{ $rows[0] } ];
    print '| ', join(' | ', @$_), " |\n" for @rows;
    print "\n";
}


# a file with tokens: 1 % of a set of this size, 99 % of none
sub tokens {
    my ($size, $len, $n) = @_;

    my $list = dir() . "/tokens-$size-$len";
    return $list if -e $list;

    my $revoked = $size ? $n / 100 : 0;
    my $free = 2 ** 40;
    my @in = $revoked ? split /\n/, capture(program('tokens'), 'list', 0,
                                            $revoked, $len) : ();
    my @out = split /\n/, capture(program('tokens'), 'list', $free,
                                  $free + $n - @in, $len);
    my $text = '';
    for my $i (0 .. $n - 1) {
        $text .= ($i % 100 == 50 && @in ? shift @in : shift @out) . "\n";
    }

    spew($list, $text);
    return $list;
}


# fills a Redis with revocations 0 .. n - 1
sub load_redis {
    my ($redis, $n, $len) = @_;
    return unless $n;
    my $tokens = program('tokens');
    shell("$tokens load 0 $n $len partners"
          . " | redis-cli -s $redis->{socket} --pipe > /dev/null");
}


# calls a server with these tokens, in the background; options: seconds,
# connections, client: of call.c (h1, h2) in place of wrk, paths: those that it
# may be aimed at, in place of that of the URL
sub load_start {
    my ($url, $list, %options) = @_;

    my $seconds = $options{seconds} || 1;
    my $connections = $options{connections} || 16;
    my ($port, $path) = $url =~ m{:(\d+)(/.*)};
    my @paths = $options{paths} ? @{ $options{paths} } : $path;
    my $counter = spew(dir() . '/calls-' . ++$n, "\0" x 16);

    my @command = $options{client}
        ? (program('call'), $options{client}, $port, $list, $seconds,
           $connections, $counter, @paths)
        : ('wrk', '-t1', "-c$connections", "-d${seconds}s", '--timeout', '20s',
           '-s', "$FindBin::Bin/call.lua", $url, '--', $list, $counter, @paths);

    my $pid = open my $out, '-|', 'taskset', '-c', $CPU_CLIENT, @command
        or die "taskset: $!\n";
    return $loads{$pid} = { pid => $pid, out => $out,
                             counter => $counter };
}


# calls that it has sent
sub load_calls { unpack 'Q', slurp($_[0]{counter}) }


# its next calls are for this one of its paths
sub load_aim {
    my ($load, $path) = @_;
    open my $file, '+<:raw', $load->{counter} or die "$load->{counter}: $!\n";
    sysseek $file, 8, 0;
    syswrite $file, pack 'Q', $path;
}


# continues it and stops it after so many seconds; returns its calls, and what
# the worker spent until it had answered the last one, in ns of CPU
sub load_turn {
    my ($load, $worker, $seconds) = @_;

    my ($calls, $ns) = (load_calls($load), cpu_ns($worker));
    kill 'CONT', $load->{pid};
    sleep $seconds;
    kill 'STOP', $load->{pid};

    do { sleep 0.001 } while slurp("/proc/$worker/stat") =~ /\) R /;
    return (load_calls($load) - $calls, cpu_ns($worker) - $ns);
}


# ends those that are stopped: as long as not all threads of one run again the
# signal may go to one that does not heed it
sub load_interrupt {
    my @left = @_;
    kill 'CONT', map { $_->{pid} } @left;

    while (@left) {
        kill 'INT', map { $_->{pid} } @left;
        sleep 0.02;
        @left = grep { !IO::Select->new($_->{out})->can_read(0) } @left;
    }
}


# waits for it: a hash of what it saw
sub load_end {
    my ($load) = @_;

    my $out = $load->{out};
    my $text = join '', <$out>;
    close $out;
    delete $loads{ $load->{pid} };

    my %seen;
    @seen{qw(calls refused failed seconds p50 p99 again longest)} =
        split ' ', $text =~ /^bench (.*)/m ? $1 : die "the load says:\n$text";
    return \%seen;
}

1;
