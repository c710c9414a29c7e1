#!/usr/bin/perl

# Every wrong value is named in the message that refuses it; `nginx -t` changes
# nothing; what can be configured works: users, databases, names.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;
use TRV::Edge;

my $dir = dir();
my $load = TRV::Edge::load_line();
my $n = 0;

# what nginx -t says of a configuration
# %R% stands for a directory
sub nginx_test {
    my ($conf) = @_;
    $conf =~ s/%R%/$dir\/r/g;
    my $file = spew("$dir/test-" . ++$n . '.conf', <<"CONF");
$load
pid $dir/test.pid;
error_log stderr;
events { }
$conf
CONF
    return TRV::Edge::config_test($file);
}

sub http {
    my ($http, $set) = @_;
    my $temp = join ' ', map { "${_}_temp_path $dir/temp_$_;" }
                         qw(client_body proxy fastcgi uwsgi scgi);
    $set //= 'redis unix:/x; replica %R%; node n;';
    return "http { $temp token_revoke_set partners { $set } $http }";
}

sub refused {
    my ($conf, $says, $name) = @_;
    $says =~ s/%R%/$dir\/r/;
    my ($ok, $said) = nginx_test($conf);
    ok(!$ok && $said =~ /\[emerg\].*\Q$says\E/, $name || "refused: $says")
        or diag($said);
    unlike($said, qr/Sanitizer|runtime error/, 'no sanitizer speaks');
}

sub good {
    my ($conf, $name) = @_;
    my ($ok, $said) = nginx_test($conf);
    ok($ok, $name) or diag($said);
}

good(http(''), 'a minimal set');
good(http('server { location / { token_revoke partners; } }'), 'a location');
good(http('token_revoke partners; token_revoke_token bearer arg=t header=X-T '
          . 'cookie=t; token_revoke_missing allow; token_revoke_stale 1h '
          . 'deny; token_revoke_phase preaccess; token_revoke_dry_run on; '
          . 'token_revoke_cutoff on; '
          . 'token_revoke_realm "a b"; token_revoke_log_level notice;'),
     'all directives in http');
good(http('', 'redis redis://u@10.0.0.1:6380/3 password_file=' .
          spew("$dir/pw", "secret\n") . '; replica %R%; '
          . 'prefix p:x; node n; registry on; token_records 3d; '
          . 'max_lifetime 30d; log_length 10; wait_replicas 2; timeout 500ms;'),
     'all directives in a set');
good(http('', 'redis redis://[::1]:6380; replica %R%; node n;'),
     'IPv6');
good(http('', 'redis redis://localhost; resolver 127.0.0.1; '
          . 'replica %R%; node n;'), 'a name with a resolver');
good(http('resolver 127.0.0.1;', 'redis redis://localhost; replica %R%; '
          . 'node n;'), 'a name with the resolver of http');
good(http('', 'redis rediss://1.2.3.4; replica %R%; node n;'), 'TLS');
good(http('', 'redis rediss://; sentinel m 1.2.3.4 redis://1.2.3.4:1 [::1]:2;'
          . 'replica %R%; node n;'), 'sentinels');
good(http('', 'redis rediss://u@1.2.3.4/1 password_file=' . "$dir/pw; "
          . 'read_from 1.2.3.5 [::1]:7 unix:/x; replica %R%; node n;'),
     'replicas');
good(http('', 'redis redis://; sentinel m rediss://1.2.3.4 server_name=x;'
          . 'replica %R%; node n;'), 'sentinels alone have TLS');
good('http { server { } }', 'no set at all');
is(join(' ', glob "$dir/r/*"), '', 'no file was made');


# the set

