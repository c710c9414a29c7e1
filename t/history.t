#!/usr/bin/perl

# The checker of histories finds what must not have happened, and nothing else:
# first in histories that are made up, then with real edges, one of which
# follows another set than it should.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;
use TRV::History;
use TRV::Load;

sub violations {
    my ($windows, @lines) = @_;
    my $history = TRV::History->new;
    $history->window(%$_) for @$windows;
    $history->add($_) for @lines;
    return $history->violations;
}

my @fault = ({ name => 'fault', start => 100, end => 110, healed => 115 });
my @lossy = ({ %{ $fault[0] }, lossy => 1 });
my @smooth = ({ %{ $fault[0] }, smooth => 1 });

# two edges, one token that is revoked and one that is not
my @good = ('revoke 10 10.1 a ok 1.1',
            'call 10.2 10.2 a refused 1.1', 'call 10.5 10.5 b passed 1.1',
            'call 12 12 b refused 1.1', 'call 12 12 a passed good.1',
            'call 9 10.05 b refused good.2') [0 .. 4];
my @final = map { ("final 200 200 $_ refused 1.1", "final 200 200 $_ passed good.1") }
                'a', 'b';

# name, windows, lines, what is said of it (undef: nothing)
my @cases = (
    [ 'all is well', [], [ @good, @final ] ],
    [ 'the answer comes while the call is under way', [],
      [ 'revoke 10 10.3 a ok 1.1', 'call 10.1 10.2 a refused 1.1' ] ],
    [ 'unknown, and in force everywhere', \@fault,
      [ 'revoke 101 102 a unknown 1.1', 'call 103 103 a refused 1.1',
        @final ] ],
    [ 'unknown, and in force nowhere', \@fault,
      [ 'revoke 101 102 a unknown 1.1', 'call 103 103 a passed 1.1',
        'final 200 200 a passed 1.1', 'final 200 200 b passed 1.1' ] ],
    [ 'failed, then repeated', \@fault,
      [ 'revoke 101 102 a failed 1.1', 'call 103 103 a passed 1.1',
        'revoke 104 105 a ok 1.1', 'call 105 105 a refused 1.1', @final ] ],
    [ 'cut off, and not stale yet', \@fault,
      [ 'revoke 101 101 a ok 1.1', 'call 104.5 104.5 b passed 1.1', @final ] ],
    [ 'Redis has lost it for now', \@lossy,
      [ 'revoke 101 101 a ok 1.1', 'call 112 112 b passed 1.1', @final ] ],
    [ 'taken, and not refused there at once', \@fault,
      [ 'revoke 101 102 a taken 1.1', 'call 114 114 a passed 1.1', @final ] ],
    [ 'taken, and Redis has lost it', \@lossy,
      [ 'revoke 101 102 a taken 1.1', 'final 200 200 a passed 1.1' ] ],
    [ 'unsure in a fault', \@fault, [ 'call 111 111 a unsure good.1' ] ],
    [ 'begun in a reload, ended by a fault', [ @smooth,
        { name => 'next', start => 115, end => 120, healed => 121 } ],
      [ 'revoke 114.9 115.1 a failed 1.1', 'call 114.9 115.1 a none good.1' ] ],
    [ 'a fault from begin to end of it', \@fault,
      [ 'revoke 99 116 a unknown 1.1' ] ],
    [ 'no answer in a fault', \@fault, [ 'call 111 111 a none good.1' ] ],

    [ 'passes later', [], [ @good, 'call 11.2 11.2 b passed 1.1' ],
      qr/passes after it was acknowledged.* on b, token 1\.1$/ ],
    [ 'passes later, acknowledged long before a fault', \@lossy,
      [ 'revoke 50 50 a ok 1.1', 'call 102 102 b passed 1.1' ],
      qr/passes after it was acknowledged.*\(in: fault\)/ ],
    [ 'passes where it must be stale', \@fault,
      [ 'revoke 101 101 a ok 1.1', 'call 105.5 105.5 b passed 1.1' ],
      qr/must know it is stale/ ],
    [ 'a good one is refused', [], [ @good, 'call 12 12 b refused good.1' ],
      qr/refused, never revoked.*good\.1/ ],
    [ 'refused too early', [],
      [ 'call 5 5 a refused 1.1', 'revoke 10 10 a ok 1.1' ],
      qr/refused before it was revoked/ ],
    [ 'failed, and refused', \@fault,
      [ 'revoke 101 102 a failed 1.1', 'call 103 103 b refused 1.1' ],
      qr/refused, though nothing was to be changed/ ],
    [ 'refused, then passes', \@lossy,
      [ 'revoke 101 101 a ok 1.1', 'call 102 102 a refused 1.1',
        'call 102.1 102.1 a passed 1.1' ], qr/refused before, passes now/ ],
    [ 'lost', [], [ @good, $final[0], 'final 200 200 b passed 1.1' ],
      qr/acknowledged at .*, and lost.* on b/ ],
    [ 'taken and lost', \@fault,
      [ 'revoke 101 102 a taken 1.1', 'final 200 200 a passed 1.1' ],
      qr/acknowledged at .*, and lost/ ],
    [ 'differs', \@fault,
      [ 'revoke 101 102 a unknown 1.1', $final[0],
        'final 200 200 b passed 1.1' ], qr/edges differ in the end/ ],
    [ 'failed, and in force', \@fault,
      [ 'revoke 101 102 a failed 1.1', $final[0] ],
      qr/in force, though nothing was to be changed/ ],
    [ 'a good one is in force', [], [ 'final 200 200 a refused good.1' ],
      qr/in force, never revoked/ ],
    [ 'no judgement', [], [ @good, 'final 200 200 a unsure 1.1' ],
      qr/no judgement in the end/ ],
    [ 'never healed', [ { %{ $fault[0] }, healed => undef } ], \@good,
      qr/never: edges do not agree after fault/ ],
    [ 'healed late', [ { %{ $fault[0] }, healed => 130 } ], \@good,
      qr/slow: 20\.0 s until all agreed/ ],
    [ 'unsure without a fault', [], [ 'call 50 50 a unsure good.1' ],
      qr/a call fails/ ],
    [ 'no answer in a reload', \@smooth, [ 'call 102 102 a none good.1' ],
      qr/a call fails/ ],
    [ 'a POST fails without a fault', [], [ 'revoke 50 50 a failed 1.1' ],
      qr/a revocation fails/ ],
    [ 'a POST fails in a reload', \@smooth, [ 'revoke 101 102 a unknown 1.1' ],
      qr/a revocation fails/ ],
    [ 'an error of nginx', \@fault, [ 'call 102 102 a status-500 good.1' ],
      qr/makes no sense/ ],
);

