#!/usr/bin/perl

# Who may do what to whose tokens: every role x operation x owner, through real
# HTTP.  What is refused changes nothing, and what is somebody else's looks like
# what does not exist.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TRV;

my $redis = redis();
my $on = edge(redis => $redis, workers => 1);
my $off = edge(redis => $redis, workers => 1, node => 'off',
               set => 'prefix off; registry off;');
$_->wait_ready for $on, $off;

my $year = time + 365 * 86400;

my %principals = (merchant => 'merchant store-1', partner => 'partner partner-1',
                  operator => 'operator ann', nobody => '');

# whose token: partner and store on record
my @owners = qw(both store partner other none);
my %owners = (both => [ 'partner-1', 'store-1' ],
              store => [ 'partner-2', 'store-1' ],
              partner => [ 'partner-1', 'store-2' ],
              other => [ 'partner-2', 'store-2' ], none => undef);

# in the order of @owners: on record for partner-1 and store-1, partner-2 and
# store-1, partner-1 and store-2, partner-2 and store-2, not on record
my $with_records = <<'';
revoke_token     merchant  200 200 404 404 404
revoke_token     partner   200 404 200 404 404
revoke_token     operator  200 200 200 200 200
revoke_token     nobody    403 403 403 403 403
revoke_tokens    merchant  200 200 404 404 404
revoke_tokens    partner   200 404 200 404 404
revoke_tokens    operator  200 200 200 200 200
revoke_tokens    nobody    403 403 403 403 403
revoke_ids       merchant  200 200 404 404 404
revoke_ids       partner   200 404 200 404 404
revoke_ids       operator  200 200 200 200 200
revoke_ids       nobody    403 403 403 403 403
revoke_mixed     merchant  200 200 404 404 404
revoke_mixed     partner   200 404 200 404 404
revoke_mixed     operator  200 200 200 200 200
revoke_mixed     nobody    403 403 403 403 403
revoke_expiry    merchant  403 403 403 403 403
revoke_expiry    partner   403 403 403 403 403
revoke_expiry    operator  409 409 409 409 200
revoke_expiry    nobody    403 403 403 403 403
scope_both       merchant  200 200 404 404 404
scope_both       partner   200 404 200 404 404
scope_both       operator  200 200 200 200 404
scope_both       nobody    403 403 403 403 403
scope_store      merchant  200 200 404 404 404
scope_store      partner   200 200 200 200 404
scope_store      operator  200 200 200 200 404
scope_store      nobody    403 403 403 403 403
scope_partner    merchant  200 200 200 200 404
scope_partner    partner   200 404 200 404 404
scope_partner    operator  200 200 200 200 404
scope_partner    nobody    403 403 403 403 403
dry_run          merchant  200 200 404 404 404
dry_run          partner   200 404 200 404 404
dry_run          operator  200 200 200 200 200
dry_run          nobody    403 403 403 403 403
read_revocation  merchant  200 200 404 404 404
read_revocation  partner   200 404 200 404 404
read_revocation  operator  200 200 200 200 404
read_revocation  nobody    403 403 403 403 403
find_revocation  merchant  yes yes no  no  no
find_revocation  partner   yes no  yes no  no
find_revocation  operator  yes yes yes yes no
find_revocation  nobody    403 403 403 403 403
read_token       merchant  200 200 404 404 404
read_token       partner   200 404 200 404 404
read_token       operator  200 200 200 200 404
read_token       nobody    403 403 403 403 403
find_token       merchant  yes yes no  no  no
find_token       partner   yes no  yes no  no
find_token       operator  yes yes yes yes no
find_token       nobody    403 403 403 403 403
introspect       merchant  yes yes no  no  no
introspect       partner   yes no  yes no  no
introspect       operator  yes yes yes yes no
introspect       nobody    401 401 401 401 401
register         merchant  403 403 403 403 403
register         partner   403 403 403 403 403
register         operator  200 200 200 200 200
register         nobody    403 403 403 403 403
edges            merchant  200 200 200 200 200
edges            partner   200 200 200 200 200
edges            operator  200 200 200 200 200
edges            nobody    403 403 403 403 403
metrics          merchant  403 403 403 403 403
metrics          partner   403 403 403 403 403
metrics          operator  200 200 200 200 200
metrics          nobody    403 403 403 403 403
history          merchant  403 403 403 403 403
history          partner   403 403 403 403 403
history          operator  200 200 200 200 200
history          nobody    403 403 403 403 403
log              merchant  403 403 403 403 403
log              partner   403 403 403 403 403
log              operator  200 200 200 200 200
log              nobody    403 403 403 403 403
whoami           merchant  200 200 200 200 200
whoami           partner   200 200 200 200 200
whoami           operator  200 200 200 200 200
whoami           nobody    403 403 403 403 403
ready            nobody    200 200 200 200 200

