#!/usr/bin/perl

# A merchant's whole way: sees the partners' tokens, thinks better of it once,
# revokes, sees that every edge refuses, and revokes the sibling too.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $console = console($redis, users => [ 'merchant-acme-store' ]);
my @edges = @{ $console->{edges} };
my $day = 86400;

my %token = map { $_ => token() }
            qw(original renewal expiring expired other foreign);

$console->register(
    { token => $token{original}, partner => 'ypa-1', store => 'acme-store',
      apis => [ 'order', 'catalog' ], expires_at => time + 100 * $day },
    { token => $token{renewal}, partner => 'ypa-1', store => 'acme-store',
      renews => token_id($token{original}), expires_at => time + 400 * $day },
    { token => $token{expiring}, partner => 'ypa-2', store => 'acme-store',
      expires_at => time + 10 * $day },
    { token => $token{expired}, partner => 'ypa-2', store => 'acme-store',
      issued_at => time - 400 * $day, expires_at => time - 10 * $day },
    { token => $token{other}, partner => 'ypa-3', store => 'acme-store',
      expires_at => time + 90 * $day },
    { token => $token{foreign}, partner => 'ypa-1', store => 'other-store',
      expires_at => time + 100 * $day });

# names are checked, yet by hand one can put anything into Redis
my $name = '<img src=x onerror=alert(1)>';

$console->register({ token => $token{odd} = token(), partner => 'ypa-5',
                     store => 'acme-store', expires_at => time + 50 * $day });
$redis->command('HSET', '{partners}:token:' . token_id($token{odd}),
                'partner', $name, 'apis', '<b>order</b>');

sub row { 'tr[data-id="' . token_id($token{$_[0]}) . '"]' }

sub rows {
    return @{ $console->run('return page.locator("tbody tr")'
                            . '.evaluateAll((rows) => rows.map((row) =>'
                            . ' row.dataset.id))') };
}

sub names { join ' ', sort map { my $id = $_;
    grep { token_id($token{$_}) eq $id } keys %token } @_ }

sub tick { $console->run('await page.locator(args[0] + " input").check()',
                         row($_[0])) }

sub calls { join ' ', map { $_->call($token{$_[0]}) } @edges }


# what there is

$console->sign_in('merchant-acme-store');

is($console->text('h1'), 'API Settings', 'the page of merchants');
$console->sees('Partner API Access');
$console->run('await page.locator(args[0]).waitFor()', row('other'));

is(names(rows()), 'expired expiring odd original other renewal',
   'tokens for this store, and no others');
is_deeply([ map { s/\s+$//r } @{ $console->run(
              'return page.locator("thead th").allInnerTexts()') } ],
          [ qw(Select Partner Token APIs Issued Expires Status),
            'Last tried' ], 'columns');

for (qw(original:Renewed renewal:New expiring:Expiring expired:Expired)) {
    my ($name, $state) = split /:/;
    is($console->text(row($name) . ' .state'), $state, "$name: $state");
}
like($console->text(row('original')), qr/order, catalog/, 'APIs');
is($console->run('return page.locator(args[0] + " input").count()',
                 row('expired')), 0, 'what is over cannot be ticked');

like($console->text(row('odd')), qr/^\s*\Q$name\E\s.*<b>order<\/b>/s,
     'HTML in names is text');
is($console->run('return page.locator("img, main b").count()'), 0,
   'and nothing else');
$console->no_barriers('list');
$console->{browser}->picture('merchant_list');

# an id is copied as a whole

$console->run('await page.context().grantPermissions(["clipboard-read", "clipboard-write"])');
$console->run('await page.locator(args[0] + " .id").click()', row('other'));
$console->sees('Copied');
is($console->run('return page.evaluate(() => navigator.clipboard.readText())'),
   token_id($token{other}), 'a click copies the id');

# filter and sort

$console->run('await page.getByLabel("Partner", { exact: true })'
              . '.selectOption("ypa-2")');
