#!/usr/bin/perl

# readme-to-pod.pl README.md: the directives and variables of README.md as POD,
# for a manual page.

use strict;
use warnings;

my $text = do { local $/; <> };

my ($set) = $text =~ /^(### The set\n.*?)^## /ms;
my ($variables) = $text =~ /^(### Variables\n.*?)^## /ms;
my ($minimal) = $text =~ /^```nginx\n(.*?)^```/ms;

die "README.md has other headings\n" unless $set && $variables && $minimal;


# code first: what is in it is left alone
sub inline {
    my ($line) = @_;
    my @code;
    $line =~ s/`([^`]+)`/push @code, $1; "\0$#code\0"/ge;
    $line =~ s/</E<lt>/g;
    $line =~ s/\[([^\]]+)\]\([^)]*\)/$1/g;
    $line =~ s/\*\*([^*]+)\*\*/B<$1>/g;
    $line =~ s/\*([^*\s][^*]*)\*/I<$1>/g;
    $line =~ s/\0(\d+)\0/"C<<< $code[$1] >>>"/ge;
    return $line;
}


sub section {
    my ($markdown) = @_;
    my ($fence, $item) = (0, 0);
    my $pod = '';

    for (split /\n/, $markdown) {
        if (/^```/) {
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
@{[ section($variables) ]}
=head1 SEE ALSO

trv-inspect(1), nginx(8)

F</usr/share/doc/libnginx-mod-http-token-revoke/README.md>: the HTTP API, what a
call gets, operation.
POD
