#!/usr/bin/perl

# GET metrics: what Prometheus takes, each counter moves when its event happens
# and never goes back, and the sum over workers is exact under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Open3 ();
use Test::More;
use Time::HiRes ();
use TRV;

my $redis = redis();
my $edge = edge(redis => $redis, workers => 4, set => 'timeout 2s;',
                later => 1);
my $dir = $edge->{dir};

sub location {
    my ($name, @lines) = @_;
    return join "\n", "location /$name/ {", "root $dir/www;",
                "try_files /file =404;", @lines, "}\n";
}

$edge->configure(http => <<"HTTP", server => join '',
    token_revoke_set empty {
        redis    unix:/nonexistent;
        replica  $dir/replica-empty;
    }
HTTP
    location('open', 'token_revoke partners;', 'token_revoke_missing allow;'),
    location('stale', 'token_revoke partners;', 'token_revoke_stale 3s;'),
    location('stale-allowed', 'token_revoke partners;',
             'token_revoke_stale 3s allow;'),
    location('empty', 'token_revoke empty;'), <<"SERVER");
    location /index/ {
        token_revoke partners;
        alias $dir/www/;
        index file;
    }
    location /empty-admin/ {
        token_revoke_admin empty;
        token_revoke_principal \$http_x_principal;
    }
SERVER
push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;


# the format

my $answer = $edge->admin('metrics');
is($answer->{status}, 200, 'metrics');
is(TRV::Http::header($answer, 'Content-Type'),
   'text/plain; version=0.0.4; charset=utf-8', 'type and version');
is(TRV::Http::header($answer, 'Cache-Control'), 'no-store', 'not stored');

sub promtool {
    my ($text) = @_;
    my $pid = IPC::Open3::open3(my $in, my $out, undef,
                                'promtool', 'check', 'metrics');
    print $in $text;
    close $in;
    my $said = join '', <$out>;
    waitpid $pid, 0;
    return "status $?: $said";
}

