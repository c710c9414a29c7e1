#!/usr/bin/perl

# Revoking by scope: all tokens of a partner, of a store, or of a partner for a
# store.  What is registered afterwards works.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my @edges = fleet(2, $redis);
my ($edge, $second) = @edges;

my ($day, $now) = (86400, time);
my $true = JSON::PP::true();

sub on_record {
    my ($partner, $store, %more) = @_;
    my $token = token();
    my $answer = $edge->register({ token => $token, partner => $partner,
                                   store => $store,
                                   expires_at => $now + 100 * $day, %more });
    is($answer->{status}, 200, 'registered') or diag(substr $answer->{body}, 0, 300);
    return $token;
}

sub revoke {
    my ($body, $principal, %headers) = @_;
    my $answer = $edge->revoke($body, 'X-Principal' => $principal
                                                       || 'operator ann',
                               %headers);
    return ($answer->{status}, json($answer->{body}));
}

sub states_are {
    my ($expected, $name, @tokens) = @_;
    is(join(' ', map { $edge->call($_) } @tokens), $expected, $name);
}

sub log_length { $redis->command('XLEN', '{partners}:log') }
sub revoked { $redis->command('ZCARD', '{partners}:revoked') }


# three scopes

my @tokens = map { on_record(@$_) }
             [ 'p1', 's1' ], [ 'p1', 's1' ], [ 'p1', 's2' ], [ 'p2', 's1' ],
             [ 'p2', 's2' ];
my $over = on_record('p1', 's1', expires_at => $now - $day);

my ($status, $body) = revoke({ partner => 'p1', store => 's1', expect => 3 });
is($status, 409, 'another number than expected');
is($body->{count}, 2, 'the number');
like($body->{detail}, qr/hits 2 tokens, not the 3/, 'says so');
is(revoked(), 0, 'nothing was changed');

($status, $body) = revoke({ partner => 'p1', store => 's1', expect => 2,
                            dry_run => $true });
is($status, 200, 'a dry run');
is($body->{count}, 2, 'tells the number');
is_deeply([ sort map { $_->{id} } @{ $body->{revoked} } ],
          [ sort map { token_id($_) } @tokens[0, 1] ], 'and which');
is(revoked(), 0, 'nothing was changed');

($status, $body) = revoke({ partner => 'p1', store => 's1', expect => 2,
                            reason => 'contract ended' }, 'merchant s1',
                          Prefer => 'wait=20');
is($status, 200, 'a partner for a store');
is($body->{count}, 2, 'two');
is($body->{already}, 0, 'fresh ones');
is_deeply([ map { [ @$_{qw(partner store)} ] } @{ $body->{revoked} } ],
          [ [ 'p1', 's1' ], [ 'p1', 's1' ] ], 'whose they are');
is_deeply($body->{also_active}, [], 'nothing of it is left');
is($body->{edges}{confirmed}, 2, 'all edges have confirmed');
states_are('401 401 200 200 200', 'these and no others', @tokens);
is($second->call($tokens[0]), 401, 'refused by the other edge');
is($edge->call($over), 200, 'one that was over is not hit');
is(json($edge->admin('revocations/' . token_id($tokens[0]))->{body})->{reason},
   'contract ended', 'why');

($status, $body) = revoke({ partner => 'p1' });
is($status, 200, 'all of a partner');
is($body->{count}, 3, 'with those from before');
is($body->{already}, 2, 'which are two');
states_are('401 401 401 200 200', 'these and no others', @tokens);

($status, $body) = revoke({ store => 's1' }, 'merchant s1');
is($status, 200, 'all of a store');
states_are('401 401 401 401 200', 'these and no others', @tokens);

sub acts { @{ json($edge->admin("log?limit=$_[0]")->{body})->{items} } }

is_deeply([ map { [ @$_{qw(by partner store count)} ] } acts(3) ],
          [ [ 'merchant s1', undef, 's1', 1 ], [ 'operator ann', 'p1', undef, 1 ],
            [ 'merchant s1', 'p1', 's1', 2 ] ], 'the log tells the scopes');


# added again: works

my $again = on_record('p1', 's1');
is($edge->call($again), 200, 'a token that was registered afterwards works');
$edge->register({ token => $tokens[0], partner => 'p1', store => 's1',
                  expires_at => $now + 300 * $day });
is($edge->call($tokens[0]), 401, 'a revoked one stays revoked');


# whose

