#!/usr/bin/perl

# A cursor names the last revocation that was looked at: to a merchant or a
# partner never one of somebody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 ();
use Test::More;
use TRV;

my $edge = edge(redis => redis());
$edge->wait_ready;

# the lists of both, the partner and the store, are longer than one scan
my %store;
for ([ 'ypa-1', 'yhst-2' ], [ 'ypa-2', 'yhst-1' ], [ 'ypa-1', 'yhst-1' ]) {
    my ($partner, $store) = @$_;
    my $n = $partner eq 'ypa-1' && $store eq 'yhst-1' ? 3 : 1100;
    my @ids = map { token_id("$partner $store $_") } 1 .. $n;
    $store{$_} = $store for @ids;
    is($edge->register_lines([ map { { id => $_, partner => $partner,
                                       store => $store,
                                       expires_at => time + 9999 } } @ids ])
           ->{status}, 200, "$partner for $store: on record");
    is($edge->revoke({ partner => $partner, store => $store })->{status}, 200,
       'and revoked');
}

for ([ 'merchant yhst-1', 'partner=ypa-1', 3 ],
     [ 'merchant yhst-2', 'partner=ypa-1', 1100 ],
     [ 'partner ypa-1', 'store=yhst-1', 3 ],
     [ 'partner ypa-2', 'store=yhst-1', 1100 ],
     [ 'operator ann', 'partner=ypa-1&store=yhst-1', 3 ])
{
    my ($who, $args, $n) = @$_;
    my ($name) = $who =~ / (\S+)$/;
    my ($found, @foreign) = 0;
    my $cursor = '';

    for (1 .. 100) {
        my $body = json($edge->admin("revocations?$args&limit=1000$cursor",
                                     $who)->{body});
        $found += @{ $body->{items} };
        last unless $body->{next};
        $cursor = "&cursor=$body->{next}";
        my ($id) = MIME::Base64::decode_base64url($body->{next})
                   =~ /([0-9a-f]{32})/;
        my $owner = $who =~ /^merchant/ ? $store{$id} : partner_of($id);
        push @foreign, $id if $who !~ /^operator/ && $owner ne $name;
    }

    is($found, $n, "$who, $args: all are found");
    is("@foreign", '', "$who, $args: no cursor names a foreign one");
}

sub partner_of {
    my ($id) = @_;
    return json($edge->admin("tokens/$id")->{body})->{partner};
}

finish();
