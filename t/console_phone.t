#!/usr/bin/perl

# Every page on a phone, and with the longest names that there can be.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my ($store, $partner) = ('s' x 64, 'p' x 64);
my $console = console(redis(), users => [ "merchant-$store",
                                          "partner-$partner" ]);
my $day = 86400;

my %token = map { $_ => token() } qw(late soon expired revoked);

$console->register(
    { token => $token{late}, partner => $partner, store => $store,
      apis => [ 'order', 'catalog', 'inventory', 'promotion', 'shipping' ],
      expires_at => time + 100 * $day },
    { token => $token{soon}, partner => $partner, store => $store,
      expires_at => time + 10 * $day },
    { token => $token{expired}, partner => $partner, store => $store,
      issued_at => time - 400 * $day, expires_at => time - 10 * $day },
    { token => $token{revoked}, partner => $partner, store => $store,
      expires_at => time + 200 * $day },
    { token => token(), partner => 'ypa-1', store => $store,
      apis => [ 'order', 'catalog' ], expires_at => time + 50 * $day });
$console->{edges}[0]->revoke({ token => $token{revoked},
                               reason => 'r' x 256 });

my @phone = (isMobile => JSON::PP::true, hasTouch => JSON::PP::true);

sub row { 'tr[data-id="' . token_id($token{$_[0]}) . '"]' }

sub fits {
    my ($name) = @_;
    is($console->run('return page.evaluate(() =>'
                     . ' document.documentElement.scrollWidth - screen.width)'),
       0, "$name: nothing is wider than the window");
}

sub opened {
    my ($user, $tab, $width, $there, @options) = @_;
    $console->sign_in($user, tab => $tab,
                      viewport => { width => $width, height => 780 }, @options);
    $console->run('await page.locator(args[0]).filter({ visible: true })'
                  . '.first().waitFor()', $there);
}


# each page, at the widths of phones

my @pages = ([ "merchant-$store", '', row('late') ],
             [ "partner-$partner", '#active', row('late') ],
             [ "partner-$partner", '#expiring', row('soon') ],
             [ "partner-$partner", '#expired', row('expired') ],
             [ "partner-$partner", '#revoked', row('revoked') ],
             [ 'operator', '#fleet', 'tr.good' ],
             [ 'operator', '#revocations', row('revoked') ],
             [ 'operator', '#revoke', 'form' ],
             [ 'operator', '#log', 'td.why' ]);

my $seen = <<'CODE';
    return page.evaluate(() => {
        const { left, right } = document
            .querySelector('[aria-selected=true]').getBoundingClientRect();
        return left >= 0 && right <= screen.width;
    });
CODE

for my $page (@pages) {
    my ($user, $tab, $there) = @$page;
    my $name = ($user =~ /^(\w+)/)[0] . " $tab";

    for my $width (375, 320) {
        opened($user, $tab, $width, $there, @phone);
        fits("$name at $width");
    }

    # it is in sight which tab is open
    ok(wait_for(10, sub { $console->run($seen) }), "$name: the tab is seen")
        if $tab;
    $console->no_barriers("$name on a phone");
    $console->{browser}->picture('phone_' . $name =~ s/ #?/_/r);

    opened($user, $tab, 1280, $there);
    fits("$name on a desk");
    $console->{browser}->picture('desk_' . $name =~ s/ #?/_/r);
    is($console->run('return page.locator("button.id").evaluateAll((all) =>'
                     . ' new Set(all.filter((id) => id.offsetHeight)'
                     . ' .map((id) => id.offsetHeight < 26)).has(false))'),
       JSON::PP::false, "$name: ids have one line");
}


# a phone sorts both ways

opened("merchant-$store", '', 375, row('late'), @phone);

sub expiries {
    $console->run('await page.getByLabel("Sort by")'
                  . '.selectOption({ label: args[0] })', $_[0]);
    my %name = map { token_id($token{$_}) => $_ } keys %token;
    return join ' ', map { $name{$_} // 'other' } @{ $console->run(
        'return page.locator("tbody tr").evaluateAll((rows) =>'
        . ' rows.map((row) => row.dataset.id))') };
}

is(expiries('Sort by Expires, upwards'), 'expired soon other late revoked',
   'upwards');
is(expiries('Sort by Expires, downwards'), 'revoked late other soon expired',
   'downwards');
is($console->run('return page.getByLabel("Sort by").evaluate((it) =>'
                 . ' it.selectedOptions[0].text)'),
   'Sort by Expires, downwards', 'and says so');


# the whole way of a long name

$console->run('await page.locator(args[0] + " input").tap()', row('late'));
$console->press('Revoke Selected');
fits('dialog');
$console->no_barriers('dialog');
$console->{browser}->picture('phone_dialog');
is($console->run('return page.locator("dialog").evaluate((it) =>'
                 . ' it.scrollWidth - it.clientWidth)'), 0,
   'nor is anything in it');
$console->run('await page.getByLabel("no longer work").check()');
$console->press('Revoke');
$console->sees('Refused on 3 of 3 edges.');
$console->sees('still has 1 other valid token');
fits('proof');
$console->no_barriers('proof');
$console->{browser}->picture('phone_proof');
$console->no_complaints('phone');

finish();
