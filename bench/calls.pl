#!/usr/bin/perl

# What a check costs calls of other kinds: with tokens like JWTs, over TLS,
# over HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Bench;
use Bench::Contest;
use TRV;

my $SIZE = quick() ? 1000 : 100000;
my %KINDS = (
    43 => [ [ 'HTTP/1.1' ],
            [ 'HTTP/1.1, TLS', protocol => 'https' ],
            [ 'HTTP/2, TLS', protocol => 'h2', client => 'h2' ] ],
    900 => [ [ 'HTTP/1.1' ] ],
);

my $cert = certs()->issue('edge', names => 'DNS:edge');

for my $len (43, 900) {
    my $contest = Bench::Contest->new(size => $SIZE, len => $len, tls => $cert,
                                      names => [ 'module', 'map' ],
                                      rounds => quick() ? 1 : 3);

    $contest->run(map { my ($title, @how) = @$_;
                        [ "$title, a tiny file", '/file/file', @how ] }
                  @{ $KINDS{$len} });
    $contest->stop;
}