is(promtool($answer->{body}), 'status 0: ', 'promtool has nothing to say');
like(promtool($answer->{body} =~ s/^# HELP.*\n//mgr), qr/status [^0]/,
     'though it would');
is(promtool($edge->get('/empty-admin/metrics',
                       'X-Principal' => 'operator ann')->{body}),
   'status 0: ', 'nor about an edge that was never filled');

# README.md names every one, and none that there is not

my ($section) = slurp("$FindBin::Bin/../README.md")
                =~ /^### GET metrics\n(.*?)^##/ms;
my @named = map { /`(\w+)`/g } $section =~ /^\| (`.*?) \|/mg;
is_deeply([ sort @named ],
          [ sort $answer->{body} =~ /^# TYPE token_revoke_(\w+)/mg ],
          'the README names every metric');

my @causes = $section =~ /^- `(\w+)`:/mg;
is_deeply([ sort @causes ],
          [ sort $answer->{body} =~ /^token_revoke_merges_total\{.*cause="(\w+)"/mg ],
          'and every cause of a merge');

for my $who ('merchant acme-store', 'partner ypa-1') {
    is($edge->admin('metrics', $who)->{status}, 403, "$who may not");
}
is($edge->admin('metrics?x=1')->{status}, 400, 'no arguments');


# each counter

my ($before, %seen);

sub mark { $before = $edge->metrics }

# %want: by how much what has moved; anything else has not, but for `but`
sub moved {
    my ($name, $want, %options) = @_;
    my $but = $options{but}
              || qr/^admin_requests|^redis_(?:losses|connects)_total/;
    my ($now, %got);
    wait_for($options{seconds} || 5, sub {
        $now = $edge->metrics;
        %got = map { $_ => $now->{$_} - $before->{$_} }
               grep { /_total/ && $now->{$_} != $before->{$_}
                      && !/$but|^tries_reported/ } keys %$now;
        return join(' ', map { "$_=$got{$_}" } sort keys %got)
               eq join(' ', map { "$_=$want->{$_}" } sort keys %$want);
    });
    is_deeply(\%got, $want, $name);
    $seen{$_} = 1 for keys %$want;
    $before = $now;
}

sub calls { $_[0] =~ s/(\w+)\/(\w+)/calls_total verdict="$1",action="$2"/r }

my ($good, $bad) = (token(), token());

mark();
$edge->call($good) for 1 .. 7;
moved('passed calls', { calls('passed/passed') => 7 });

is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');
moved('a revocation', { 'revocations_total result="in_force"' => 1,
                        'log_entries_total' => 1 });

$edge->call($bad) for 1 .. 5;
moved('revoked ones', { calls('revoked/refused') => 5 });

$edge->call($bad, '/dry-run/x') for 1 .. 3;
moved('a dry run', { calls('revoked/dry_run') => 3 });

ok(wait_for(5, sub { $edge->metric('tries_reported_total') == 8 }),
   'evidence of both');
is($edge->metric('tries_pending'), 0, 'none is pending');

$edge->call($good, '/dry-run/x') for 1 .. 2;
moved('a dry run that finds nothing', { calls('passed/passed') => 2 });

$edge->get('/api/x');
moved('no token', { calls('missing/refused') => 1 });
$edge->get('/dry-run/x');
moved('no token, dry run', { calls('missing/dry_run') => 1 });
$edge->get('/open/x');
moved('no token where there need be none', { calls('passed/passed') => 1 });

$edge->get('/api/x', Authorization => 'Bearer a b');
moved('malformed', { calls('malformed/refused') => 1 });
$edge->get('/dry-run/x', Authorization => 'Bearer a b');
moved('malformed, dry run', { calls('malformed/dry_run') => 1 });

is($edge->call($good, '/index/'), 200, 'redirected inside');
moved('a call that is redirected inside is one', { calls('passed/passed') => 1 });

is($edge->get('/empty/x', Authorization => "Bearer $good")->{status}, 503,
   'another set');
moved('another set has its own', {});
like($edge->get('/empty-admin/metrics', 'X-Principal' => 'operator ann')->{body},
     qr/^token_revoke_calls_total\{set="empty",verdict="not_ready",action="refused"\} 1\n/m,
     'there it is, not ready');

for my $case ([ { token => $bad, dry_run => \1 }, 'dry_run' ],
              [ { tokens => [] }, 'refused' ],
              [ { token => token(), expect => 2 }, 'refused' ])
{
    $edge->revoke($case->[0]);
    moved("revoking: $case->[1]", { qq(revocations_total result="$case->[1]") => 1 });
}

# of the HTTP API

for my $case ([ 'whoami', 'whoami', '2xx' ], [ 'edges', 'edges', '2xx' ],
              [ 'edges?x=1', 'edges', '4xx' ],
              [ 'revocations', 'revocations', '2xx' ],
              [ 'revocations/' . token_id($bad), 'revocations/ID', '2xx' ],
              [ 'revocations/' . token_id($good), 'revocations/ID', '4xx' ])
{
    my ($path, $route, $class) = @$case;
    $edge->admin($path);
    moved("GET $path", { qq(admin_requests_total route="$route",method="GET",)
                         . qq(status="$class") => 1 }, but => qr/"metrics"/);
}
$edge->admin('nothing');
moved('no such resource',
      { 'admin_requests_total route="other",method="other",status="4xx"' => 1 },
      but => qr/"metrics"/);
$edge->revoke('{}');
moved('POST', { 'admin_requests_total route="revocations",method="POST",status="4xx"' => 1,
                'revocations_total result="refused"' => 1 }, but => qr/"metrics"/);


# of the follower

mark();
$redis->command('XADD', '{partners}:log', '*', 'prev', '0-0', 'ids', 'junk');
moved('an entry that does not parse',
      { 'log_entries_total' => 1, 'log_entries_skipped_total' => 1,
        'merges_total cause="gap"' => 1 });

ok(wait_for(5, sub { $edge->logged(qr/merged with Redis \(gap/) }), 'merged');
my $merged = Time::HiRes::time();
ok(wait_for(5, sub {
    my $now = Time::HiRes::time();
    ($edge->metric('contact_age_seconds') // 9) < $now - $merged;
}), 'and agrees');

# the first of them finds what is wrong, the second, of all, what it was
mark();
$redis->command('HSET', '{partners}:days', 'total', '0:' . '0' x 32);
moved('a digest that was changed', { 'merges_total cause="count"' => 2 },
      seconds => 10, but => qr/^admin|^log_entries_total|^redis_/);
ok(wait_for(5, sub { $edge->metric('agrees') }), 'agrees again');

$redis->command('CLIENT', 'KILL', 'TYPE', 'normal');
moved('links lost', { map { +(qq(redis_losses_total link="$_") => 1,
                              qq(redis_connects_total link="$_") => 1) }
                          qw(tail heartbeat) },
      but => qr/^admin_requests/);

mark();
is($edge->revoke({ ids => [ map { token_id($_) } 1 .. 1000 ] })->{status}, 200,
   'a thousand more');
moved('a table is outgrown', { 'table_rebuilds_total' => 1,
      'log_entries_total' => 1, 'revocations_total result="in_force"' => 1 });

my $m = $edge->metrics;
is($m->{entries}, 1001, 'entries');
is($m->{entries}, $redis->command('ZCARD', '{partners}:revoked'), 'as in Redis');
my ($table) = glob "$edge->{replica}/table.*";
is($m->{table_bytes}, -s $table, 'bytes of the table');
like($table, qr/\.$m->{table_generation}$/, 'generation');
cmp_ok(abs($m->{table_load_ratio} - $m->{entries} / $m->{table_slots}), '<=',
       0.0001, 'load');
is("$m->{ready} $m->{agrees} $m->{full} $m->{writer_present}", '1 1 0 1',
   'a healthy edge');
cmp_ok($m->{contact_age_seconds}, '<', 5, 'contact');
is($m->{qq(redis_connected link="$_")}, 1, "$_ connected") for qw(tail heartbeat);
cmp_ok($m->{'redis_connected link="requests"'}, '>=', 1, 'requests connected');

# Redis that is full: reports are refused

mark();
$redis->command('CONFIG', 'SET', 'maxmemory', 1);
ok(wait_for(10, sub {
    $edge->metric('report_failures_total')
    >= $before->{report_failures_total} + 2;
}), 'a Redis that is full');
$seen{report_failures_total} = 1;
moved('nothing else', {},
      but => qr/^admin|_connects|_losses|^report_failures/);
is($edge->revoke({ token => token() })->{status}, 503, 'takes nothing');
moved('a revocation that is not taken',
      { 'revocations_total result="unavailable"' => 1 },
      but => qr/^admin|^report_failures/);
$redis->command('CONFIG', 'SET', 'maxmemory', 0);

# Redis that is frozen

my $frozen = token();
mark();
$redis->freeze;
my $status = $edge->revoke({ token => $frozen })->{status};
my $result = $status == 504 ? 'unknown' : 'unavailable';
like($status, qr/^50[34]$/, "Redis is frozen: $result");
moved('and counted so', { qq(revocations_total result="$result") => 1 },
      but => qr/^admin|_losses|^report_failures/);

ok(wait_for(10, sub { $edge->get('/stale/x', Authorization => "Bearer $good")
                           ->{status} == 503 }), 'stale');
$m = $edge->metrics;
cmp_ok($m->{contact_age_seconds}, '>=', 3, 'and the contact is that old');
is($m->{'redis_connected link="heartbeat"'}, 0, 'not connected');
is($m->{writer_present}, 1, 'but there is a writer');
$before = $m;
$edge->call($good, '/stale/x') for 1 .. 2;
$edge->call($good, '/stale-allowed/x') for 1 .. 3;
moved('stale', { calls('stale/refused') => 2, calls('stale/passed') => 3 },
      but => qr/^admin|_losses/);
$redis->thaw;
ok(wait_for(10, sub { $edge->metric('contact_age_seconds') < 2 }), 'contact');


# the writer is stopped: it holds the lock, and everybody says so

my $writer = $edge->writer;
kill 'STOP', $writer || die "no writer\n";
sub metrics_of_others {
    my $got = {};
    for (1 .. 20) {              # who of the workers answers is chance
        my $link = TRV::Http::open_link($edge->{socket});
        my $bytes = TRV::Http::format_request('GET', '/token-revoke/metrics',
            headers => [ 'X-Principal' => 'operator ann' ]);
        syswrite $link, $bytes;
        my $text = TRV::Http::read_all($link, 0.5)->{body};
        return $text if $text =~ /writer_present/;
    }
    return '';
}
ok(wait_for(20, sub { metrics_of_others() =~ /^token_revoke_writer_present\S+ 0$/m }),
   'a writer that is stopped is none');
kill 'CONT', $writer;
ok(wait_for(10, sub { $edge->metric('writer_present') }), 'it goes on');


# sums under load: of workers that would overwrite what others have counted

my $n = $ENV{TRV_NGINX} ? 40000 : 120000;
mark();
my $load = `h2load --h1 -B unix:$edge->{socket} -n $n -c 16 -H 'Authorization: Bearer $good' http://edge/file/file 2>&1`;
like($load, qr/ $n succeeded/, "$n calls at once");
moved('each of them is counted', { calls('passed/passed') => $n },
      but => qr/^admin|^redis/);


# over workers that come, go and are killed

sub caller_start {
    my ($n) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    @TRV::started = ();
    my $failed = 0;
    for (1 .. $n) {
        $failed++ unless $edge->call($_ % 2 ? $good : $bad) == ($_ % 2 ? 200 : 401);
    }
    require POSIX;
    POSIX::_exit($failed > 0);
}

mark();
my @callers = map { caller_start(300) } 1 .. 4;
my ($last, $back) = ($before, 0);
for (1 .. 3) {
    ok($edge->reload, "reload $_");
    my $now = $edge->metrics;
    for (grep { /_total/ } keys %$now) {
        $back++ if $now->{$_} < $last->{$_};
    }
    $last = $now;
}
my $failures = 0;
for (@callers) {
    waitpid $_, 0;
    $failures += ($? != 0);
}
is($failures, 0, 'every call was answered as it should be');
is($back, 0, 'no counter went back');
moved('every call is counted once', { calls('passed/passed') => 600,
                                      calls('revoked/refused') => 600 },
      but => qr/^admin|^merges|^redis|^table|^report/);

my @workers = $edge->workers;
kill 'KILL', @workers;
allow_log(qr/worker process \d+ exited on signal 9/);
ok(wait_for(10, sub {
    my %old = map { $_ => 1 } @workers;
    my @new = $edge->workers;
    @new == @workers && !grep { $old{$_} } @new;
}), 'all workers were killed and are replaced');
ok(wait_for(10, sub { $edge->ready && ($edge->metric('agrees') // 0) }), 'ready');
moved('what killed workers have counted is kept', {},
      but => qr/^admin|^merges|^redis/);
ok(wait_for(5, sub { $edge->metric('redis_connected link="tail"') }),
   'the new writer is connected');

# what was not seen to move above
my @rest = sort grep { /_total/ && !$seen{$_} } keys %{ $edge->metrics };
note("not moved here: $_") for @rest;
is(join(' ', sort keys %{{ map { (split)[0] => 1 } @rest }} ),
   'admin_requests_total calls_total cutoffs_total merges_total '
   . 'revocations_total tries_dropped_total tries_reported_total',
   'families of which some or all did not move here');

finish();