my %refused_sets = (
    'replica /r;' => 'token revocation set "partners" needs "redis"',
    'redis unix:/x;' => 'token revocation set "partners" needs "replica"',
    '' => 'token revocation set "partners" needs',
    'redis unix:/x; replica /r; speed 9;' => 'unknown directive "speed"',
    'redis unix:/x; replica /r; sentinel a 1.2.3.4;' =>
        'invalid "redis" address "unix:/x": "sentinel" finds the host',
    'redis redis://1.2.3.4; replica /r; sentinel a 1.2.3.4;' =>
        'address "redis://1.2.3.4": "sentinel" finds the host',
    'redis redis://; replica /r; sentinel a;' => 'names no sentinel',
    'redis redis://; replica /r; sentinel a ca=/x;' => 'names no sentinel',
    'redis redis://; replica /r; sentinel a 1.2.3.4; sentinel b 1.2.3.4;' =>
        '"sentinel" directive is duplicate',
    'redis redis://; replica /r; sentinel a s1;' =>
        'invalid "sentinel" address "s1": a host name needs',
    'redis redis://1.2.3.4; replica /r; read_from;' =>
        'invalid number of arguments in "read_from" directive',
    'redis redis://1.2.3.4; replica /r; read_from 1.2.3.5; read_from 1.2.3.6;'
        => '"read_from" directive is duplicate',
    'redis redis://1.2.3.4; replica /r; read_from redis://1.2.3.5;' =>
        'invalid "read_from" address "redis://1.2.3.5": it is host:port or '
        . 'unix:/path',
    'redis redis://1.2.3.4; replica /r; read_from u@1.2.3.5;' =>
        'invalid "read_from" address "u@1.2.3.5": it is host:port or unix:/',
    'redis redis://1.2.3.4; replica /r; read_from 1.2.3.5/1;' =>
        'invalid "read_from" address "1.2.3.5/1": only in "redis"',
    'redis redis://1.2.3.4; replica /r; read_from s1;' =>
        'invalid "read_from" address "s1": a host name needs',
    'redis redis://1.2.3.4; replica /r; read_from 1.2.3.5:99999;' =>
        'invalid "read_from" address "1.2.3.5:99999"',
    'redis redis://; replica /r; sentinel a 1.2.3.4/0;' =>
        'invalid "sentinel" address "1.2.3.4/0"',
    'redis redis://; replica /r; sentinel a 1.2.3.4 speed=9;' =>
        'invalid "sentinel" address "speed=9"',
    'redis redis://; replica /r; sentinel a redis://u@1.2.3.4;' =>
        'a user needs "password_file="',
    'redis redis://; replica /r; sentinel a 1.2.3.4 server_name=x;' =>
        'the parameters of TLS need "rediss://"',
    'redis redis://1.2.3.4 ca=/x; replica /r;' =>
        'the parameters of TLS need "rediss://"',
    'redis unix:/x server_name=a; replica /r;' =>
        'the parameters of TLS need "rediss://"',
    'redis rediss://1.2.3.4 ca=/nonexistent/ca; replica /r;' =>
        '/nonexistent/ca',
    'redis rediss://1.2.3.4 ca=' . spew("$dir/no.pem", "no\n")
        . '; replica /r;' => "$dir/no.pem",
    "redis rediss://1.2.3.4 certificate=$dir/no.pem; replica /r;" =>
        '"certificate=" and "certificate_key=" need each other',
    "redis rediss://1.2.3.4 certificate_key=$dir/no.pem; replica /r;" =>
        '"certificate=" and "certificate_key=" need each other',
    "redis rediss://1.2.3.4 certificate=$dir/no.pem "
        . "certificate_key=$dir/no.pem; replica /r;" => "$dir/no.pem",
    'redis rediss://1.2.3.4 "server_name=a b"; replica /r;' =>
        'invalid parameter "server_name=a b"',
    'redis rediss://1.2.3.4 server_name=a server_name=b; replica /r;' =>
        'invalid parameter "server_name=b"',
    'redis rediss://1.2.3.4 ca=; replica /r;' => 'invalid parameter "ca="',
    'redis unix:/x; redis unix:/y; replica /r;' =>
        '"redis" directive is duplicate',
    'redis unix:/x; replica /r; replica /s;' =>
        '"replica" directive is duplicate',
    'redis; replica /r;' => 'invalid number of arguments in "redis"',
    'redis unix:/x; replica /r /s;' =>
        'invalid number of arguments in "replica"',
    'redis unix:/x; replica "";' => 'invalid value "" of "replica"',
    'redis http://x; replica /r;' => 'invalid "redis" address "http://x"',
    'redis rediss://x; replica /r;' => 'invalid "redis" address "rediss://x"',
    'redis redis://; replica /r;' => 'invalid "redis" address "redis://"',
    'redis unix:; replica /r;' => 'invalid "redis" address "unix:"',
    'redis redis://1.2.3.4:0; replica /r;' =>
        'invalid "redis" address "redis://1.2.3.4:0"',
    'redis redis://1.2.3.4:99999; replica /r;' =>
        'invalid "redis" address "redis://1.2.3.4:99999"',
    'redis redis://1.2.3.4/x; replica /r;' =>
        'invalid "redis" address "redis://1.2.3.4/x"',
    'redis redis://1.2.3.4/-1; replica /r;' =>
        'invalid "redis" address "redis://1.2.3.4/-1"',
    'redis redis://u@1.2.3.4; replica /r;' =>
        'a user needs "password_file="',
    'redis redis://name; replica /r;' => '"redis://name": a host name needs',
    'redis unix:/x tls=on; replica /r;' => 'invalid parameter "tls=on"',
    'redis unix:/x password_file=/nonexistent/pw; replica /r;' =>
        '"/nonexistent/pw" failed',
    'redis unix:/x password_file=' . spew("$dir/empty", "\n")
        . '; replica /r;' => "no password in the first line of \"$dir/empty\"",
    'redis unix:/x; replica /r; prefix "a b";' =>
        'invalid value "a b" of "prefix"',
    'redis unix:/x; replica /r; prefix "a{b";' =>
        'invalid value "a{b" of "prefix"',
    'redis unix:/x; replica /r; prefix ' . 'p' x 65 . ';' =>
        'invalid value "' . 'p' x 65 . '" of "prefix"',
    'redis unix:/x; replica /r; node "a b";' =>
        'invalid value "a b" of "node"',
    'redis unix:/x; replica /r; node ' . 'n' x 65 . ';' =>
        'invalid value "' . 'n' x 65 . '" of "node"',
    'redis unix:/x; replica /r; registry maybe;' =>
        'invalid value "maybe" of "registry"',
    'redis unix:/x; replica /r; registry on; registry on;' =>
        '"registry" directive is duplicate',
    'redis unix:/x; replica /r; token_records 2d;' =>
        'invalid value "2d" of "token_records"',
    'redis unix:/x; replica /r; token_records 20001d;' =>
        'invalid value "20001d" of "token_records"',
    'redis unix:/x; replica /r; token_records long;' =>
        'invalid value "long" of "token_records"',
    'redis unix:/x; replica /r; max_lifetime 0;' =>
        'invalid value "0" of "max_lifetime"',
    'redis unix:/x; replica /r; max_lifetime never;' =>
        'invalid value "never" of "max_lifetime"',
    'redis unix:/x; replica /r; max_lifetime 20001d;' =>
        'invalid value "20001d" of "max_lifetime"',
    'redis unix:/x; replica /r; log_length 0;' =>
        'invalid value "0" of "log_length"',
    'redis unix:/x; replica /r; log_length 1x;' =>
        'invalid value "1x" of "log_length"',
    'redis unix:/x; replica /r; wait_replicas -1;' =>
        'invalid value "-1" of "wait_replicas"',
    'redis unix:/x; replica /r; wait_replicas 101;' =>
        'invalid value "101" of "wait_replicas"',
    'redis unix:/x; replica /r; timeout 0;' =>
        'invalid value "0" of "timeout"',
    'redis unix:/x; replica /r; timeout 61s;' =>
        'invalid value "61s" of "timeout"',
    'redis unix:/x; replica /r; timeout soon;' =>
        'invalid value "soon" of "timeout"',
    'redis unix:/x; replica /r; resolver;' =>
        'invalid number of arguments in "resolver"',
);