my ($mine, $theirs) = (on_record('p3', 's3'), on_record('p3', 's4'));
($status, $body) = revoke({ partner => 'p3' }, 'merchant s3');
is($status, 200, 'a merchant means that partner for its own store');
is_deeply([ map { [ @$_{qw(partner store)} ] } acts(1) ], [ [ 'p3', 's3' ] ],
          'so does the log');
is($body->{count}, 1, 'one');
states_are('401 200', 'its own', $mine, $theirs);

for my $case ([ { store => 's4' }, 'merchant s3' ],
              [ { partner => 'p3', store => 's4' }, 'merchant s3' ],
              [ { partner => 'p3', store => 's4' }, 'partner p4' ],
              [ { partner => 'p3' }, 'partner p4' ],
              [ { partner => 'nil' }, 'operator ann' ])
{
    my $size = revoked();
    ($status, $body) = revoke(@$case);
    is($status, 404, "nothing is hit by $case->[1]");
    is($body->{detail}, 'No token on record is hit. Nothing was changed.',
       'says so, and no more');
    is(revoked(), $size, 'nothing was changed');
}


# many, with the same expiry, while others are registered

my $many = 100_000;
my @ids = map { token_id("many $_") } 1 .. $many;
my $start = Time::HiRes::time();
my $answer = $edge->register_lines([
    map { sprintf '{"id":"%s","partner":"p9","store":"s%d","expires_at":%d}',
                  $ids[$_], $_ % 7, $now + (200 + $_ % 3) * $day }
        0 .. $#ids ]);
is($answer->{status}, 200, "$many tokens on record")
    or BAIL_OUT($answer->{body});
note(sprintf 'registered in %.1f s', Time::HiRes::time() - $start);

my $pid = fork // die "fork: $!\n";
if ($pid == 0) {
    # from before the call begins until after its end
    for my $n (1 .. 5000) {
        $second->register({ id => token_id("late $n"), partner => 'p9',
                            store => 's1', expires_at => $now + 300 * $day });
        Time::HiRes::sleep(0.001);
    }
    POSIX::_exit(0);
}

sub serial { $redis->command('HGET', '{partners}:meta', 'serial') }

# seconds of processor that Redis has used
sub cpu {
    my $info = $redis->command('INFO', 'cpu');
    my $sum = 0;
    $sum += $_ for $info =~ /^used_cpu_(?:user|sys):([\d.]+)/mg;
    return $sum;
}

my ($entries, $cpu) = (log_length(), cpu());
$redis->command('CONFIG', 'SET', 'slowlog-log-slower-than', 30_000);
$redis->command('SLOWLOG', 'RESET');
$start = Time::HiRes::time();
($status, $body) = revoke({ partner => 'p9' }, undef, Prefer => 'wait=30');
my $seconds = Time::HiRes::time() - $start;
my $to = serial();
$cpu = cpu() - $cpu;
kill 'TERM', $pid;
waitpid $pid, 0;

is($status, 200, 'revoked');
note(sprintf '%d tokens revoked in %.1f s', $body->{count}, $seconds);
cmp_ok($body->{count}, '>=', $many, 'all of them');
is(scalar @{ $body->{revoked} }, 1000, 'the answer lists the first thousand');
is($body->{edges}{confirmed}, 2, 'all edges have confirmed');

my $batches = log_length() - $entries;
my $late = $body->{count} - $many;
cmp_ok($batches, '>=', $body->{count} / 200, "$batches batches");
cmp_ok($batches, '<=', $body->{count} / 200 + $many / 1000 + 2,
       'of two hundred each');
is($redis->command('ZCARD', '{partners}:when:partner:p9'), $body->{count},
   'each is listed as the partner\'s');
my @missed = grep { !defined $redis->command('ZSCORE', '{partners}:revoked',
                                             $_) }
             map { $ids[rand @ids] } 1 .. 2000;
is(scalar @missed, 0, 'none was missed');

my (@hit, @spared);
for (1 .. 5000) {
    my $id = token_id("late $_");
    my $serial = $redis->command('HGET', "{partners}:token:$id", 'serial')
        or last;
    push @{ defined $redis->command('ZSCORE', '{partners}:revoked', $id)
            ? \@hit : \@spared }, $serial;
}
my @meanwhile = grep { $_ <= $to } @spared;
cmp_ok(scalar @meanwhile, '>', 10,
       'others were registered meanwhile: ' . @meanwhile);
is(scalar @hit, $late, "$late were registered before it began");
is(scalar(grep { $_ >= $spared[0] } @hit), 0,
   'those that were registered before the others');
cmp_ok($late, '<', @meanwhile,
       'none that was registered after it had begun is hit');

# Redis is held by one script at a time.  The clock also counts the time in
# which others have the processor; the processor does not.
my $slow = $redis->command('SLOWLOG', 'GET', 10);
note('slow: ' . join ', ', map { $_->[2] / 1000 . ' ms' } @$slow) if @$slow;
is(scalar @$slow, 0, 'no script holds Redis for 30 ms') if $ENV{TRV_SOAK};
my $ms = 1000 * $cpu / $batches;
cmp_ok($ms, '<', 15, sprintf 'a batch takes %.1f ms of Redis', $ms);

for my $each (@edges) {
    ok(wait_for(10, sub {
        my $state = $each->state;
        $state->{agrees} && $state->{entries} == revoked();
    }), "$each->{node} agrees, and has all of it");
}

($status, $body) = revoke({ partner => 'p9', expect => $many + 0,
                            dry_run => $true });
is($status, 409, 'the late ones count now');
($status, $body) = revoke({ store => 's3', partner => 'p9' });
is($status, 200, 'again');
is($body->{already}, $body->{count}, 'repeating it changes nothing');


# Redis fails half-way: says so; repeating goes on

$edge->register_lines([ map { { id => token_id("half $_"), partner => 'p8',
                                store => 's8',
                                expires_at => $now + 200 * $day } }
                        1 .. 5000 ]);
# the wrong type of one record in the middle
my $bad = $redis->command('ZRANGE', '{partners}:partner:p8', 2500, 2500)->[0];
my $key = "{partners}:token:$bad";
$redis->command('RENAME', $key, '{partners}:aside');
$redis->command('SET', $key, 'junk');
($status, $body) = revoke({ partner => 'p8' });
is($status, 504, 'half-way');
like($body->{type}, qr/:incomplete$/, 'its type');
is($body->{count}, 2000, 'how many were revoked');
like($body->{detail}, qr/2000 of 5000 .* Repeating it is safe/, 'says so');
my ($n) = $redis->command('ZCOUNT', '{partners}:when:partner:p8', '-inf', '+inf');
is($n, 2000, 'so many');
$redis->command('RENAME', '{partners}:aside', $key);
($status, $body) = revoke({ partner => 'p8' });
is($status, 200, 'repeated');
is($body->{count}, 5000, 'all of them');
is($body->{already}, 2000, 'some from before');



# Redis has lost what it knew of the order of registrations

my @lost = map { on_record('p10', 's10') } 1 .. 3;
$redis->command('DEL', '{partners}:meta');
ok(wait_for(20, sub {
    $redis->command('HGET', '{partners}:meta', 'set_id')
        && !grep { !$_->state->{agrees} } @edges;
}), 'all agree again');
push @lost, on_record('p10', 's10');
($status, $body) = revoke({ partner => 'p10' });
is($status, 200, 'all of a partner');
is($body->{count}, 4, 'those from before, too');


# who asked is gone: what was begun is done

$edge->register_lines([ map { { id => token_id("gone $_"), partner => 'p7',
                                store => 's7',
                                expires_at => $now + 200 * $day } }
                        1 .. 5000 ]);
my $link = TRV::Http::open_link($edge->{socket});
print $link TRV::Http::format_request('POST', '/token-revoke/revocations',
    headers => [ 'X-Principal' => 'operator ann',
                 'Content-Type' => 'application/json' ],
    body => '{"partner":"p7"}');
close $link;
ok(wait_for(20, sub {
    $redis->command('ZCARD', '{partners}:when:partner:p7') == 5000;
}), 'all of it is revoked, though nobody waits for the answer');

# nginx is reloaded meanwhile: the old worker ends what it has begun

$edge->register_lines([
    map { sprintf '{"id":"%s","partner":"p6","store":"s6","expires_at":%d}',
                  token_id("reload $_"), $now + 200 * $day } 1 .. 20_000 ]);
pipe my $reader, my $writer or die "pipe: $!\n";
$pid = fork // die "fork: $!\n";
if ($pid == 0) {
    my ($status, $body) = revoke({ partner => 'p6' }, undef,
                                 Prefer => 'wait=20');
    print $writer "$status $body->{count}";
    close $writer;
    POSIX::_exit(0);
}
close $writer;
ok(wait_for(20, sub {
    $redis->command('ZCARD', '{partners}:when:partner:p6') > 1000;
}), 'begun');
ok($edge->reload, 'reloaded');
is(scalar <$reader>, '200 20000', 'all of it is revoked, and answered');
waitpid $pid, 0;
is(scalar $edge->logged(qr/exited on signal/), 0, 'no worker has died');

finish();
