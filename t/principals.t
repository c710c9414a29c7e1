#!/usr/bin/perl

# The ways of telling who is asking that README.md shows, tried: by password,
# also with errors for OAuth, by a sign-in service, by certificate, and behind a
# limit of requests.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Test::More;
use TRV;

my $readme = slurp("$FindBin::Bin/../README.md");
my $dir = dir();
my $redis = redis();

my %users = ('merchant-yhst-1' => 'merchant yhst-1',
             'partner-ypa-1' => 'partner ypa-1',
             'operator-ann' => 'operator ann');


# the configuration behind a heading
sub shown {
    my ($heading) = @_;
    my ($conf) = $readme =~ /^### \Q$heading\E\n.*?^```nginx\n(.*?)^```/ms
        or die "README.md does not show \"$heading\"\n";
    return $conf;
}

sub openssl {
    my (@args) = @_;
    system("cd $dir && openssl @args >> openssl.out 2>&1") == 0
        or die "openssl @args:\n" . slurp("$dir/openssl.out");
}

# an edge with that configuration on its port
sub edge_with {
    my ($conf, $port) = @_;
    $conf =~ s{listen (80|443)}{listen 127.0.0.1:$port};
    $conf =~ s{/etc/nginx/}{$dir/}g;
    $conf =~ s{unix:/var/run/([\w.-]+)}{unix:$dir/$1-$port}g;
    my $edge = edge(redis => $redis, node => "edge-$port", http => $conf,
                    set => 'registry off;');
    $edge->wait_ready;
    return $edge;
}

# what curl gets: status, then body
sub curl {
    my (@args) = @_;
    my $file = spew("$dir/curl.conf", join "\n", @args, '');
    my $text = `curl -sk -K $file -w '\\n%{http_code}' 2>&1`;
    unlink $file;
    $text =~ s/\n(\d+)$//;
    return ($1, json($text));
}

sub whoami_is {
    my ($principal, $name, @args) = @_;
    my ($status, $body) = curl(@args);
    return is($status, 403, $name) if $principal eq '403';
    return is($status, 401, $name) if $principal eq '401';
    is("$body->{role} $body->{name}", $principal, $name);
}

# a principal can revoke
sub revokes {
    my ($name, @args) = @_;
    my $token = token();
    my ($status, $body) = curl(@args, 'header = "Content-Type: application/json"',
                               "data = \"{\\\"token\\\":\\\"$token\\\"}\"");
    is($status, 200, "$name: revokes");
}


# by name and password

my $hash = `openssl passwd -apr1 secret`;
spew("$dir/users.htpasswd", join '', map { "$_:$hash" }
     keys %users, 'nobody', 'merchant-', 'merchant-a b');
chmod 0644, "$dir/users.htpasswd";

my $port = free_port();
edge_with(shown('By name and password'), $port);
my $api = "url = \"http://127.0.0.1:$port/token-revoke/";

for my $user (sort keys %users) {
    whoami_is($users{$user}, "password: $user", $api . 'whoami"',
              "user = \"$user:secret\"");
    revokes("password: $user", $api . 'revocations"',
            "user = \"$user:secret\"");
    whoami_is('401', "password: $user, a wrong one", $api . 'whoami"',
              "user = \"$user:wrong\"");
}
whoami_is('401', 'password: none', $api . 'whoami"');
whoami_is('403', "password: user \"$_\" is no principal", $api . 'whoami"',
          "user = \"$_:secret\"") for 'nobody', 'merchant-', 'merchant-a b';


# for clients that speak OAuth

my $socket = "$dir/oauth.sock";
edge_with("server {\nlisten unix:$socket;\n" . shown('POST oauth/revoke') . '}',
          'oauth');
spew("$dir/users.htpasswd", slurp("$dir/users.htpasswd") . "ypa-1:$hash");

# the whole answer to a form that one sends
sub oauth {
    my ($path, $user) = @_;
    return TRV::Http::request($socket, 'POST', "/token-revoke/oauth/$path",
        headers => [ 'Content-Type' => 'application/x-www-form-urlencoded',
                     $user ? (Authorization => 'Basic ' . encode_base64($user, ''))
                           : () ],
        body => 'token=' . token());
}

for my $case ([ revoke => 'ypa-1:wrong' ], [ revoke => 'nobody-1:secret' ],
              [ revoke => '' ], [ introspect => 'ypa-1:wrong' ])
{
    my $answer = oauth(@$case);
    my $name = "OAuth: @$case";
    is($answer->{status}, 401, $name) or diag($answer->{raw});
    is_deeply(json($answer->{body}), { error => 'invalid_client' }, "$name: body");
    is(TRV::Http::header($answer, 'Content-Type'), 'application/json',
       "$name: JSON");
    is(TRV::Http::header($answer, 'Cache-Control'), 'no-store',
       "$name: not to be stored");
    is(TRV::Http::header($answer, 'WWW-Authenticate'),
       'Basic realm="token revocation"', "$name: the challenge");
}
is(oauth('revoke', 'ypa-1:secret')->{status}, 200, 'OAuth: revokes');
is(json(oauth('revoke', 'merchant-a b:secret')->{body})->{error_description},
   'Who is asking is not known.', 'OAuth: a name that is no principal');
like(oauth('introspect', 'ypa-1:secret')->{body}, qr/:no-registry"/,
     'OAuth: without records nobody can know');