is(names(rows()), 'expired expiring', 'by partner');
$console->run('await page.getByLabel("Status").selectOption("expiring")');
is(names(rows()), 'expiring', 'and status');
$console->run('await page.getByLabel("Status").selectOption("")');
$console->run('await page.getByLabel("Partner", { exact: true })'
              . '.selectOption("")');
$console->press('Expires');
is((rows())[0], token_id($token{expired}), 'sorted by expiry');
$console->press('Expires');
is((rows())[0], token_id($token{renewal}), 'downwards');


# ticked, and thought better of it

my $disabled = 'return page.getByRole("button", { name: "Revoke Selected" })'
               . '.isDisabled()';

ok($console->run($disabled), 'nothing to revoke without a selection');
tick('original');
$console->sees('1 token selected');
ok(!$console->run($disabled), 'now there is');
$console->press('Revoke Selected');
$console->sees('Revoke 1 token?');

is_deeply($console->run('return page.locator("dialog li code")'
                        . '.allInnerTexts()'),
          [ substr(token_id($token{original}), 0, 8) . '…' ],
          'the dialog lists it and nothing else');
$console->sees('This cannot be undone.');
$console->no_barriers('dialog');
$console->{browser}->picture('merchant_dialog');
$console->press('Cancel');

$console->gone('dialog', 'closed');
is($console->run('return page.evaluate(() =>'
                 . ' document.activeElement.textContent)'),
   'Revoke Selected', 'the focus is back where it was');
is(calls('original'), '200 200 200', 'nothing is revoked');


# ticked once more, and done

tick('other');
$console->sees('2 tokens selected');
$console->run('await page.locator(args[0] + " input").uncheck()', row('other'));
$console->press('Revoke Selected');
$console->press('Revoke');
is($console->run('return page.locator("dialog").count()'), 1,
   'it wants a reason');
$console->run('await page.getByLabel("The token was exposed").check()');
$console->press('Revoke');

$console->sees('1 token revoked');
$console->sees('Refused on 3 of 3 edges.');
is(calls('original'), '401 401 401', 'refused by every edge');
is(calls('renewal'), '200 200 200', 'its renewal is not');
is($console->text(row('original') . ' .state'), 'Revoked',
   'the row says so without a reload');
$console->sees('ypa-1 still has 1 other valid token for your store.');
is(join(' ', $console->text('.edges') =~ /(edge-\d)/g), 'edge-1 edge-2 edge-3',
   'the edges are named');
$console->no_barriers('proof');
$console->{browser}->picture('merchant_proof');


# the sibling too, with a reason that is no markup

my $reason = '<b onclick=alert(1)>left</b> & gone';

$console->press('Revoke this too');
is_deeply($console->run('return page.locator("dialog li code")'
                        . '.allInnerTexts()'),
          [ substr(token_id($token{renewal}), 0, 8) . '…' ], 'that one');
$console->run('await page.getByLabel("Other reason").fill(args[0])', $reason);
$console->press('Revoke');
$console->run('await page.locator(args[0] + " .state.revoked").waitFor()',
              row('renewal'));
$console->sees('Refused on 3 of 3 edges.');
is(calls('renewal'), '401 401 401', 'refused as well');
$console->gone('.offer', 'there is nothing more to offer');
is(calls('other'), '200 200 200', 'other partners go on');
is(calls('foreign'), '200 200 200', 'and other stores');

is(json($edges[0]->admin('revocations/' . token_id($token{renewal}))->{body})
       ->{reason}, $reason, 'the reason is kept as it was written');


# the partner goes on trying, and the merchant sees it

ok(wait_for(15, sub {
    $console->press('Refresh');
    $console->run('await page.getByText("As of").waitFor()');
    $console->text(row('original')) =~ /3 calls refused/;
}), 'how often a revoked token was tried');
$console->{browser}->picture('merchant_tried');

$console->no_complaints('merchant');


# a long list

my @many = map { token() } 1 .. 230;

$console->register(map { { token => $_, partner => 'ypa-6',
                           store => 'acme-store',
                           expires_at => time + 90 * $day } } @many);
