#!/usr/bin/perl

# One edge alone: the answer to the revocation proves it all, before the edge
# has reported how far it is.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $console = console(redis(), users => [ 'merchant-acme-store' ], edges => 1);
my $edge = $console->{edges}[0];
my $token = token();

$console->register({ token => $token, partner => 'ypa-1',
                     store => 'acme-store', expires_at => time + 86400 });
$console->sign_in('merchant-acme-store');
$console->run('await page.locator("tbody input").check()');

# as if it had not reported since
$console->run(<<'CODE');
    await page.route('**/edges', async (route) => {
        const response = await route.fetch();
        const json = await response.json();
        json.items[0].position = '0-1';
        await route.fulfill({ response, json });
    });
CODE
$console->press('Revoke Selected');
$console->run('await page.getByLabel("The token was exposed").check()');
$console->press('Revoke');
$console->sees('Refused on 1 of 1 edge.');
$console->run('await page.locator(".proof.done .edges li").waitFor()');
is($console->text('.edges'), 'edge-1 refuses', 'and so does its name');
is($edge->call($token), 401, 'it does');
$console->no_complaints('one edge');

finish();
