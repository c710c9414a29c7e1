#!/usr/bin/perl

# make mutants: plants the defects of list.pl, one at a time, in a copy of the
# tree, and shows that the test that is named catches each.  A test must pass
# before, or it says nothing.  Arguments: words, for the mutants that have one
# of them in their names.

use strict;
use warnings;

use Cwd ();
use File::Path ();
use FindBin;

my $top = Cwd::abs_path("$FindBin::Bin/../..");
my $tree = "$top/build/mutants";
my $log = "$tree/build/mutant.log";

my @mutants = do "$FindBin::Bin/list.pl";
die $@ if $@;
@mutants = grep { my $m = $_; grep { $m->[0] =~ /\Q$_\E/ } @ARGV } @mutants
    if @ARGV;


sub slurp {
    my ($file) = @_;
    open my $fh, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$fh>;
}

sub spew {
    my ($file, $text) = @_;
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh $text;
    close $fh or die "$file: $!\n";
}

sub run {
    my ($command) = @_;
    return system("cd $tree && { $command; } >> $log 2>&1 < /dev/null") == 0;
}

# what must be built for a test, and what runs it
sub build {
    my ($test) = @_;
    return run($test =~ m{^t/} ? 'make -s module' : "make -s $tree/build/$test");
}

sub passes {
    my ($test) = @_;
    return run("prove $test") if $test =~ m{^t/};
    return run("timeout 120 build/$test"
               . ($test =~ /stress/ ? ' 200000' : ''));
}


File::Path::remove_tree($tree);
File::Path::make_path("$tree/build");
system("cd $top && { git ls-files -z; git ls-files -zo --exclude-standard; }"
       . " | xargs -0 cp --parents -t $tree") == 0 or die "cp failed\n";

my %sound;
my @survivors;
my $n = 0;
$| = 1;

print '1..', scalar(@mutants), "\n";

for (@mutants) {
    my ($name, $file, $right, $wrong, $test) = @$_;
    $n++;

    $sound{$test} //= build($test) && passes($test);

    my $text = slurp("$tree/$file");
    my $mutant = $text;
    my $at = index $mutant, $right;
    substr($mutant, $at, length $right) = $wrong if $at >= 0;

    spew("$tree/$file", $mutant);
    my $built = $at >= 0 && build($test);
    my $caught = $built && $sound{$test} && !passes($test);
    spew("$tree/$file", $text);

    my $why = !$sound{$test} ? ", $test does not pass without it"
            : $at < 0 ? ", it cannot be planted"
            : !$built ? ", it does not build"
            : $caught ? ", caught by $test" : ", NOT caught by $test";

    print $caught ? '' : 'not ', "ok $n - $name$why\n";
    push @survivors, $name unless $caught;
}

print "# see $log\n" if @survivors;
exit(@survivors ? 1 : 0);
