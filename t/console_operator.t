#!/usr/bin/perl

# An operator looks at the fleet, finds what is known about a token that never
# leaves the page, and revokes after a preview.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $console = console($redis);
my @edges = @{ $console->{edges} };

$console->sign_in('operator');

is($console->text('h1'), 'Token revocation', 'the page of operators');
is($console->text('#who'), 'Signed in as operator demo', 'who signed in');
$console->sees('3 edges, all in agreement');

for my $n (1 .. 3) {
    like($console->text("tbody tr:nth-child($n)"),
         qr/^edge-$n\s+In agreement/, "edge-$n is there");
}

# the headers that the README says, word by word, on every file

my %said = slurp("$FindBin::Bin/../README.md")
           =~ /^ +add_header (\S+) +"?(.*?)"? always;$/mg;
is(keys %said, 4, 'the README has four headers');

for my $file ('', 'console.js', 'console.css', 'icon.svg', 'none') {
    my $headers = $console->run(
        'return (await page.request.get(new URL(args[0], args[1]).href))'
        . '.headers()', $file, $console->{urls}[0]);
    is_deeply({ map { $_ => $headers->{ lc $_ } } keys %said }, \%said,
              "headers of \"$file\"");
}

$console->no_barriers('fleet');
$console->{browser}->picture('operator_fleet');


# a revoked token, with a reason that is no markup

my ($revoked, $other) = (token(), token());
my $reason = '<img src=x onerror=alert(1)> & "so"';

$edges[1]->revoke({ token => $revoked, reason => $reason });

$console->run('await page.getByRole("tab", { name: "Revocations" }).click()');
$console->sees($reason, 'HTML in a reason is text');
is($console->run('return page.locator("img").count()'), 0, 'and nothing else');
$console->no_barriers('revocations');
$console->{browser}->picture('operator_revocations');

# a token is pasted: its id is computed, and no request has the token in it

$console->run(<<'CODE');
    page.sent = [];
    page.on('request', (request) => page.sent.push(
        `${request.url()} ${request.postData() ?? ''}`));
CODE

sub find {
    my ($field, $button, $text) = @_;
    $console->run("await page.getByLabel('$field').fill(args[0])", $text);
    $console->press($button);
}

find('Or paste a token', 'Find', $revoked);
$console->sees('This token is revoked');
like($console->text('.card'), qr/\Q${\ token_id($revoked)}\E/, 'its id');
is($console->run('return page.getByLabel("Or paste a token").inputValue()'), '',
   'the token is gone from the page');

# pasted into the wrong field, too
find('Token id, partner or store', 'Search', $other);
$console->sees('This token is neither revoked nor on record');
like($console->text('.card'), qr/\Q${\ token_id($other)}\E/, 'its id');

# by id
find('Token id, partner or store', 'Search', token_id($revoked));
$console->sees('This token is revoked');

# as others write it
find('Token id, partner or store', 'Search', '');
find('Token id, partner or store', 'Search', uc token_id($revoked));
$console->sees('This token is revoked', 'an id in capitals');
like($console->text('.card'), qr/\Q${\ token_id($revoked)}\E/, 'it is that one');

# a token may look like a name: only who says that it is one sends it
my $short = token(40);
find('Token id, partner or store', 'Search', $short);
$console->sees('This is no token id', 'what looks like a name is not sent');
find('Or paste a token', 'Find', $short);
$console->sees('This token is neither revoked nor on record');
find('Token id, partner or store', 'Search', token_id($revoked));
$console->sees('This token is revoked');
$console->{browser}->picture('operator_token');


# it is revoked from there

find('Or paste a token', 'Find', $other);
$console->press('Revoke it …');
$console->sees('This hits 1 token');
is($edges[0]->call($other), 200, 'nothing has happened so far');
$console->no_barriers('preview');

$console->press('Revoke 1 token …');
$console->run('await page.getByLabel("Abuse").check()');
$console->no_barriers('dialog');
$console->{browser}->picture('operator_dialog');
$console->press('Revoke');
$console->sees('Refused on 3 of 3 edges.');
is($_->call($other), 401, "$_->{node} refuses it") for @edges;
$console->{browser}->picture('operator_proof');


# pasted tokens, many at once

my @leaked = map { token() } 1 .. 30;

$console->run('await page.getByLabel("Tokens, one a line").fill(args[0])',
              join "\n", @leaked);