# without records: whoever holds the full text may revoke, and sees what he did
my $without_records = <<'';
revoke_token     merchant  200
revoke_token     partner   200
revoke_token     operator  200
revoke_token     nobody    403
revoke_tokens    merchant  200
revoke_tokens    partner   200
revoke_tokens    operator  200
revoke_tokens    nobody    403
revoke_ids       merchant  403
revoke_ids       partner   403
revoke_ids       operator  200
revoke_ids       nobody    403
revoke_mixed     merchant  403
revoke_mixed     partner   403
revoke_mixed     operator  200
revoke_mixed     nobody    403
revoke_expiry    merchant  403
revoke_expiry    partner   403
revoke_expiry    operator  200
revoke_expiry    nobody    403
scope_both       merchant  400
scope_both       partner   400
scope_both       operator  400
scope_both       nobody    403
scope_store      merchant  400
scope_store      partner   400
scope_store      operator  400
scope_store      nobody    403
scope_partner    merchant  400
scope_partner    partner   400
scope_partner    operator  400
scope_partner    nobody    403
dry_run          merchant  200
dry_run          partner   200
dry_run          operator  200
dry_run          nobody    403
read_token       merchant  404
read_token       partner   404
read_token       operator  404
read_token       nobody    403
register         merchant  403
register         partner   403
register         operator  404
register         nobody    403

my $edge;

sub post {
    my ($cell, $body) = @_;
    return $edge->revoke($body, 'X-Principal' => $principals{$cell->{role}});
}

sub get {
    my ($cell, $path) = @_;
    return $edge->request('GET', "/token-revoke/$path",
        headers => [ 'X-Principal' => $principals{$cell->{role}} ]);
}

sub on_record {
    my ($token, $partner, $store) = @_;
    my $answer = $edge->register({ token => $token, partner => $partner,
                                   store => $store, expires_at => $year });
    $answer->{status} == 200 or die "not registered: $answer->{body}\n";
    return $token;
}

# another token that the role owns
sub own_of {
    my ($cell) = @_;
    return $edge == $on ? on_record(token(), 'partner-1', 'store-1') : token();
}

# one that a list has, page by page
sub listed {
    my ($cell, $path, $id) = @_;
    my $cursor = '';
    for (1 .. 100) {
        my $answer = get($cell, "$path?limit=1000$cursor");
        return $answer->{status} if $answer->{status} != 200;
        my $body = json($answer->{body});
        return 'yes' if grep { $_->{id} eq $id } @{ $body->{items} };
        return 'no' unless $body->{next};
        $cursor = "&cursor=$body->{next}";
    }
}

sub revoked_before {
    my ($cell) = @_;
    $edge->revoke({ ids => [ $cell->{id} ] }) if $cell->{owner} ne 'none';
}

# operation -> what is done; its answer, or yes, no or a status
my %operations = (
    revoke_token => sub { post($_[0], { token => $_[0]{token} }) },
    revoke_tokens => sub { post($_[0], { tokens => [ $_[0]{token} ] }) },
    revoke_ids => sub { post($_[0], { ids => [ $_[0]{id} ] }) },
    revoke_mixed => sub {
        $_[0]{own} = own_of($_[0]);
        post($_[0], { ids => [ token_id($_[0]{own}), $_[0]{id} ] });
    },
    revoke_expiry => sub {
        post($_[0], { token => $_[0]{token}, expires_at => $year - 1000 });
    },
    scope_both => sub { post($_[0], { partner => $_[0]{partner},
                                      store => $_[0]{store} }) },
    scope_store => sub { post($_[0], { store => $_[0]{store} }) },
    scope_partner => sub { post($_[0], { partner => $_[0]{partner} }) },
    dry_run => sub {
        post($_[0], { token => $_[0]{token}, dry_run => JSON::PP::true() });
    },
    read_revocation => sub {
        revoked_before($_[0]);
        get($_[0], "revocations/$_[0]{id}");
    },
    find_revocation => sub {
        revoked_before($_[0]);
        listed($_[0], 'revocations', $_[0]{id});
    },
    read_token => sub { get($_[0], "tokens/$_[0]{id}") },
    find_token => sub { listed($_[0], 'tokens', $_[0]{id}) },
    introspect => sub {
        my $answer = $edge->request('POST', '/token-revoke/oauth/introspect',
            headers => [ 'X-Principal' => $principals{$_[0]{role}},
                'Content-Type' => 'application/x-www-form-urlencoded' ],
            body => "token=$_[0]{token}");
        return $answer->{status} if $answer->{status} != 200;
        return json($answer->{body})->{active} ? 'yes' : 'no';
    },
    register => sub {
        $edge->register({ id => token_id(token()), partner => $_[0]{partner},
                          store => $_[0]{store}, expires_at => $year },
                        'X-Principal' => $principals{$_[0]{role}});
    },
    edges => sub { get($_[0], 'edges') },
    metrics => sub { get($_[0], 'metrics') },
    history => sub { get($_[0], 'history') },
    log => sub { get($_[0], 'log') },
    whoami => sub { get($_[0], 'whoami') },
    ready => sub { get($_[0], 'ready') },
);

