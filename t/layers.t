#!/usr/bin/perl

# The name prefix is the layer: what each layer must not know of, what the
# module exports, and how long things may get.

use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::Bin/..";

sub lines_of {
    my ($file) = @_;
    open my $fh, '<', $file or die "$file: $!\n";
    return <$fh>;
}

sub matches {
    my ($pattern, @files) = @_;
    my @found;
    for my $file (@files) {
        my $n = 0;
        for (lines_of($file)) {
            $n++;
            push @found, "$file:$n: $_" if /$pattern/;
        }
    }
    return join '', @found;
}

my @core = glob 'src/core/*.[ch]';
my @event = glob 'src/event/*.[ch]';
my @http = glob 'src/http/*.[ch]';
my @all = (@core, @event, @http, glob '*.c');

ok(@core > 20 && @event > 5 && @http > 5, 'there is something to look at');

is(matches(qr/\bngx_/i, @core), '', 'src/core knows nothing of nginx');
is(matches(qr/ngx_http/i, @event), '', 'src/event knows nothing of HTTP');
is(matches(qr/#include\s+"ngx_/, @core), '', 'core includes no other layer');

# nginx's headers define _GNU_SOURCE and the size of off_t: what is read before
# them declares other things
my @first = grep {
    my ($include) = map { /^#include\s+(\S+)/ ? $1 : () } lines_of($_);
    defined $include && $include !~ /^[<"]ngx_|^<nginx\.h>/;
} @event, @http, glob '*.c';
is("@first", '', 'nothing is included before nginx');

is(join(' ', grep { !m{/trv_} } @core), '', 'names of files in core');
is(join(' ', grep { !m{/ngx_trv_} } @event), '', 'names of files in event');
is(join(' ', grep { !m{/ngx_http_trv[_.]} } @http), '', 'names of files in http');

is(matches(qr/^.{81}/, @all), '', 'no line has more than 80 columns');
is(matches(qr/[ \t]$|\t/, @all), '', 'no tabs, no blanks at the end');

my @long = grep { my @l = lines_of($_); @l > (/\.h$/ ? 150 : 600) }
                @all, glob 'bench/*.[ch] bench/*.pl';
is("@long", '', 'no file is too long');


# functions: up to 80 lines in core, up to 100 in the others

my @functions = map { [ split ] }
    split /\n/, `ctags -x --c-kinds=f --_xformat='%N %F %n %e' @all`;
ok(@functions > 300, 'functions: ' . @functions);

my @too_long = grep {
    my (undef, $file, $from, $to) = @$_;
    $to - $from >= ($file =~ m{^src/core/} ? 80 : 100);
} @functions;
is(join(' ', map { "@$_" } @too_long), '', 'no function is too long');

my @names = grep { length $_->[0] > 36 && $_->[1] =~ m{^src/} } @functions;
is(join(' ', map { $_->[0] } @names), '', 'no name is too long');

# as nginx and we write them: the name opens a line
my @bad = grep { $_->[0] !~ /^(trv_|ngx_trv_|ngx_http_trv_|ngx_http_token_revoke)/ }
          @functions;
is(join(' ', map { $_->[0] } @bad), '', 'every function has our prefix');


# where newcomers look

my ($guide) = join "\n", lines_of('CONTRIBUTING.md');
my @absent = grep { !-e } $guide =~ m{`((?:src|t|tools)/[\w./]+\.\w+)`}g;
is("@absent", '', 'CONTRIBUTING.md names files that there are');

# what the module lets others see

my $module = 'build/ngx_http_token_revoke_module.so';
my @exports = map { (split)[-1] } split /\n/,
              `nm -D --defined-only $module`;
ok(@exports > 10, 'exported: ' . @exports);

my @foreign = grep { !/^(trv_|ngx_trv_|ngx_http_trv_|ngx_http_token_revoke)/
                     && !/^ngx_module(s|_names|_order)$/ } @exports;
is("@foreign", '', 'every exported symbol has our prefix');


# nothing that a build makes is in the tree

is(join(' ', grep { !m{^build/} } split /\n/,
        `git ls-files -o --exclude-standard 2>/dev/null | grep -E '\\.(o|so|log)\$'`),
   '', 'nothing is left in the tree');

done_testing();
