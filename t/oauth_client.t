#!/usr/bin/perl

# A real OAuth client library (oauth4webapi) revokes tokens and asks for them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $dir = dir();
my $packages = "$FindBin::Bin/../build/browser";

spew("$dir/users", join '', map { "$_:{PLAIN}s3cretpw\n" }
     'shipping', 'tax', 'platform', 'stranger');
chmod 0644, "$dir/users";

my $port = free_port();
my $redis = redis();
my $edge = edge(redis => $redis, http => <<"CONF");
    map \$remote_user \$principal {
        default  "";
        shipping "partner ypa-1";
        tax      "partner ypa-2";
        platform "operator platform";
    }
    server {
        listen 127.0.0.1:$port;
        location /token-revoke/ {
            auth_basic           "token revocation";
            auth_basic_user_file $dir/users;
            token_revoke_admin     partners;
            token_revoke_principal \$principal;
        }
    }
CONF
$edge->wait_ready;

# a token on record
sub registered {
    my (%record) = @_;
    my $token = token();
    my $answer = $edge->request('POST', '/token-revoke/tokens',
        headers => [ 'X-Principal' => 'operator ann',
                     'Content-Type' => 'application/json' ],
        body => JSON::PP->new->encode({ id => token_id($token),
            partner => 'ypa-1', store => 'yhst-1', apis => [ 'order' ],
            expires_at => time + 86400, %record }));
    is($answer->{status}, 200, 'registered') or diag($answer->{raw});
    return $token;
}

# what the client was told of each token; the secret of all is the same
sub client {
    my ($id, @tokens) = @_;
    my $pid = open my $out, '-|';
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDERR, '>', "$dir/client.log";
        exec 'node', "$FindBin::Bin/browser/oauth.mjs", $packages,
             "http://127.0.0.1:$port/token-revoke", $id, 's3cretpw', @tokens;
    }
    my $text = do { local $/; <$out> };
    close $out;
    is($?, 0, "the client $id ends well") or diag(slurp("$dir/client.log"));
    my $told = eval { JSON::PP->new->decode($text // '') };
    return @{ $told || [] };
}

my ($own, $foreign, $other) = (registered(), registered(partner => 'ypa-2'),
                               token());

my @told = client('shipping', $own, $foreign, $other);

is($told[0]{before}{active}, JSON::PP::true, 'its own is active');
is($told[0]{before}{client_id}, 'ypa-1', 'for whom');
is($told[0]{before}{scope}, 'order', 'for what');
is($told[0]{revoked}, 'revoked', 'revokes it');
is_deeply($told[0]{after}, { active => JSON::PP::false }, 'not active then');
is($edge->call($own), 401, 'and refused');

is_deeply($told[1], { before => { active => JSON::PP::false },
                      revoked => 'revoked',
                      after => { active => JSON::PP::false } },
          'of somebody else\'s it learns nothing');
is_deeply($told[2], $told[1], 'nor of one that is not known');
is($edge->call($foreign), 200, 'which is not touched');
is($edge->call($other), 200, 'nor is that');

@told = client('platform', $foreign);
is($told[0]{before}{active}, JSON::PP::true, 'an operator sees it');
is($told[0]{revoked}, 'revoked', 'and revokes it');
is($edge->call($foreign), 401, 'refused');

@told = client('stranger', registered());
like($told[0]{revoked}{error}, qr{CHALLENGE}, 'who is not known: an error');
is($told[0]{revoked}{status}, 401, 'a challenge');

finish();
