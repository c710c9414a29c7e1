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


# more of them than are shown at once

my $answer = $edges[0]->request('POST', '/token-revoke/revocations',
    headers => [ 'X-Principal' => 'merchant acme-store',
                 'Content-Type' => 'application/json' ],
    body => JSON::PP->new->encode({ tokens => [ map { token() } 1 .. 220 ] }));
is($answer->{status}, 200, 'many more');

$console->sign_in('merchant-acme-store');
$console->sees('100 revocations. There is more.', 'some of them');
$console->run('await page.getByRole("button", { name: "Show more" }).focus()');

my $focus = 'return page.evaluate(() => document.activeElement.textContent)';

$console->run('await page.keyboard.press("Enter")');
$console->sees('200 revocations. There is more.', 'more');
is($console->run($focus), 'Show more', 'the focus stays where it was');
$console->run('await page.keyboard.press("Enter")');
$console->sees('221 revocations. That is all.', 'and all');
is($console->run($focus), '221 revocations. That is all.',
   'there is no more to show: the focus is on what says so');
$console->no_complaints('holder', qr/404 .*tokens\?limit=1/);

finish();
