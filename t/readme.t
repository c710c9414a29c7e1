#!/usr/bin/perl

# What README.md says is true: its configurations pass `nginx -t`, its commands
# answer as shown, every directive is in it, and none that there is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;
use TRV::Edge;

my $top = "$FindBin::Bin/..";
my $readme = slurp("$top/README.md");
my $dir = dir();

my %blocks;
push @{ $blocks{$1} }, $2 while $readme =~ /^```(\w+)\n(.*?)^```$/msg;


# directives

my $source = slurp("$top/ngx_http_token_revoke_module.c");
my $set_source = slurp("$top/src/http/ngx_http_trv_set.c");

my %contexts = (ALL => 'http, server, location', MAIN_CONF => 'http',
                LOC_CONF => 'location');
my %want;

while ($source =~ /\{ ngx_string\("(token_revoke\w*)"\),\s+(\S+?)\|/g) {
    my ($name, $flag) = ($1, $2);
    $flag =~ s/^NGX_HTTP_(TOKEN_REVOKE_)?//;
    $want{$name} = $contexts{$flag} || "unknown context $flag";
}

$want{$1} = 'token_revoke_set'
    while $set_source =~ /\{ ngx_string\("(\w+)"\), \d+, ngx_http_trv_set_/g;

cmp_ok(keys %want, '>', 15, 'directives are found in the source');

my (%documented, %default);

while ($readme =~ /^\#\#\#\# (\w+)\n\n((?: {4}\S.*\n)+)/mg) {
    my ($name, $lines) = ($1, $2);
    my ($syntax) = $lines =~ /^ {4}Syntax: +(.+)/m;
    ($default{$name}) = $lines =~ /^ {4}Default: +(.+)/m;
    ($documented{$name}) = $lines =~ /^ {4}Context: +(.+)/m;
    like($syntax // '', qr/^\Q$name\E .*[;}]$/, "$name: syntax");
    ok($default{$name}, "$name: default");
}

is_deeply(\%documented, \%want, 'every directive, where it is allowed');

# and every call

my ($calls) = $readme =~ /^## HTTP API\n(.*?)^### /ms;
my $routes = slurp("$top/src/http/ngx_http_trv_admin.c");
my @routes;
push @routes, ($2 eq 'POST' ? 'POST' : 'GET') . " $1" . ($3 =~ /_ID/ ? '/ID' : '')
    while $routes =~ /\{ ngx_string\("([\w\/]+)"\), NGX_HTTP_(\w+),(.*?)\}/sg;
is_deeply([ sort $calls =~ /^\| `([A-Z]+ [\w\/]+)` \|/mg ], [ sort @routes ],
          'every call of the HTTP API');

my @variables = $readme =~ /^- `\$(\w+)`/mg;
my $variables = slurp("$top/src/http/ngx_http_trv_variables.c");
is_deeply([ sort @variables ],
          [ sort $variables =~ /\{ ngx_string\("(\w+)"\), NULL,/g ],
          'every variable');


# the manual that is made of it stands on its own

my $pod = `perl $top/tools/readme-to-pod.pl $top/README.md`;
like(`podchecker ${\ spew("$dir/manual.pod", $pod)} 2>&1`, qr/syntax OK/,
     'the manual is POD');
unlike($pod, qr/\]\(|^```|^\|/m, 'and no Markdown');

my ($verdicts) = $variables =~ /verdict_names\[\] = \{(.*?)\};/s;
my ($parameters) = $readme =~ /^    Syntax: +redis URL (.*);/m;
my @explained = ($verdicts =~ /"(\w+)"/g, $parameters =~ /\w+=\w+/g);
cmp_ok(scalar @explained, '>', 10, 'there is something to explain');
is(join(' ', grep { $pod !~ /^(?:=item .*|.*: )C<<< \Q$_\E >>>/m } @explained), '',
   'what directives and variables name is explained in the manual');


# every promise has its tests, and they are there

my ($promises) = $readme =~ /^## What you can rely on\n(.*?)^## /ms;
my @promises = grep { /`t\// || !/^\|[ -]*(you can|-)/ }
               $promises =~ /^(\|.*\|)$/mg;
cmp_ok(scalar @promises, '>=', 12, 'there are promises');

for my $line (@promises) {
    my ($name) = $line =~ /^\| (.{1,60})/;
    my @tests = $line =~ m{`(t/[\w./]+)`}g;
    ok(scalar @tests, "$name: has a test");
    is(join(' ', grep { !-s "$top/$_" } @tests), '', "$name: it is there");
}


# configurations: paths of a system become paths of ours, whatever they name
# is there; part of a configuration gets what is around it

mkdir "$dir/root";

sub ours {
    my ($path) = @_;
    my $real = "$dir/root$path";
    my ($parent) = $real =~ m{(.*)/};
    system('mkdir', '-p', $parent);
    if ($path =~ /\.pem$/) {
        system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test"
               . " -keyout $real.key -out $real.crt 2>/dev/null &&"
               . " cat $real.key $real.crt > $real") unless -e $real;
    } elsif ($path =~ /\.\w+$/ && $path !~ /\.(log|sock)$/) {
        spew($real, "secret\n");
    }
    return $real;
}

sub nginx_test {
    my ($conf) = @_;

    $conf =~ s{(?<=[\s=])(/(?:etc|var|run|usr)/[\w./-]+)(?=[\s;])}{ours($1)}ge;
    $conf =~ s{^load_module .*?;}{TRV::Edge::load_line()}me;
    $conf =~ s{\blisten\s+(\d+)}{listen unix:$dir/test.sock}g;
    $conf =~ s{unix:/var/run/([\w.-]+)}{unix:$dir/$1}g;

    my $top_level = $conf =~ s/\{[^{}]*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}//gr;

    if ($top_level !~ /^http\b/m) {
        $conf = "server {\n$conf\n}"
            if $top_level !~ /^(server|map|upstream|token_revoke_set)\b/m;
        $conf = "token_revoke_set partners { redis unix:/x; node n; "
                . "replica $dir/root/replica; }\n$conf"
            unless $conf =~ /^\s*token_revoke_set/m;
        $conf = "upstream api { server 127.0.0.1:9; }\n$conf"
            unless $conf =~ /^\s*upstream/m;
        $conf = TRV::Edge::load_line() . "events { }\nhttp {\n$conf\n}";
    }

    my $temp = join "\n", map { "    ${_}_temp_path $dir/root/$_;" }
                          qw(client_body proxy fastcgi uwsgi scgi);
    $conf =~ s/^http \{/http {\n$temp/m;
    return TRV::Edge::config_test(
        spew("$dir/test.conf", "pid $dir/test.pid;\n$conf"));
}

cmp_ok(@{ $blocks{nginx} }, '>=', 4, 'there are configurations');

my $n = 0;
for my $conf (@{ $blocks{nginx} }) {
    my ($ok, $said) = nginx_test($conf);
    ok($ok, 'configuration ' . ++$n . ' passes') or diag($said);
}

my $full = $blocks{nginx}[1];
is(join(' ', grep { $full !~ /^\s*\Q$_\E\s/m } sort keys %want), '',
   'the full configuration shows every directive');

# a default is what one may write

my %lines = (token_revoke_set => '', http => '');
for my $name (sort keys %default) {
    next unless $default{$name} =~ /^\Q$name\E /;
    my $place = $want{$name} eq 'token_revoke_set' ? 'token_revoke_set' : 'http';
    $lines{$place} .= "$default{$name}\n";
}

my ($ok, $said) = nginx_test(<<"CONF");
token_revoke_set partners {
    redis unix:/x; replica /var/lib/replica; node n;
    $lines{token_revoke_set}
}
$lines{http}
server { }
CONF
ok($ok, 'the defaults pass') or diag($said);

($ok, $said) = nginx_test("location / { token_revoke partner; }");
ok(!$ok && $said =~ /unknown token revocation set "partner"/,
   'and what is wrong does not');


# commands: on a real edge with the users of the full configuration

my $port = free_port();
my $redis = redis();

my ($map) = $full =~ /^( +map .*?^    \})/ms;
my $edge = edge(redis => $redis, later => 1, node => 'edge-1', http => $map,
                server => <<"SERVER");
listen 127.0.0.1:$port;
location /admin/ {
    auth_basic users;
    auth_basic_user_file $dir/users;
    token_revoke_admin partners;
    token_revoke_principal \$principal;
}
location /health/ {
    token_revoke_admin partners;
}
SERVER

spew("$dir/users", join '', map { "$_:{PLAIN}PASSWORD\n" }
                            qw(operator-ann merchant-acme-store));
push @TRV::started, $edge;
$edge->start;
$edge->wait_ready;
is($edge->revoke({ token => 'REVOKED-TOKEN' })->{status}, 200, 'revoked');
is($edge->register([ map { { token => $_, partner => 'ypa-005259428546',
                             store => 'acme-store', apis => [ 'order' ],
                             expires_at => time + 300 * 86400 } }
                     'OTHER-TOKEN', 'SAMPLE-TOKEN' ])->{status}, 200,
   'on record');

# keys, and what a list begins with
sub shape {
    my ($value) = @_;
    return { map { $_ => shape($value->{$_}) } keys %$value }
        if ref $value eq 'HASH';
    return [ @$value ? shape($value->[0]) : () ] if ref $value eq 'ARRAY';
    return ref $value ? 'boolean' : ($value // '') =~ /^\d+$/ ? 'number' : 'text';
}

# text without the numbers and the blanks that line them up
sub without_numbers {
    my ($text) = @_;
    return $text =~ s/\b[0-9a-f]{32}\b/ID/gr =~ s/\d+/N/gr =~ s/^ +| +(?= )//mgr;
}

sub answers_as_shown {
    my ($command, $shown) = @_;
    my ($name) = $command =~ /^(.*)/;

    $command =~ s/^curl/curl -s/;
    $command =~ s/^redis-cli/redis-cli -s $redis->{socket} --no-raw/;
    $command =~ s{http://edge-1\.example/}{http://127.0.0.1:$port/};
    $command =~ s{/token-revoke/}{/admin/};
    my $got = `$command 2>&1`;

    if ($shown =~ /^HTTP/) {
        $got =~ s/\r//g;
        my @missing = grep { index($got, $_) < 0 } split /\n/, $shown;
        is_deeply(\@missing, [], $name) or diag($got);

    } elsif ($shown =~ /^\{/) {
        is_deeply(shape(json($got)), shape(json($shown)), $name)
            or diag($got);

    } else {
        is(without_numbers($got), without_numbers($shown), $name);
    }
}

like($readme, qr/^\Q${\ token_id('SAMPLE-TOKEN')}\E$/m, 'the sample id is one');

my $commands = 0;
for my $block (@{ $blocks{console} }) {
    for (split /^\$ /m, $block) {
        my ($command, $shown) = /^((?:[^\n]*\\\n)*[^\n]*\n)(.*)/s
            or next;
        $commands++;
        answers_as_shown($command, $shown);
    }
}
cmp_ok($commands, '>=', 10, 'there are commands');


# every key that is in Redis by now, and every field of those that are named

my ($keys) = $readme =~ /^## Redis data\n(.*?)^```/ms;
my %fields;                                  # pattern of a key -> its fields
for my $line ($keys =~ /^\| (`.*)/mg) {
    my ($names, $type, $content) = split / \| /, $line;
    $content =~ s/\([^)]*\)//g;
    for my $name ($names =~ /`\{P\}:([\w:]+)`/g) {
        $name =~ s/:[A-Z]\b/:[^:]+/g;
        $fields{$name =~ s/\bID\b/[0-9a-f]{32}/r} = { map { $_ => 1 } $content =~ /`(\w+)`/g };
    }
}

my (%unlisted, $seen);
for my $key (@{ $redis->command('KEYS', '*') }) {
    my $name = $key =~ s/^\{partners\}://r;
    my ($pattern) = grep { $name =~ /^$_$/ } keys %fields;
    $unlisted{$name} = 1 unless $pattern;
    next unless $name =~ /^(meta|revocation:|token:)/ && $pattern;
    $seen++;
    for my $field (@{ $redis->command('HKEYS', $key) }) {
        $unlisted{ $name =~ s/:.*//r . " $field" } = 1
            unless $fields{$pattern}{$field};
    }
}
cmp_ok($seen, '>', 5, 'there are keys with fields');
is(join(', ', sort keys %unlisted), '', 'every key and field in Redis');


# the account that the README gives to edges is enough for one

my $redis_port = free_port();
$redis->command('CONFIG', 'SET', 'bind', '127.0.0.1');
$redis->command('CONFIG', 'SET', 'port', $redis_port);

my $second = edge(redis_line => "redis://edge\@127.0.0.1:$redis_port "
                                . 'password_file='
                                . spew("$dir/redis.pw", "PASSWORD\n"),
                  node => 'edge-2', set => 'wait_replicas 0;');
$second->wait_ready;
ok(wait_for(5, sub { $second->call('SAMPLE-TOKEN') == 401 }),
   'an edge with that account is filled');
is($second->revoke({ token => token() })->{status}, 200, 'and revokes');
is($second->register({ id => token_id(token()), partner => 'p', store => 's',
                       expires_at => time + 1000 })->{status}, 200,
   'and registers');
is($second->admin($_)->{status}, 200, "and reads $_")
    for qw(revocations tokens edges);
is(scalar $second->logged(qr/NOPERM/), 0, 'and lacks no right');
like(`redis-cli -p $redis_port --user edge --pass PASSWORD --no-auth-warning FLUSHALL 2>&1`,
     qr/^NOPERM/, 'but may not empty Redis');

finish();
