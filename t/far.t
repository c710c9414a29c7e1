#!/usr/bin/perl

# An edge that is far away from Redis keeps up with what is revoked at other
# ones, and judges, however many confirmations are waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Time::HiRes ();
use TRV;
use TRV::Fleet;

use constant CALLERS => 6;
use constant SECONDS => 7;              # longer than calls are judged without

my $fleet = TRV::Fleet->new(2, set => 'timeout 5s;',
                            http => 'token_revoke_stale 4s;');
my ($far, $near) = $fleet->edges;
my $good = token();

$fleet->proxy(0)->fault(delay_ms => 150);

# revokes one token after the other; its exit says whether something was wrong
sub start_caller {
    my ($name, $pause, %headers) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    my ($until, $n, $wrong) = (time + SECONDS, 0, 0);
    while (time < $until) {
        my $answer = $near->revoke({ ids => [ token_id("$name " . ++$n) ],
                                     expires_at => time + 86400 }, %headers);
        $wrong++ if $answer->{status} != 200;
        $wrong++ if %headers && json($answer->{body})->{edges}{confirmed} != 2;
        Time::HiRes::sleep($pause);
    }
    POSIX::_exit($wrong ? 1 : 0);
}

for my $case ([ 'many a second', 0.01 ],
              [ 'many that are waited for', 0, Prefer => 'wait=5' ])
{
    my ($name, @how) = @$case;
    my @callers = map { start_caller("$name $_", @how) } 1 .. CALLERS;
    my $until = time + SECONDS;
    my %got;

    while (time < $until) {
        $got{ $far->call($good) }++;
        Time::HiRes::sleep(0.02);
    }

    is(join(' ', keys %got), 200, "$name: it can judge all the time");

    for (@callers) {
        waitpid $_, 0;
        is($?, 0, "$name: answered");
    }

    ok($fleet->settled($fleet->now), "$name: both agree");
}

finish();
