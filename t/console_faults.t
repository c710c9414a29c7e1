#!/usr/bin/perl

# What a person is told when something goes wrong: whether anything was
# changed, and what to do.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $between = proxy($redis);
my $console = console($between, users => [ 'merchant-acme-store' ]);
my @edges = @{ $console->{edges} };

my %token = map { $_ => token() } qw(refused unanswered cut held left older
                             behind lost);

$console->register(map { { token => $token{$_}, partner => "ypa-$_",
                           store => 'acme-store',
                           expires_at => time + 100 * 86400 } } keys %token);

sub row { 'tr[data-id="' . token_id($token{$_[0]}) . '"]' }

# what was shown before must not pass for what is to come
sub ask {
    my ($name) = @_;
    $console->press('Close')
        if $console->run('return page.locator(".proof").count()');
    $console->run('await page.locator(args[0] + " input").check()', row($name));
    $console->press('Revoke Selected');
    $console->run('await page.getByLabel("The token was exposed").check()');
}

sub calls { join ' ', map { $_->call($token{$_[0]}) } @edges }

$console->sign_in('merchant-acme-store');
$console->run('await page.locator(args[0]).waitFor()', row('lost'));
$console->no_complaints('start');


# Redis refuses

ask('refused');
$between->fault(answer => [ [ 'EVALSHA revoke', "-OOM no memory\r\n" ] ]);
$console->press('Revoke');
$console->sees('Nothing was changed. The service cannot do that right now.');
$console->no_barriers('refused');
$console->{browser}->picture('fault_refused');
is(calls('refused'), '200 200 200', 'nothing was changed');

$between->clear;
$console->press('Try again');
$console->sees('Refused on 3 of 3 edges.');
is(calls('refused'), '401 401 401', 'the second try did it');


# Redis does it and its answer is lost

ask('unanswered');
$between->fault(replace => [ [ 'EVALSHA revoke', 'cut', 1 ] ]);
$console->press('Revoke');
$console->sees('It may or may not be in force.');
$console->{browser}->picture('fault_unknown');
$between->clear;

$console->press('Check now');
$console->sees('Refused on 3 of 3 edges.', 'a check finds it done');
is(calls('unanswered'), '401 401 401', 'and so it is');


# the connection is lost on the way, before anything happens

ask('cut');
$console->run(<<'CODE');
    await page.route('**/revocations', (route) =>
        route.request().method() === 'POST' ? route.abort('connectionreset')
                                            : route.continue());
CODE
$console->press('Revoke');
$console->sees('The connection was lost before an answer came.');
is(calls('cut'), '200 200 200', 'nothing has happened');
$console->press('Check now');
$console->sees('Nothing is revoked so far.', 'a check says so');

$console->run('await page.unroute("**/revocations")');
$console->press('Revoke again');
$console->sees('Refused on 3 of 3 edges.', 'once more settles it');
is(calls('cut'), '401 401 401', 'refused');


# Escape is not a way to forget it, however often it is pressed

ask('held');
$console->run(<<'CODE');
    const held = new Promise((resolve) => { page.letGo = resolve; });
    await page.route('**/revocations', async (route) => {
        await held;
        await route.continue();
    });
CODE
$console->press('Revoke');
$console->sees('Revoking …', 'it is on its way');
$console->run('await page.keyboard.press("Escape")') for 1 .. 5;
$console->run('page.letGo()');
$console->sees('Refused on 3 of 3 edges.', 'what was on its way is seen');
is($console->text(row('held') . ' .state'), 'Revoked', 'in the list too');
$console->run('await page.unroute("**/revocations")');


# its answer is lost, and the person does not wait to learn more

ask('left');
$console->run(<<'CODE');
    await page.route('**/revocations', async (route) => {
        await route.fetch();
        await route.abort('connectionreset');
    });