$console->press('Preview');
$console->sees('This hits 30 tokens');
$console->press('Revoke 30 tokens …');
$console->run('await page.getByLabel("A token was exposed").check()');
$console->press('Revoke');
$console->sees('30 tokens revoked');
is(scalar(grep { $edges[0]->call($_) == 401 } @leaked), 30, 'all are refused');

$console->run('await page.getByLabel("Token ids, one a line").fill("xyz")');
$console->press('Preview');
$console->sees('"xyz" is no token id: that has 32 hexadecimal digits.');

$console->run('await page.getByLabel("Token ids, one a line").fill(args[0])',
              uc token_id($leaked[0]));
$console->press('Preview');
$console->sees('Revoked already, and staying so: 1', 'an id in capitals');

my $sent = join "\n", @{ $console->run('return page.sent') };
like($sent, qr/POST|revocations/, 'requests were seen');
is(scalar(grep { index($sent, $_) >= 0 } $revoked, $other, $short,
          @leaked), 0,
   'no request had a token in it');


# all tokens of a partner, after a look at what that would be

my @partners = map { token() } 1 .. 5;

$console->register(map { { token => $partners[$_], partner => 'ypa-9',
                           store => 'store-' . ($_ % 2),
                           expires_at => time + 86400 * (10 + $_) } } 0 .. 4);

sub fill {
    my (%fields) = @_;
    $console->run('await page.locator("form.scope").getByRole("textbox",'
                  . ' { name: args[0] }).fill(args[1])', $_, $fields{$_})
        for sort keys %fields;
}

fill('Token ids, one a line' => '', Partner => 'ypa-none');
$console->press('Preview');
$console->sees('no token of this partner is on record that has not expired',
               'nobody has that name');
fill(Store => 'store-none');
$console->press('Preview');
$console->sees('no token of this partner for this store is on record');
fill(Partner => '', 'Token ids, one a line' => '', Store => '');

fill('Tokens, one a line' => join "\n", map { "many-$_" } 1 .. 1001);
$console->press('Preview');
$console->sees('These are 1,001 tokens: 1,000 at most at a time.');
fill('Tokens, one a line' => '');

fill(Partner => 'ypa-9', Store => 'store-1');
$console->press('Preview');
$console->sees('This hits 2 tokens');
$console->sees('ypa-9 – store-1', 'and says whose they are');
fill(Store => '');
$console->press('Preview');
$console->sees('This hits 5 tokens');
is($edges[1]->call($partners[0]), 200, 'nothing has happened so far');

# one more comes in between: what was not seen is not revoked
$console->register({ token => my $late = token(), partner => 'ypa-9',
                     store => 'store-1', expires_at => time + 86400 * 50 });
$console->press('Revoke 5 tokens …');
$console->run('await page.getByLabel("Abuse").check()');
$console->press('Revoke');
$console->run('await page.locator("dialog .problem").waitFor()');
like($console->text('dialog .problem'), qr/[Nn]othing was changed/,
     'not what was seen: refused');
like($console->text('dialog .problem'), qr/It would hit other tokens now/,
     'in words of people');
is($edges[1]->call($partners[0]), 200, 'nothing has happened');
ok(!$console->run('return page.getByRole("button",'
                  . ' { name: "Revoke", exact: true }).isVisible()'),
   'once more would be of no use');
$console->run('await page.getByLabel("Other reason").press("Enter")');
ok($console->run('return page.getByRole("button", { name: "Preview again" })'
                 . '.isEnabled()'), 'nor does Enter do it');
$console->press('Preview again');
$console->sees('This hits 6 tokens');
$console->press('Revoke 6 tokens …');
$console->run('await page.getByLabel("Abuse").check()');
$console->press('Revoke');
$console->sees('6 tokens revoked');
$console->sees('Refused on 3 of 3 edges.');
is(scalar(grep { $edges[1]->call($_) == 401 } @partners, $late), 6,
   'all are refused');


# those of a partner, and of a store

sub choose { $console->run('await page.getByRole("radio", { name: args[0],'
                           . ' exact: true }).check()', $_[0]) }

$console->run('await page.getByRole("tab", { name: "Revocations" }).click()');
choose('Partner');
find('Token id, partner or store', 'Search', 'ypa-9');
$console->sees('6 revocations. That is all.', 'those of a partner');
choose('Store');
find('Token id, partner or store', 'Search', 'store-0');
$console->sees('3 revocations. That is all.', 'and of a store');

$console->run('await page.getByRole("tab", { name: "Fleet" }).click()');
$console->run('await page.getByRole("tab", { name: "Revocations" }).click()');
$console->sees('3 revocations. That is all.',
               'who comes back finds what was asked for');
