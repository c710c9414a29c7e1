#!/usr/bin/perl

# trv-inspect reads a replica, also one that is in use or that nobody uses, and
# says the same as Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $inspect = "$FindBin::Bin/../build/trv-inspect";

# exit status, output, what was complained of
sub inspect {
    my ($input, @args) = @_;
    my $file = spew(dir() . '/input', $input);
    my $out = `$inspect @args < $file 2> $file.err`;
    my $status = $? >> 8;
    my $error = slurp("$file.err");
    unlink $file, "$file.err";
    return ($status, $out, $error);
}

my $redis = redis();
my $edge = edge(redis => $redis);
my $dir = $edge->{replica};
$edge->wait_ready;

my ($status, $out, $error) = inspect('', $dir);
is($status, 0, 'an empty one');
like($out, qr/^total        0:0{32}$/m, 'holds nothing');

my ($token, $other) = (token(), token());
is($edge->revoke({ tokens => [ $token, map { token() } 1 .. 20 ] })->{status},
   200, 'revoked');
is($edge->revoke({ token => token(), expires_at => time + 5 * 86400 })
       ->{status}, 200, 'revoked, for another day');

for my $how ('in use', 'left alone') {
    ($status, $out) = inspect('', $dir);
    is($status, 0, "$how: printed");

    my %days = @{ $redis->command('HGETALL', '{partners}:days') };
    my $total = delete $days{total};
    like($out, qr/^total        $total$/m, "$how: the total of Redis");

    my %printed = $out =~ /^(\d{4}-\d\d-\d\d)   (\S+)$/mg;
    is_deeply([ sort values %printed ], [ sort values %days ],
              "$how: the days of Redis");

    my $set_id = $redis->command('HGET', '{partners}:meta', 'set_id');
    like($out, qr/^set id       $set_id$/m, "$how: the set id");
    like($out, qr/^filled       yes$/m, "$how: filled");

    my $id = token_id($token);
    is_deeply([ inspect('', $dir, $id) ], [ 0, "$id revoked\n", '' ],
              "$how: an id that is in");
    is_deeply([ inspect("$token\n", $dir, '-') ], [ 0, "$id revoked\n", '' ],
              "$how: its token");
    $id = token_id($other);
    is_deeply([ inspect('', $dir, $id) ], [ 1, "$id not in the set\n", '' ],
              "$how: an id that is not");
    is_deeply([ inspect($other, $dir, '-') ], [ 1, "$id not in the set\n", '' ],
              "$how: its token");

    $edge->stop if $how eq 'in use';
}

# it counts as no worker of the edge: that has signed off
is($redis->command('HLEN', '{partners}:edges'), 0, 'the edge has signed off');

for my $case ([ 'no directory', '/nonexistent' ],
              [ 'another one', '/tmp' ],
              [ 'not an id', $dir, 'ABC' ],
              [ 'an id of zeros', $dir, '0' x 32 ],
              [ 'no token', $dir, '-' ],
              [ 'no arguments' ],
              [ 'too many', $dir, 'a', 'b' ])
{
    my ($name, @args) = @$case;
    ($status, $out, $error) = inspect('', @args);
    is($status, 2, "$name: refused");
    is($out, '', "$name: prints nothing");
    like($error, qr/\S/, "$name: says why");
}

my ($table) = glob "$dir/table.*";
spew($table, 'x' x 100);
($status, $out, $error) = inspect('', $dir);
is($status, 2, 'a broken table');
like($error, qr/fails its checks|cannot read/, 'says so');

finish();