CODE
$console->press('Revoke');
$console->run('await page.locator("dialog .problem").waitFor()');
$console->run('await page.unroute("**/revocations")');
$console->press('Close');
$console->gone('dialog', 'closed');
$console->sees('Revoke 1 token? The connection was lost before an answer came.'
               . ' It may or may not be in force.', 'the page still says so');
$console->run('await page.locator(args[0] + " .state.revoked").waitFor()',
              row('left'));
pass('and has looked what became of it');
$console->no_barriers('unknown');
$console->{browser}->picture('fault_left');


# a list that was on its way when a token was revoked is older than that

$console->run(<<'CODE');
    const held = new Promise((resolve) => { page.letGo = resolve; });
    await page.route('**/tokens?*', async (route) => {
        const response = await route.fetch();
        page.fetched = true;
        await held;
        await route.fulfill({ response });
        page.served = true;
    }, { times: 1 });
CODE
$console->press('Refresh');
wait_for(10, sub { $console->run('return page.fetched') });
ask('older');
$console->press('Revoke');
$console->sees('Refused on 3 of 3 edges.');
$console->run('page.letGo()');
ok(wait_for(10, sub { $console->run('return page.served') }), 'it comes late');
$console->run('await page.locator("progress").waitFor({ state: "hidden" })');
is($console->text(row('older') . ' .state'), 'Revoked',
   'what is revoked stays so');

$console->no_complaints('faults', qr/503|504|404|ERR_CONNECTION_RESET/);


# an edge is behind, and asking once more does not help at once

$console->run(<<'CODE');
    await page.route('**/edges', async (route) => {
        const response = await route.fetch();
        const json = await response.json();
        json.items.find(({ node }) => node === 'edge-2').position = '0-1';
        await route.fulfill({ response, json });
    });
CODE
ask('behind');
$console->press('Revoke');
$console->sees('Refused on 2 of 3 edges, edge-2 did not confirm yet.',
               'who is late is named');
$between->fault(answer => [ [ 'EVALSHA revoke', "-OOM no memory\r\n" ] ]);
$console->press('Ask the edges again');
$console->run('await page.locator(".proof .problem").waitFor()');
like($console->text('.proof .problem'), qr/^The edges could not be asked again\./,
     'that it failed is said');
like($console->text('.verdict'), qr/^Refused on 2 of 3/,
     'and how far it is, too');
$console->no_barriers('behind');
$console->{browser}->picture('fault_behind');
$between->clear;
$console->press('Ask the edges again');
$console->gone('.proof .problem', 'the next time it is done');
$console->run('await page.unroute("**/edges")');
$console->sees('Refused on 3 of 3 edges.');
is(calls('behind'), '401 401 401', 'and so it is');
is($console->run('return page.evaluate(() =>'
                 . ' document.activeElement.textContent)'),
   '1 token revoked', 'the focus is not lost with the button');
$console->no_complaints('behind', qr/503/);


# an edge is lost

$edges[2]->kill_hard;
ok(wait_for(20, sub {
    grep { $_->{lost} } @{ json($edges[0]->admin('edges')->{body})->{items} };
}), 'edge-3 is not heard from');

ask('lost');
$console->press('Revoke');
$console->sees('Refused on 2 of 3 edges, edge-3 has not been heard from since',
               'it is named');
is($edges[$_]->call($token{lost}), 401, 'refused by the others') for 0, 1;
$console->no_barriers('lost');
$console->{browser}->picture('fault_lost');
$console->no_complaints('lost');


# Redis is gone: the list says so and comes back

$redis->stop;
$console->press('Refresh');
$console->sees('The list of tokens could not be loaded.');
$console->{browser}->picture('fault_list');
ok($console->run('return page.locator(args[0]).count()', row('lost')),
   'what was there stays to be seen');
$redis->start;
wait_for(10, sub { $edges[0]->admin('edges')->{status} == 200 });
$console->press('Try again');
$console->run('await page.getByText("could not be loaded")'
              . '.waitFor({ state: "detached" })');
pass('and back');

$console->no_complaints('list', qr/50[34]/);

finish();