$console->press('Refresh');
$console->sees('1–50 of 236 tokens', 'a page of many');
$console->press('Next');
$console->sees('51–100 of 236 tokens', 'the next one');
$console->run('await page.getByLabel("Rows a page").selectOption("200")');
$console->sees('1–200 of 236 tokens', 'longer pages');
$console->run('await page.getByLabel("Partner", { exact: true })'
              . '.selectOption("ypa-6")');
$console->run('await page.getByLabel("Select all on this page").check()');
$console->sees('200 tokens selected', 'all on a page');
$console->press('Next');
$console->run('await page.getByLabel("Select all on this page").check()');
$console->sees('230 tokens selected', 'and on the next one');
$console->press('Revoke Selected');
is($console->run('return page.locator("dialog li").count()'), 230,
   'the dialog lists them');
$console->{browser}->picture('merchant_many');
$console->run('await page.getByLabel("no longer work").check()');
$console->press('Revoke');
$console->sees('230 tokens revoked', 'all at once');
$console->sees('Refused on 3 of 3 edges.');
is(scalar(grep { $edges[2]->call($_) == 401 } @many), 230, 'all are refused');
$console->no_complaints('a long list');


# its pages with the keyboard: the focus stays, and nobody has to look for it

my $focus = 'return page.evaluate(() => document.activeElement.ariaLabel'
            . ' || document.activeElement.textContent)';

sub pages_with {
    my ($key, @pages) = @_;
    for my $page (@pages) {
        $console->run('await page.keyboard.press(args[0])', $key);
        $console->sees("$page of 236 tokens",
                       "$key: from " . ($page =~ /^(\d+)/)[0]);
    }
}

$console->run('await page.getByLabel("Partner", { exact: true })'
              . '.selectOption("")');
$console->run('await page.getByLabel("Rows a page").focus()');
pages_with(ArrowUp => '1–100', '1–50');
is($console->run($focus), 'Rows a page', 'the focus is still there');
$console->run('await page.getByRole("button", { name: "Next" }).focus()');
pages_with(Enter => '51–100', '101–150', '151–200');
is($console->run($focus), 'Next', 'and so is this one');
pages_with(Enter => '201–236');
is($console->run($focus), 'Previous', 'at the end it is where one can go on');
pages_with(Enter => '151–200');

# also in a row, while the list is loaded anew

$console->run(<<'CODE');
    const held = new Promise((resolve) => { page.letGo = resolve; });
    await page.route('**/tokens?*', async (route) => {
        await held;
        await route.continue();
    }, { times: 1 });
CODE
$console->press('Refresh');
$console->run('await page.locator("tbody .id").first().focus()');
my $row = $console->run($focus);
$console->run('page.letGo()');
$console->run('await page.locator("progress").waitFor({ state: "hidden" })');
is($console->run($focus), $row, 'the list came and the focus stays in its row');
$console->no_complaints('the keyboard');


# a phone

$console->register({ token => token(), partner => 'ypa-4',
                     store => 'acme-store', expires_at => time + 90 * $day });
$console->sign_in('merchant-acme-store', isMobile => JSON::PP::true,
                  hasTouch => JSON::PP::true,
                  viewport => { width => 390, height => 780 });
$console->run('await page.locator(args[0]).waitFor()', row('other'));

my $wide = 'return page.evaluate(() =>'
           . ' document.documentElement.scrollWidth - screen.width)';

is($console->run($wide), 0, 'a phone: nothing is wider than the window');
$console->no_barriers('phone');
$console->{browser}->picture('merchant_phone');
$console->run('await page.locator(args[0] + " input").tap()', row('other'));
$console->run('await page.getByRole("button", { name: "Revoke Selected" })'
              . '.tap()');
$console->{browser}->picture('merchant_phone_dialog');
$console->run('await page.getByLabel("no longer work").tap()');
$console->run('await page.getByRole("button", { name: "Revoke", exact: true })'
              . '.tap()');
$console->sees('Refused on 3 of 3 edges.');
is($console->run($wide), 0, 'nor is the proof');
is(calls('other'), '401 401 401', 'refused');
$console->{browser}->picture('merchant_phone_proof');
$console->no_complaints('phone');

finish();
