#!/usr/bin/perl

# README.md says what each line in the error log means: every message of the
# source is in its table, and no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $top = "$FindBin::Bin/..";


# the messages: strings in what says something; adjacent ones are one

sub strings {
    my ($code) = @_;
    my ($n, @strings) = (0);
    while ($code =~ /"((?:[^"\\]|\\.)*)"|(\s+|PRI\w+)|./gs) {
        if (defined $1) {
            $strings[$n] .= $1 =~ s/\\"//gr;
        } elsif (!defined $2) {
            $n = @strings;
        }
    }
    return @strings;
}

my @messages;
for my $file (glob "$top/src/*/*.c") {
    my $source = slurp($file);
    push @messages, map { strings($_) } grep { !/^NGX_LOG_EMERG/ } $source =~
        /\b(?:ngx_log_error|trv_follow_say|ngx_trv_redis_lose|trv_reader_refuse
            |ngx_snprintf\(redis->reason_text)\b(.*?);\n/gsx,
        $source =~ /->error = (".*?");/g, $source =~ /\blate\[\] = \{(.*?)\};/s;
}

# a refused call is said by one function, that is told how

for (map { slurp($_) } glob "$top/src/http/*.c") {
    push @messages, map { "token revocation$_" }
        grep { length } map { strings($_) } /\bngx_http_trv_log\(r, (.*?)\);/gs;
}

# what is said, without what its formats and placeholders stand for
sub fragments {
    my ($placeholder, @texts) = @_;
    return grep { /\w\W+\w/ } map { s/^\W+|\W+$//gr }
           map { split /$placeholder/, s/"//gr } @texts;
}

my @said = fragments(qr/%(?:\.?\*|ll)*\w+/, @messages);
cmp_ok(@said, '>', 60, 'messages: ' . @said);


# the table

my ($section) = slurp("$top/README.md")
    =~ /^### What a line in the error log means\n(.*?)^### /ms;
my @lines = map { /`([^`]+)`/g } map { (split / \| /)[0] }
            grep { /^\| `/ } split /\n/, $section;
cmp_ok(@lines, '>', 40, 'lines in the table: ' . @lines);

my $text = $section =~ s/"//gr;
my %unsaid = map { $_ => 1 } grep { index($text, $_) < 0 } @said;
is(join("\n", sort keys %unsaid), '', 'each message is explained');

my $all = join "\n", @messages;
my @unknown = grep { index($all, $_) < 0 }
              fragments(qr/\.\.\.|\b[A-Z]{2,}\b|\b[A-Z]\b/, @lines);
is("@unknown", '', 'and there is no other');

finish();