refused(http('', $_), $refused_sets{$_}) for sort keys %refused_sets;

# a password in the address is named without being shown
my ($ok, $said) = nginx_test(http('', 'redis redis://u:SeCrEt@1.2.3.4; '
                                      . 'replica /r;'));
ok(!$ok && $said =~ /password belongs into "password_file="/,
   'refused: a password in the address');
unlike($said, qr/SeCrEt/, 'the password is not repeated');

refused('http { token_revoke_set off { } }',
        'invalid name of a token revocation set "off"');
refused('http { token_revoke_set "a b" { } }',
        'invalid name of a token revocation set "a b"');
refused(http('token_revoke_set partners { redis unix:/y; replica /s; }'),
        'token revocation set "partners" was defined in');
# however it is spelled, and whether or not it is there yet

mkdir "$dir/deep";
symlink "$dir/r", "$dir/link";
symlink $dir, "$dir/deep/up";
my $up = '../' x 20;

sub two_sets { map { "token_revoke_set $_->[0] { redis unix:/x; node n; "
                     . "replica $_->[1]; }" } @_ }

for my $case (
    [ 'the same',           '%R%',        '%R%' ],
    [ 'a slash behind',     '%R%',        '%R%/' ],
    [ 'a dot',              '%R%',        '%R%/.' ],
    [ 'two slashes',        '%R%',        "$dir//r" ],
    [ 'up and down',        '%R%',        '%R%/../r' ],
    [ 'a link',             '%R%',        "$dir/link" ],
    [ 'a link above',       '%R%',        "$dir/deep/up/r" ],
    [ 'relative',           '%R%',        "$up$dir/r" ],
    [ 'new',                "$dir/new",   "$dir/new" ],
    [ 'new, dots',          "$dir/new",   "$dir/./new/." ],
    [ 'new, two slashes',   "$dir/new",   "$dir//new//" ],
    [ 'new, up and down',   "$dir/new",   "$dir/new/../new" ],
    [ 'new, a link above',  "$dir/new",   "$dir/deep/up/new" ],
    [ 'new, above a link',  "$dir/new",   "$dir/deep/up/deep/../new" ],
    [ 'new and relative',   'new/dir',    './new//dir' ])
{
    my ($name, $one, $two) = @$case;
    refused('http { ' . join(' ', two_sets([ one => $one ], [ two => $two ]))
            . '}',
            'of token revocation set "two" is that of set "one"',
            "two sets on one directory: $name");
}

