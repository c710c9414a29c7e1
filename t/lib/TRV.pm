package TRV;

# What every behaviour test needs: a temporary directory, real Redis servers
# and real nginx edges in it, tokens that must show up nowhere, and the checks
# of all logs at the end.

use strict;
use warnings;

use Exporter 'import';
use File::Basename ();
use File::Find ();
use File::Temp ();
use Digest::SHA ();
use IO::Socket::INET ();
use JSON::PP ();
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(dir token never_shown query_token token_id redis sentinel edge
                 fleet proxy certs dns browser console wait_for free_port allow_log
                 finish json quantile slurp spew);

my $dir;
my (@tokens, @query_tokens, @allowed);
our @started;                   # what is to be stopped, last one first
our @told;                      # answers that hold a token

# a test that hangs is a failure too
$SIG{ALRM} = sub { die "the test took too long\n" };
alarm($ENV{TRV_TEST_TIMEOUT} || 300);

$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 1 };
$SIG{PIPE} = 'IGNORE';

$ENV{LSAN_OPTIONS} = 'print_suppressions=0:suppressions='
                     . File::Basename::dirname(__FILE__) . '/lsan.supp';


sub dir {
    if (!$dir) {
        $dir = File::Temp->newdir('trv-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{TRV_KEEP});
        chmod 0755, "$dir";     # workers of nginx are somebody else
    }
    return "$dir";
}


# a fresh partner token; it must never show up in any text of ours
sub token {
    my ($len) = @_;
    my @chars = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '.', '_', '-');
    my $token = '1.0_' . join '', map { $chars[rand @chars] } 1 .. 140;
    $token = substr $token x 60, 0, $len if $len;
    push @tokens, $token if length $token > 15;
    return $token;
}


# what tokens have in common that a test makes up by itself: "load" and more
sub never_shown { push @tokens, @_ }


# the same for one that goes into a query, where nginx itself may log it
sub query_token {
    my $token = token();
    push @query_tokens, pop @tokens;
    return $token;
}


sub token_id {
    my ($token) = @_;
    return substr Digest::SHA::sha256_hex($token), 0, 32;
}


sub redis {
    require TRV::Redis;
    return TRV::Redis->new(@_);
}


sub sentinel {
    require TRV::Sentinel;
    return TRV::Sentinel->new(name => 'mymaster', quorum => 2, @_);
}


sub edge {
    require TRV::Edge;
    return TRV::Edge->new(@_);
}


sub proxy {
    require TRV::Proxy;
    return TRV::Proxy->new(@_);
}


sub browser {
    require TRV::Browser;
    return TRV::Browser->new(@_);
}


sub console {
    require TRV::Console;
    return TRV::Console->new(@_);
}


sub dns {
    require TRV::Dns;
    return TRV::Dns->new(@_);
}


sub certs {
    require TRV::Process;
    require TRV::Certs;
    return TRV::Certs->new(@_);
}


# edges 1 .. n of one set, ready
sub fleet {
    my ($n, $redis, %options) = @_;
    my @edges = map { edge(redis => $redis, node => "edge-$_", %options) }
                    1 .. $n;
    $_->wait_ready for @edges;
    return @edges;
}


# true once code returns true, false after so many seconds
sub wait_for {
    my ($seconds, $code) = @_;
    my $end = Time::HiRes::time() + $seconds;
    my $value;
    until ($value = $code->()) {
        return $value if Time::HiRes::time() > $end;
        Time::HiRes::sleep(0.005);
    }
    return $value;
}


# the value that a part q of them does not exceed
sub quantile {
    my ($q, @values) = @_;
    return (sort { $a <=> $b } @values)[ $q * $#values ];
}


# of the loopback address, that nobody listens on
sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "socket: $!\n";
    return $socket->sockport;
}


sub json {
    my ($text) = @_;
    my $value = eval { JSON::PP->new->utf8->decode($text) };
    return defined $value ? $value : {};
}


sub slurp {
    my ($path) = @_;
    open my $fh, '<:raw', $path or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}


sub spew {
    my ($path, $text) = @_;
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $text or die "$path: $!\n";
    close $fh or die "$path: $!\n";
    return $path;
}


# a severe line that the test itself provokes
sub allow_log {
    push @allowed, @_;
}


sub stop_all {
    while (my $thing = pop @started) {
        $thing->stop;
    }
}


sub _shows {
    my ($text, $begins) = @_;

    while ($text =~ /(?=(1\.0_.{12}|load.{12}))/gs) {
        my $at = $-[0];
        return 1 if grep { substr($text, $at, length) eq $_ }
                    @{ $begins->{$1} || [] };
    }

    return 0;
}


# the last line of every test
sub finish {
    $_->write_down for grep { $_->isa('TRV::Redis') } @started;
    stop_all();

    my (@severe, @leaks);

    # thousands of them: found by the way they begin
    my %begins;
    push @{ $begins{ substr $_, 0, 16 } }, $_ for @tokens;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f $_;
        my $text = slurp($_);

        if (/\.log$/) {
            for my $line (split /\n/, $text) {
                next unless $line =~ /\[(alert|emerg)\]|Sanitizer|runtime error/;
                next if grep { $line =~ $_ } @allowed;
                push @severe, "$_: $line";
            }
        }

        # nginx' own complaint about a header, which the README warns about
        $text =~ s/^.*\] .*client sent (duplicate|invalid) header line.*$//mg;

        push @leaks, $_ if _shows($text, \%begins);

        for my $token (@query_tokens) {
            push @leaks, $_ if grep { index($_, $token) >= 0 }
                               grep { /token revocation/ || /^redis / }
                               split /\n/, $text;
        }
    } }, dir());

    is("@severe", '', 'no severe line in any log');
    is("@leaks", '', 'no token in any file');
    is("@told", '', 'no token in any answer of the API');

    done_testing();
}


my $owner = $$;                 # its children stop nothing

END {
    my $status = $?;
    stop_all() if $$ == $owner;
    $? = $status;
}

1;
