#!/usr/bin/perl

# Without a registry there is no list: who holds a token may revoke it.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $console = console(redis(), users => [ 'merchant-acme-store' ],
                      set => 'registry off;');
my @edges = @{ $console->{edges} };
my ($token, $other) = (token(), token());

$console->sign_in('merchant-acme-store');
is($console->text('h1'), 'Revoke tokens', 'a page without a list');
$console->sees('You have revoked nothing so far.');
$console->no_barriers('page');

$console->run('await page.getByLabel("Tokens, one a line").fill(args[0])',
              "$token\n");
$console->press('Revoke …');
$console->sees(substr(token_id($token), 0, 8), 'the dialog names the id');
$console->run('await page.getByLabel("It was exposed").check()');
$console->press('Revoke');
$console->sees('Refused on 3 of 3 edges.');
is($_->call($token), 401, "$_->{node} refuses it") for @edges;
is($_->call($other), 200, "$_->{node} passes another") for @edges;

$console->run('await page.locator("tr[data-id=\"" + args[0] + "\"]").waitFor()',
              token_id($token));
pass('it is among those that this merchant has revoked');
$console->no_barriers('revoked');
$console->{browser}->picture('holder');
$console->no_complaints('holder', qr/404 .*tokens\?limit=1/);

finish();