for my $case (@cases) {
    my ($name, $windows, $lines, $said) = @$case;
    my @found = violations($windows, @$lines);
    if ($said) {
        like("@found", $said, $name);
        is(scalar @found, 1, "$name: once");
    } else {
        is("@found", '', $name);
    }
}


# real ones: all is well

my $fleet = TRV::Fleet->new(3, server => 'token_revoke_stale 3s deny;');

sub run_load {
    my ($seed, $seconds, $settled) = @_;
    my $load = TRV::Load->new(edges => [ $fleet->edges ], seed => $seed);
    $load->start;
    Time::HiRes::sleep($seconds);
    return $load->end($fleet, $settled);
}

my $history = run_load(1, 2);
is(join("\n", $history->violations), '', 'a calm run');
cmp_ok($history->count('call'), '>', 100, $history->summary);
cmp_ok($history->count('revoke', 'ok'), '>', 10, 'revocations');
cmp_ok($history->count('final', 'refused'), '>', 30, 'tokens in the end');

is_deeply([ map { TRV::Load->new(seed => 1, edges => [])->token($_) } '1.1', '2.1' ],
          [ map { TRV::Load->new(seed => 1, edges => [])->token($_) } '1.1', '2.1' ],
          'tokens are computed from the seed');


# one edge follows another set

my $astray = $fleet->edge(2);
$astray->configure(set => 'prefix other;');
$astray->reload;
$astray->wait_ready;
ok(wait_for(10, sub {
    $astray->logged(qr/filled under another prefix than "other"/)
    && $astray->metric('contact_age_seconds') < 1;
}), 'astray: agrees with that one');

$history = run_load(2, 2.5, 1);
my @found = $history->violations;
ok((grep { /passes after it was acknowledged.* on edge-[123]/ } @found),
   'astray: it lets pass what others have revoked');
ok((grep { /acknowledged at .*, and lost/ } @found), 'astray: in the end, too');
is(scalar(grep { !/passes after|acknowledged at .*, and lost|edges differ/ } @found),
   0, 'astray: and nothing else is wrong');

finish();
