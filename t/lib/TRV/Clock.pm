package TRV::Clock;

# The clocks of one process, which can be set while it runs (see clock.c).
#
#     my $clock = TRV::Clock->new(3600);    # seconds ahead
#     edge(env => $clock->env, ...);
#     $clock->set(-3600);
#     $clock->set(0, 86400);                # the monotonic clock, too

use strict;
use warnings;

use TRV ();

my $n = 0;


sub new {
    my ($class, @ahead) = @_;
    my $self = bless { file => TRV::dir() . '/clock-' . ++$n }, $class;
    $self->set(@ahead);
    return $self;
}


sub set {
    my ($self, $wall, $monotonic) = @_;
    my $mode = -e $self->{file} ? '+<' : '>';
    open my $fh, $mode, $self->{file} or die "$self->{file}: $!\n";
    syswrite $fh, pack 'qq', $wall // 0, $monotonic // 0;
    close $fh;
}


sub env {
    my ($self) = @_;
    return { LD_PRELOAD => _library(), CLOCK_FILE => $self->{file} };
}


sub _library {
    my $library = TRV::dir() . '/clock.so';
    my $source = __FILE__ =~ s{TRV/Clock\.pm$}{clock.c}r;
    -f $library or system('cc', '-shared', '-fPIC', '-O1', '-o', $library,
                          $source) == 0
        or die "$source cannot be compiled\n";
    return $library;
}

1;