# by a sign-in service: here another nginx, that knows two sessions

my $sign_in = free_port();
$port = free_port();
my $conf = shown('By the platform\'s sign-in');
$conf =~ s/127\.0\.0\.1:9000/127.0.0.1:$sign_in/ or die "no service\n";
edge_with($conf . <<"CONF", $port);
map \$cookie_session \$signed_in {
    default "";
    a "merchant yhst-1";
    b "operator ann";
    c "operator";
}
map \$signed_in \$role { "~^(\\w+)" \$1; }
map \$signed_in \$who { "~ (.+)\$" \$1; }
server {
    listen 127.0.0.1:$sign_in;
    location / {
        if (\$signed_in = "") { return 401; }
        add_header X-Role \$role;
        add_header X-Name \$who;
        return 204;
    }
}
CONF
$api = "url = \"http://127.0.0.1:$port/token-revoke/";

whoami_is('merchant yhst-1', 'sign-in: a merchant', $api . 'whoami"',
          'header = "Cookie: session=a"');
whoami_is('operator ann', 'sign-in: an operator', $api . 'whoami"',
          'header = "Cookie: session=b"');
revokes('sign-in: an operator', $api . 'revocations"',
        'header = "Cookie: session=b"');
whoami_is('403', 'sign-in: a role without a name', $api . 'whoami"',
          'header = "Cookie: session=c"');
whoami_is('401', 'sign-in: no session', $api . 'whoami"');
whoami_is('401', 'sign-in: what the client says does not count',
          $api . 'whoami"', 'header = "X-Role: operator"',
          'header = "X-Name: eve"');


# by client certificate

openssl('req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -days 2'
        . ' -keyout ca.key -out people-ca.pem');
openssl('req -x509 -newkey rsa:2048 -nodes -subj /CN=edge -days 2'
        . ' -keyout edge.key -out edge.crt');
spew("$dir/edge.pem", slurp("$dir/edge.key") . slurp("$dir/edge.crt"));

my $n = 0;
sub certificate {
    my ($subject, $ca) = @_;
    my $name = 'person-' . ++$n;
    $ca ||= 'people-ca.pem -CAkey ca.key';
    openssl("req -newkey rsa:2048 -nodes -subj '$subject'"
            . " -keyout $name.key -out $name.csr");
    openssl("x509 -req -in $name.csr -CA $ca -CAcreateserial -days 2"
            . " -out $name.crt");
    return ("cert = \"$dir/$name.crt\"", "key = \"$dir/$name.key\"");
}

$port = free_port();
edge_with(shown('By client certificate'), $port);
$api = "url = \"https://127.0.0.1:$port/token-revoke/";

whoami_is('merchant yhst-1', 'certificate: a merchant', $api . 'whoami"',
          certificate('/O=Example/OU=merchants/CN=yhst-1'));
whoami_is('partner ypa-1', 'certificate: a partner', $api . 'whoami"',
          certificate('/O=Example/OU=partners/CN=ypa-1'));
my @ann = certificate('/O=Example/OU=operators/CN=ann');
whoami_is('operator ann', 'certificate: an operator', $api . 'whoami"', @ann);
revokes('certificate: an operator', $api . 'revocations"', @ann);
whoami_is('403', 'certificate: another organisation', $api . 'whoami"',
          certificate('/O=Other/OU=operators/CN=ann'));
whoami_is('403', 'certificate: a name that holds the form', $api . 'whoami"',
          certificate('/O=x/OU=y/CN=eve\,OU=operators\,O=Example'));
is((curl($api . 'whoami"'))[0], 400, 'certificate: none');
openssl('req -x509 -newkey rsa:2048 -nodes -subj /CN=ca2 -days 2'
        . ' -keyout ca2.key -out ca2.pem');
is((curl($api . 'whoami"', certificate('/O=Example/OU=operators/CN=ann',
                                       'ca2.pem -CAkey ca2.key')))[0],
   400, 'certificate: of another authority');


# not too fast

$port = free_port();
edge_with(shown('Not too fast'), $port);
$api = "url = \"http://127.0.0.1:$port/token-revoke/";

whoami_is($users{$_}, "limit: $_", $api . 'whoami"', "user = \"$_:secret\"")
    for sort keys %users;
whoami_is('401', 'limit: the header of a client does not count',
          $api . 'whoami"', 'header = "X-Principal: operator eve"');

my (%got, @posts);
for (1 .. 60) {
    my $token = token();
    push @posts, 'next' if @posts;
    push @posts, $api . 'revocations"', 'user = "merchant-yhst-1:secret"',
        'header = "Content-Type: application/json"', 'output = "/dev/null"',
        "data = \"{\\\"token\\\":\\\"$token\\\"}\"",
        'write-out = "%{http_code}\n"';
}
my $file = spew("$dir/posts.conf", join "\n", @posts, '');
$got{$_}++ for split /\n/, `curl -sk --parallel --parallel-immediate -K $file 2> /dev/null`;
unlink $file;

is_deeply([ sort keys %got ], [ 200, 429 ], 'limit: some are refused');
cmp_ok($got{200} || 0, '>=', 20, 'limit: a burst is let in');

revokes('limit: another principal', $api . 'revocations"',
        'user = "partner-ypa-1:secret"');
whoami_is('merchant yhst-1', 'limit: reading is not limited',
          $api . 'whoami"', 'user = "merchant-yhst-1:secret"');

finish();
