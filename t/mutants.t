#!/usr/bin/perl

# The list of planted defects fits the sources: each text is there once, and
# each test exists.  `make mutants` plants them.

use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::Bin/..";

my @mutants = do './t/mutants/list.pl';
die $@ if $@;

cmp_ok(scalar @mutants, '>=', 25, 'there are enough');

for (@mutants) {
    my ($name, $file, $right, $wrong, $test) = @$_;
    open my $fh, '<', $file or die "$file: $!\n";
    my $text = do { local $/; <$fh> };
    is(scalar(() = $text =~ /\Q$right\E/g), 1, "$name: in $file");
    isnt($wrong, $right, "$name: a change");
    my $source = $test =~ m{^t/} ? $test : "t/unit/" . $test =~ s{.*/}{}r . '.c';
    ok(-e $source, "$name: $source");
}

my %names = map { $_->[0] => 1 } @mutants;
is(scalar keys %names, scalar @mutants, 'each has a name of its own');

done_testing();