ok(!-e "$dir/new", 'none was made');

good(http(join ' ', two_sets([ two => "$dir/r2" ], [ three => "$dir/r2/r" ],
                             [ four => "$dir/deep/r" ],
                             [ five => "$dir/deep/up/../r5" ])),
     'sets in directories of their own');


# the other directives

my %refused_lines = (
    'token_revoke other;' => 'unknown token revocation set "other"',
    'token_revoke;' => 'invalid number of arguments in "token_revoke"',
    'token_revoke partners; token_revoke partners;' =>
        '"token_revoke" directive is duplicate',
    'token_revoke_token basic;' => 'invalid place of a token "basic"',
    'token_revoke_token arg=;' => 'invalid place of a token "arg="',
    'token_revoke_token "arg=a b";' => 'invalid place of a token "arg=a b"',
    'token_revoke_token header;' => 'invalid place of a token "header"',
    'token_revoke_token bearer bearer;' =>
        'place of a token "bearer" is given twice',
    'token_revoke_token header=Authorization bearer;' =>
        'place of a token "bearer" is given twice',
    'token_revoke_token header=X-Key cookie=a header=x-key;' =>
        'place of a token "header=x-key" is given twice',
    'token_revoke_token arg=a bearer arg=A;' =>
        'place of a token "arg=A" is given twice',
    'token_revoke_token cookie=a header=cookie;' =>
        'place of a token "header=cookie" is given twice',
    'token_revoke_missing maybe;' => 'invalid value "maybe"',
    'token_revoke_stale 1s;' =>
        'invalid time "1s" of "token_revoke_stale"',
    'token_revoke_stale soon;' =>
        'invalid time "soon" of "token_revoke_stale"',
    'token_revoke_stale 1h maybe;' =>
        'invalid value "maybe" of "token_revoke_stale"',
    'token_revoke_stale off deny;' =>
        'invalid time "off" of "token_revoke_stale"',
    'token_revoke_phase rewrite;' => 'invalid value "rewrite"',
    'token_revoke_dry_run yes;' => 'invalid value "yes"',
    'token_revoke_cutoff maybe;' => 'invalid value "maybe"',
    'token_revoke_realm "a\"b";' => 'invalid realm "a"b"',
    'token_revoke_log_level loud;' => 'invalid value "loud"',
);

refused(http("server { location / { $_ } }"), $refused_lines{$_})
    for sort keys %refused_lines;

refused(http('token_revoke_admin partners;'),
        '"token_revoke_admin" directive is not allowed here');
