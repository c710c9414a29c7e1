#!/usr/bin/perl

# A partner's whole way, with the keyboard alone.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $console = console($redis, users => [ 'partner-ypa-1' ]);
my @edges = @{ $console->{edges} };
my $day = 86400;

my %token = map { $_ => token() } qw(first second expiring expired foreign);

$console->register(
    { token => $token{first}, partner => 'ypa-1', store => 'a-store',
      apis => [ 'order' ], expires_at => time + 100 * $day },
    { token => $token{second}, partner => 'ypa-1', store => 'a-store',
      expires_at => time + 200 * $day },
    { token => $token{expiring}, partner => 'ypa-1', store => 'b-store',
      expires_at => time + 10 * $day },
    { token => $token{expired}, partner => 'ypa-1', store => 'b-store',
      issued_at => time - 400 * $day, expires_at => time - 10 * $day },
    { token => $token{foreign}, partner => 'ypa-2', store => 'a-store',
      expires_at => time + 100 * $day });

sub row { 'tr[data-id="' . token_id($token{$_[0]}) . '"]' }

sub names {
    my $ids = $console->run('return page.locator("tbody tr").evaluateAll('
                            . '(rows) => rows.map((row) => row.dataset.id))');
    my %name = map { token_id($token{$_}) => $_ } keys %token;
    return join ' ', sort map { $name{ $_ // '' } // () } @$ids;
}

sub calls { join ' ', map { $_->call($token{$_[0]}) } @edges }

sub keys_ { $console->run('await page.keyboard.press(args[0])', $_) for @_ }

# what has the focus
sub focus {
    return $console->run('return page.evaluate(() => {'
        . ' const it = document.activeElement;'
        . ' return it.getAttribute("aria-label") || it.labels?.[0]?.textContent'
        . ' || it.textContent; })');
}

# Tab until it is there, as a person would
sub tab_to {
    my ($pattern) = @_;
    for (1 .. 40) {
        return pass("Tab gets to $pattern") if focus() =~ $pattern;
        keys_('Tab');
    }
    fail("Tab gets to $pattern") or diag(focus());
}


$console->sign_in('partner-ypa-1');
is($console->text('h1'), 'Manage Partner Tokens', 'the page of partners');
$console->sees('Active Tokens (3)');

my %tabs = ('Active Tokens (3)' => 'expiring first second',
            'Expiring Tokens (1)' => 'expiring', 'Expired (1)' => 'expired',
            'Revoked (0)' => '');

is_deeply($console->run('return page.getByRole("tab").allInnerTexts()'),
          [ 'Active Tokens (3)', 'Expiring Tokens (1)', 'Expired (1)',
            'Revoked (0)' ], 'tabs');

# the arrows go from tab to tab

tab_to(qr/^Active Tokens/);
for my $tab ('Active Tokens (3)', 'Expiring Tokens (1)', 'Expired (1)',
             'Revoked (0)')
{
    is(focus(), $tab, "on $tab");
    is(names(), $tabs{$tab}, 'its tokens');
    keys_('ArrowRight');
}
is(focus(), 'Active Tokens (3)', 'and round');
is_deeply($console->run('return page.locator("thead th").allInnerTexts()'
                        . '.then((all) => all.map((text) => text.trim()))'),
          [ qw(Select Store Token APIs Issued Expires) ], 'columns');
$console->no_barriers('list');
$console->{browser}->picture('partner_list');


# tick, Escape, and once more

my $first = substr token_id($token{first}), 0, 8;

tab_to(qr/^Select token $first/);
keys_('Space');
tab_to(qr/^Revoke Selected/);
keys_('Enter');
$console->sees('Revoke 1 token?');
keys_('Escape');
$console->gone('dialog', 'Escape cancels');
is(focus(), 'Revoke Selected', 'the focus is back');
is(calls('first'), '200 200 200', 'nothing is revoked');

keys_('Enter');
tab_to(qr/^I no longer work with this store/);
keys_('ArrowDown');
is(focus(), 'The token was exposed', 'another reason');
tab_to(qr/^Revoke Token\(s\)/);
$console->no_barriers('dialog');
keys_('Enter');

$console->sees('Refused on 3 of 3 edges.');
is(focus(), '1 token revoked', 'the focus is on the outcome');
is(calls('first'), '401 401 401', 'refused by every edge');
is(names(), 'expiring second', 'it has left the active ones');
$console->sees('Revoked (1)');
$console->sees('You still have 1 other valid token for the store a-store.');

tab_to(qr/^Revoke this too/);
keys_('Enter');
tab_to(qr/^I no longer work/);
keys_('Space');
tab_to(qr/^Revoke Token\(s\)/);
keys_('Enter');
$console->sees('Revoked (2)');
$console->sees('Refused on 3 of 3 edges.');
is(calls('second'), '401 401 401', 'the sibling is refused as well');
is(calls('expiring'), '200 200 200', 'the other store is not hit');
is(calls('foreign'), '200 200 200', 'nor is another partner');

$console->run('await page.getByRole("tab", { name: "Revoked" }).click()');
is(names(), 'first second', 'both are there');
like($console->text(row('second')), qr/by partner ypa-1: I no longer work/,
     'by whom and why');
$console->{browser}->picture('partner_revoked');
$console->no_barriers('revoked');

# what the focus was on goes away, and it begins at the top

tab_to(qr/^Close$/);
keys_('Enter');
$console->gone('.proof', 'the proof is closed');
is($console->run('return page.evaluate(() => document.activeElement.id)'),
   'main', 'the focus is where the page begins');

# the link that skips to the content stays in the tab

$console->run('await page.getByText("Skip to the content").focus()');
keys_('Enter');
ok(wait_for(10, sub {
    $console->run('return page.evaluate(() =>'
                  . ' document.activeElement.id + location.hash)')
        eq 'main#revoked'
}), 'the focus is on the content, the URL names the open tab');
is($console->text('[aria-selected=true]'), 'Revoked (2)', 'it still is');

$console->no_complaints('partner');

# in the dark

$console->sign_in('partner-ypa-1', colorScheme => 'dark', tab => '#revoked');
$console->run('await page.locator(args[0]).waitFor()', row('first'));
$console->no_barriers('dark');
$console->{browser}->picture('partner_dark');
$console->no_complaints('dark');

finish();
