package TRV::Browser;

# A real Chromium.  What a person does there is written in the words of
# Playwright:
#
#     my $browser = browser();
#     $browser->open($url, name => 'merchant-a', password => '...');
#     $browser->run('await page.getByLabel("Partner").fill(args[0])', 'ypa-1');
#     my $text = $browser->run('return page.innerText("main")');
#
# Every error, warning or violation of the security policy that the browser
# reports makes complaints() and so the test fail.

use strict;
use warnings;

use parent -norequire, 'TRV::Process';

use Cwd ();
use File::Basename ();
use IPC::Open2 ();
use JSON::PP ();
use TRV::Process;

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');


sub new {
    my ($class) = @_;

    system('make', '-s', '-C', $top, 'browser') == 0
        or die "the packages that drive the browser cannot be installed\n";

    # the profile is below, it must keep no token either
    my $dir = TRV::dir() . '/browser';
    mkdir $dir or die "$dir: $!\n";

    my $self = bless { dir => $dir }, $class;

    local $ENV{TMPDIR} = $dir;
    open my $log, '>>', "$dir/browser.log" or die "$dir: $!\n";
    open my $stderr, '>&', \*STDERR;
    open STDERR, '>&', $log;
    $self->{pid} = IPC::Open2::open2(my $out, my $in, 'node',
                                     "$top/t/browser/browser.mjs",
                                     "$top/build/browser",
                                     '/usr/bin/chromium');
    open STDERR, '>&', $stderr;

    @$self{qw(in out)} = ($in, $out);
    push @TRV::started, $self;
    return $self;
}


# an end of the input ends it and the browser
sub stop {
    my ($self) = @_;
    close delete $self->{in} if $self->{in};
    $self->wait_end(10) || $self->end_by('TERM', 5);
}


# what the code returns; dies of what it throws
sub run {
    my ($self, $code, @args) = @_;

    my ($in, $out) = @$self{qw(in out)};
    print $in JSON::PP->new->utf8->canonical->encode(
                  { code => $code, args => \@args }) . "\n";
    $in->flush;

    my $line = <$out>;
    die "the browser has ended: " . TRV::slurp("$self->{dir}/browser.log")
        unless defined $line;

    my $answer = JSON::PP->new->utf8->decode($line);
    die "$answer->{error}\n  in: $code\n" if exists $answer->{error};
    return $answer->{value};
}


sub open {
    my ($self, $url, %options) = @_;
    $self->run('await open(args[0], args[1])', $url, \%options);
}


# complaints since the last time, without those that are expected
sub complaints {
    my ($self, @expected) = @_;
    return grep { my $text = $_; !grep { $text =~ $_ } @expected }
           @{ $self->run('return takeComplaints()') };
}


# a picture of the page, where somebody wants to look at them
sub picture {
    my ($self, $name) = @_;
    return unless $ENV{TRV_PICTURES};
    $self->run('await page.screenshot({ path: args[0], fullPage: true })',
               "$ENV{TRV_PICTURES}/$name.png");
}

1;