# what is theirs, of what a scope names, is revoked; nothing else is
sub scope_hits {
    my ($cell) = @_;
    my ($partner, $store) = @{ $owners{$cell->{owner}} || [] };
    return 0 if !$partner;
    return 0 if $cell->{role} eq 'merchant' && $store ne 'store-1';
    return 0 if $cell->{role} eq 'partner' && $partner ne 'partner-1';
    return 1;
}

my (%bodies, $cells);

sub check_cell {
    my ($cell, $expected) = @_;
    my ($operation, $role, $owner) = @$cell{qw(operation role owner)};
    my $name = "$operation, $role, $owner";

    $cell->{token} = token();
    $cell->{id} = token_id($cell->{token});
    @$cell{qw(partner store)} = @{ $owners{$owner} || [ 'nil', 'nil' ] };
    on_record(@$cell{qw(token partner store)})
        if $edge == $on && $owner ne 'none';

    my $result = $operations{$operation}->($cell);
    my $got = ref $result ? $result->{status} : $result;
    is($got, $expected, $name) or diag(ref $result ? $result->{raw} : '');

    if ($operation =~ /^(revoke|scope|dry)/) {
        my $hits = $got == 200 && $operation ne 'dry_run'
                   && ($operation !~ /^scope/ || scope_hits($cell));
        is($edge->call($cell->{token}), $hits ? 401 : 200,
           "$name: " . ($hits ? 'refused' : 'passes'));
        is($edge->call($cell->{own}), $got == 200 ? 401 : 200,
           "$name: all or nothing") if $cell->{own};
    }

    if ($got eq '404' && ref $result) {
        my $body = $result->{body};
        s/$cell->{id}/ID/g for $body;
        push @{ $bodies{"$edge->{node} $operation $role"}{$body} }, $owner;
    }

    $cells++;
}

sub check_table {
    my ($table, $which, @whose) = @_;
    $edge = $which;

    for (split /\n/, $table) {
        my ($operation, $role, @expected) = split;
        is(scalar @expected, scalar @whose, "a whole line: $_");
        check_cell({ operation => $operation, role => $role,
                     owner => $whose[$_] }, $expected[$_]) for 0 .. $#whose;
    }
}

check_table($with_records, $on, @owners);
check_table($without_records, $off, 'none');

is(join(' ', grep { keys %{ $bodies{$_} } > 1 } sort keys %bodies), '',
   'what is unknown and what is somebody else\'s have the same body');
cmp_ok($cells, '>', 300, "$cells cells");


# without records, one's own revocations are those that one has done

for my $role (qw(merchant partner)) {
    my $cell = { role => $role };
    my ($own, $foreign) = map { token_id($_) } my @tokens = (token(), token());
    is(post($cell, { token => $tokens[0] })->{status}, 200, "$role revokes");
    is(post({ role => 'operator' }, { token => $tokens[1] })->{status}, 200,
       'so does an operator');
    is(get($cell, "revocations/$own")->{status}, 200, "$role sees its own");
    is(get($cell, "revocations/$foreign")->{status}, 404, 'and no other');
    is(listed($cell, 'revocations', $own), 'yes', 'in a list, too');
    is(listed($cell, 'revocations', $foreign), 'no', 'that has no other');
}

finish();