refused(http("server { location $_ { token_revoke_admin partners; } }"),
        '"token_revoke_admin" directive needs a prefix location')
    for '= /a/', '~ ^/a/', '/a';
refused(http('server { location /a/ { token_revoke_admin other; } }'),
        'unknown token revocation set "other"');
refused('token_revoke_set partners { redis unix:/x; replica /r; }',
        '"token_revoke_set" directive is not allowed here');


# nginx -t beside a running edge changes nothing

my $redis = redis();
my $edge = edge(redis => $redis, node => 'edge-1');
$edge->wait_ready;
my $bad = token();
is($edge->revoke({ token => $bad })->{status}, 200, 'revoked');

# owner, mode, inode and times of all but those that the writer maps
sub replica_files {
    my @files;
    for my $file ($edge->{replica}, sort glob "$edge->{replica}/*") {
        my @st = stat $file;
        push @files, join ' ', $file, @st[1, 2, 4, 5, 7],
                     -d $file || $file =~ /lock$/ ? @st[9, 10] : ();
    }
    return join "\n", @files;
}

my $before = replica_files();
my $writer = $edge->writer;
for (1 .. 3) {
    my ($ok, $said) = TRV::Edge::config_test("$edge->{dir}/nginx.conf");
    ok($ok, 'nginx -t beside it') or diag($said);
}
is(replica_files(), $before, 'no file of the replica has changed');
is($edge->writer, $writer, 'nor has the writer');
is($edge->call($bad), 401, 'it goes on refusing');
ok($edge->stop, 'it ends');


# who Redis is told that we are, which database, by name

spew("$dir/good.pw", "s3cret pw\nnot this\n");
spew("$dir/bad.pw", "wrong\n");
chmod 0644, "$dir/good.pw", "$dir/bad.pw";

$redis->command('ACL', 'SETUSER', 'edge', 'on', '>s3cret pw',
                '~{partners}:*', '+@all');
$redis->command('ACL', 'SETUSER', 'default', 'resetpass', '>other', '+@all');

my $port = free_port();
$redis->command('CONFIG', 'SET', 'bind', '127.0.0.1');
$redis->command('CONFIG', 'SET', 'port', $port);

my $user = edge(redis_line => "redis://edge\@127.0.0.1:$port/2 "
                              . "password_file=$dir/good.pw",
                node => 'edge-2');
$user->wait_ready;
is($user->revoke({ token => $bad })->{status}, 200, 'user and database');
is($redis->command('EXISTS', '{partners}:meta'), 1, 'database 0 as it was');
$redis->command('SELECT', 2);
is($redis->command('ZCARD', '{partners}:revoked'), 1, 'database 2 is used');
$redis->command('SELECT', 0);

my $wrong = edge(redis_line => "redis://edge\@127.0.0.1:$port "
                               . "password_file=$dir/bad.pw",
                 node => 'edge-3');
ok(wait_for(10, sub { $wrong->logged(qr/\[error\].*WRONGPASS/) }),
   'a wrong password is said');
is($wrong->get('/token-revoke/ready')->{status}, 503, 'and not ready');
is($wrong->revoke({ token => $bad })->{status}, 503, 'a POST says 503');
ok(!$wrong->logged(qr/s3cret|wrong\b/), 'no password is logged');

# the password is changed while it is connected, then the file, then a reload

$redis->command('ACL', 'SETUSER', 'edge', 'resetpass', '>wrong');
$redis->command('CLIENT', 'KILL', 'USER', 'edge');
ok(wait_for(10, sub { $wrong->ready }), 'ready once the password is right');
spew("$dir/good.pw", "wrong\n");
ok($user->reload, 'reload with the new password');
ok(wait_for(10, sub {
    $user->revoke({ token => token() })->{status} == 200;
}), 'revokes again');

# a name that a DNS server resolves; none answers here: nginx starts all the
# same, and says so

my $name = edge(redis_line => "redis://redis.internal:$port",
                set => "resolver 127.0.0.1:$port;",
                node => 'edge-4');
is($name->get('/token-revoke/ready')->{status}, 503, 'no DNS: it starts');
ok(wait_for(40, sub { $name->logged(qr/\[error\].*redis.internal.*/) }),
   'no DNS: said');

finish();
