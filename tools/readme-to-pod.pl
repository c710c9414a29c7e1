#!/usr/bin/perl

# readme-to-pod.pl README.md: the directives and variables of README.md, and
# what one must know to use them, as POD, for a manual page.

use strict;
use warnings;

my $text = do { local $/; <> };

my ($set) = $text =~ /^(### The set\n.*?)^## /ms;
my ($calls) = $text =~ /^(## What a call gets\n.*?)^## /ms;
my ($connecting) = $text =~ /^(## Connecting to Redis\n.*?)^## /ms;
my ($minimal) = $text =~ /^```nginx\n(.*?)^```/ms;

die "README.md has other headings\n"
    unless $set && $calls && $connecting && $minimal;

s/^(?=##)/#/mg for $calls, $connecting;

my %here = map { lc s/ /-/gr => 1 } "$set$calls$connecting" =~ /^#+ (.*)/mg;


# code first: what is in it is left alone
sub inline {
    my ($line) = @_;
    my @code;
    $line =~ s/`([^`]+)`/push @code, $1; "\0$#code\0"/ge;
    $line =~ s/</E<lt>/g;
    $line =~ s/\[([^\]]+)\]\(#([^)]*)\)/$1 . ($here{$2} ? '' : ' (in the README)')/ge;
    $line =~ s/\[([^\]]+)\]\([^)]*\)/$1/g;
    $line =~ s/\*\*([^*]+)\*\*/B<$1>/g;
    $line =~ s/\*([^*\s][^*]*)\*/I<$1>/g;
    $line =~ s/\0(\d+)\0/"C<<< $code[$1] >>>"/ge;
    return $line;
}


# a table as a list: its first column, and what the others say about it
sub rows {
    my ($head, undef, @rows) = map { [ split / *\| */, s/^\| *//r ] } @_;
    my $pod = '';
    for my $row (@rows) {
        my ($first, @rest) = @$row;
        my @names = @$head[1 .. @rest];
        $pod .= "\n=item " . inline($first) . "\n\n" . inline(join '; ', map {
            ($names[$_] // '') eq '' ? $rest[$_] : "$names[$_]: $rest[$_]"
        } 0 .. $#rest) . "\n";
    }
    return "\n=over 4\n$pod\n=back\n\n";
}


sub section {
    my ($markdown) = @_;
    my ($fence, $item) = (0, 0);
    my ($pod, @table) = ('');

    for (split /\n/, $markdown) {
        $pod .= rows(splice @table) if @table && !/^\|/;
        if (/^\|/) {
            push @table, $_;
        } elsif (/^```/) {
            $fence = !$fence;
            $pod .= "\n";
        } elsif ($fence || /^ {4}/) {
            $pod .= ($fence ? '    ' : '') . "$_\n";
        } elsif (/^### (.*)/) {
            $pod .= "\n=head1 " . uc($1) . "\n\n";
        } elsif (/^#### (.*)/) {
            $pod .= "\n=back\n" if $item;
            $item = 0;
            $pod .= "\n=head2 $1\n\n";
        } elsif (/^- (.*)/) {
            $pod .= "\n=over 2\n" unless $item;
            $item = 1;
            $pod .= "\n=item *\n\n" . inline($1) . "\n";
        } elsif (/^$/) {
            $pod .= "\n";
        } else {
            $pod .= "\n=back\n\n" if $item && !/^ /;
            $item = 0 unless /^ /;
            $pod .= inline(s/^ +//r) . "\n";
        }
    }

    return $pod . ($item ? "\n=back\n\n" : '');
}


my $example = join '', map { "    $_\n" } split /\n/, $minimal;

print <<"POD";
=encoding utf8

=head1 NAME

token_revoke - directives of the nginx module that refuses revoked tokens

=head1 SYNOPSIS

$example
@{[ section($set) ]}
@{[ section($calls) ]}
@{[ section($connecting) ]}
=head1 SEE ALSO

trv-inspect(1), nginx(8)

F</usr/share/doc/libnginx-mod-http-token-revoke/README.md.gz>: the HTTP API, the
pages, operation.
POD