is($console->run('return page.getByLabel("Token id, partner or store")'
                 . '.inputValue()'), 'store-0', 'and the words still there');


# the trail of acts

$console->run('await page.getByRole("tab", { name: "Audit log" }).click()');
$console->sees('Abuse', 'why');
like($console->text('section:visible tbody tr'), qr/operator demo.*Abuse/s,
     'and by whom, the newest first');
$console->sees('and 22 more', 'of many tokens some are shown');
$console->sees('all tokens of ypa-9', 'of a scope what it was');
$console->sees($reason, 'what others did');
$console->sees('4 acts. That is all.', 'each of them');
$console->no_barriers('audit log');
$console->{browser}->picture('operator_log');


# who goes on trying

$console->run('await page.getByRole("tab", { name: "Revocations" }).click()');
find('Token id, partner or store', 'Search', '');
$edges[$_]->call($revoked) for 0, 1, 1;
ok(wait_for(10, sub {
    ($console->operator('revocations/' . token_id($revoked))->{tries} // 0) == 3;
}), 'tries are counted');
$console->run('await page.getByLabel("Only those tried").check()');
$console->sees('3 calls');
my $tried = $console->run('return page.locator("section:visible tbody tr")'
                          . '.allInnerTexts()');
is(scalar(grep { /–\s*$/ } @$tried), 0, 'only those that were tried');

$console->run('await page.getByLabel("Only those tried").uncheck()');


# pictures

# of the last hour and all edges, for somebody who has just come

my $then = int($redis->command('TIME')->[0] / 60) - 20;
$redis->command('HSET', "{partners}:minute:$then", map { $_ => '4000 1234 5 0 6' }
                'total', 'x');
$_->call($other) for @edges;
ok(wait_for(10, sub {
    my $refused = 0;
    $refused += $_->{refused} for @{ $console->operator('history')->{items} };
    return $refused == 1234 + 3 + 30 + 6 + 3 + 3;
}), 'edges have told what they refused');

$console->sign_in('operator');
$console->sees('1,279 calls refused on all edges in the last hour',
               'pictures: refused calls');
$console->sees('5 calls would have been refused (dry run)', 'and dry runs');
$console->sees('38 tokens revoked in the last hour', 'revocations a minute');
$console->sees('applied in the last hour, all edges together',
               'propagation delay');

my $bars = $console->run('return page.locator("rect title").allTextContents()');
is(@$bars, 60 + 16 + 60, 'bars');

# after midnight it is of the day before, which is said
is(scalar(grep { /^(?:[^:]+, )?\d+:\d\d.*: 1,234 refused$/ } @$bars), 1,
   'one of twenty minutes ago');
my $delays = $console->operator('history')->{propagation};
is_deeply([ map { /: ([\d,]+) entr\w+ of the log$/ } @$bars ],
          [ map { $_->{entries} } @$delays ], 'delays, as they were told');
cmp_ok($delays->[1]{entries}, '>=', 6, 'also those of twenty minutes ago');
$console->{browser}->picture('operator_pictures');


# what cannot be known is not shown

my $edges = <<'CODE';
    await page.route('**/edges', async (route) => {
        const response = await route.fetch();
        const json = await response.json();
        Object.assign(json.items.find(({ node }) => node === 'edge-2'),
                      { last_contact: null, contact_age_ms: null });
        await route.fulfill({ response, json, status: args[0] });
    });
CODE

$console->run($edges, 503);
$console->sees('The edges cannot be shown.');
is($console->run('return page.locator(".fleet tbody tr").count()'), 0,
   'nothing that was so before');
is($console->text('.fleet-verdict'), '', 'nor what it meant');
$console->no_barriers('no edges');
$console->run($edges, 200);             # from now on instead
$console->sees('3 edges, all in agreement', 'they are back');
like($console->text('.fleet tbody tr:nth-child(2)'), qr/never/,
     'an edge that never had contact');
$console->run('await page.unroute("**/edges")');


# an edge is lost

$edges[2]->kill_hard;
$console->run('await page.getByRole("tab", { name: "Fleet" }).click()');
$console->sees('1 edge of 3 needs a look: edge-3 (not heard from since',
               'a lost edge is named');
is($console->run('return page.locator("tr.bad").count()'), 1, 'and red');
$console->{browser}->picture('operator_lost');

$console->no_complaints('operator', qr/ 409 /, qr/ 503 .*\/edges$/,
                        qr/404 .*\/(revocations|tokens)(\/[0-9a-f]{32})?$/);

finish();
