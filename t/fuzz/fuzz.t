#!/usr/bin/perl

# Each fuzz target for a while, from the inputs in t/corpus/.

use strict;
use warnings;

use File::Temp ();
use FindBin;
use Cwd ();
use Test::More;

my $build = Cwd::abs_path("$FindBin::Bin/../../build");
my $seconds = $ENV{TRV_FUZZ_SECONDS} || ($ENV{TRV_SOAK} ? 600 : 20);

# a play has many turns
my %options = (trv_follow => '-len_control=0 -max_len=400');

# files of a replica are made by the thousand: not on a disk
my @tmp = -w '/dev/shm' ? (DIR => '/dev/shm') : (TMPDIR => 1);

my @targets = map { m{([^/]+)_fuzz\.c$} } glob "$FindBin::Bin/*_fuzz.c";

ok(@targets >= 7, 'there are targets');

for my $target (@targets) {
    my $dir = File::Temp->newdir('trv-XXXXXX', @tmp);
    my @corpus = grep { -d } "$FindBin::Bin/../corpus/$target";
    my @words = map { "-dict=$_" }
                grep { -e } "$FindBin::Bin/../corpus/$target.dict";

    chdir $dir;
    mkdir 'found';

    my @command = ("$build/fuzz/${target}_fuzz", "-max_total_time=$seconds",
                   '-max_len=4096', '-timeout=10', '-print_final_stats=1',
                   $options{$target} || '', @words, 'found', @corpus);

    open my $out, '-|', "@command 2>&1" or die "$command[0]: $!\n";
    my @lines = <$out>;
    close $out;

    is($?, 0, "$target: nothing found")
        or diag(grep { /ERROR|SUMMARY|^ +#\d|Base64/ } @lines);

    my ($runs) = map { /number_of_executed_units:\s*(\d+)/ } @lines;
    ok(($runs || 0) > 100, "$target: " . ($runs || 0) . ' runs');

    chdir '/';
}

done_testing();
