#!/usr/bin/perl

# The other compiler has nothing to say against the module either, and nginx
# loads what it makes.  (The first one is what `make` uses; both stop at a
# warning.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

plan(skip_all => 'the same for every nginx') if $ENV{TRV_NGINX};

my $dir = dir();
my $source = $ENV{NGINX_SOURCE} || '/usr/share/nginx/src';
my $module = "$dir/ngx_http_token_revoke_module.so";

$ENV{CC} = 'clang';
my $said = `bash $FindBin::Bin/lib/build_module.sh $source $dir/work $module 2>&1`;
is($?, 0, 'clang builds the module') or diag($said);
unlike(slurp("$dir/work/build.log"), qr/warning:/, 'without a warning');

my $conf = spew("$dir/nginx.conf",
                "load_module $module;\npid $dir/pid;\nevents { }\n");
$said = `nginx -t -c $conf -e stderr 2>&1`;
is($?, 0, 'nginx loads it') or diag($said);

finish();
