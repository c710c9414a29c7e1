#!/usr/bin/perl

# The alert rules and the dashboard: Prometheus takes them, every metric, label
# and value in the rules is one that an edge has, a table that is as full as it
# may be is no alert, and a Prometheus that scrapes an edge has an answer to
# every query.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use HTTP::Tiny ();
use Test::More;
use TRV;

my $docker = "$FindBin::Bin/../docker";
my $rules = "$docker/prometheus/alerts.yml";
my $text = slurp($rules);

my $said = `promtool check rules $rules 2>&1`;
is($?, 0, 'promtool takes the rules') or diag($said);

my $port = free_port();
my $edge = edge(redis => redis(), http => <<"CONF");
    server {
        listen 127.0.0.1:$port;
        location /token-revoke/ {
            token_revoke_admin     partners;
            token_revoke_principal "operator prometheus";
        }
    }
CONF
$edge->wait_ready;
is($edge->revoke({ token => token() })->{status}, 200, 'revoked');
my $metrics = $edge->admin('metrics')->{body};

my @exprs = $text =~ /^\s+expr: (.*)/mg;
cmp_ok(scalar @exprs, '>', 10, 'there are rules');

for my $expr (@exprs) {
    while ($expr =~ /\b(token_revoke_\w+)(?:\{(\w+)[=!]~?"([^"]*)"\})?/g) {
        my ($name, $label, $values) = ($1, $2, $3);
        like($metrics, qr/^$name\b/m, "$name is there");
        next unless defined $label;
        like($metrics, qr/^$name\{[^}]*\b$label="$_"/m, "$name: $label $_")
            for split /\|/, $values;
    }
}


# a table that has grown as full as it may be, and one that should have grown

is($edge->revoke({ ids => [ map { token_id($_) } 1 .. 799 ] })->{status}, 200,
   'revoked until one more would make it grow');
sleep 1;
my $load = $edge->metric('table_load_ratio');
cmp_ok($load, '>', 0.78, "the table is $load full");
is($edge->metric('table_rebuilds_total'), 0, 'and has not grown');

my $tests = spew(dir() . '/alerts_test.yml', <<"YAML");
rule_files: ["$rules"]
tests:
  - interval: 1m
    input_series:
      - series: 'token_revoke_table_load_ratio{instance="healthy"}'
        values: '$load+0x10'
      - series: 'token_revoke_table_load_ratio{instance="growing"}'
        values: '0.87+0x4 0.5+0x5'
      - series: 'token_revoke_table_load_ratio{instance="stuck"}'
        values: '0.8+0x10'
    alert_rule_test:
      - alertname: TokenRevokeTableFull
        eval_time: 4m
      - alertname: TokenRevokeTableFull
        eval_time: 10m
        exp_alerts:
          - exp_labels: {instance: stuck, severity: ticket}
            exp_annotations:
              summary: the table of stuck should have grown
YAML
$said = `promtool test rules $tests 2>&1`;
is($?, 0, 'only one that does not grow is worth a ticket') or diag($said);

is($edge->revoke({ token => token() })->{status}, 200, 'one more');
ok(wait_for(10, sub { $edge->metric('table_rebuilds_total') }), 'it grows');
cmp_ok($edge->metric('table_load_ratio'), '<', 0.6, 'and has room');


# a real Prometheus

my ($dir, $at) = (dir(), '127.0.0.1:' . free_port());
spew("$dir/prometheus.yml", <<"YAML");
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$rules"]
scrape_configs:
  - job_name: token-revoke
    metrics_path: /token-revoke/metrics
    static_configs: [{targets: ["127.0.0.1:$port"]}]
YAML

push @TRV::started, bless {
    pid => TRV::Process->spawn("$dir/prometheus.out", 'prometheus',
        "--config.file=$dir/prometheus.yml", "--web.listen-address=$at",
        "--storage.tsdb.path=$dir/prometheus"),
}, 'TRV::Process';

my $http = HTTP::Tiny->new(timeout => 10);

sub ask {
    my ($query) = @_;
    return json($http->post_form("http://$at/api/v1/query",
                                 { query => $query })->{content});
}

ok(wait_for(60, sub {
    @{ ask('count_over_time(token_revoke_ready[1m]) > 2')->{data}{result} || [] };
}), 'it scrapes the edge') or diag(slurp("$dir/prometheus.out"));

my $dashboard = json(slurp("$docker/grafana/token-revoke.json"));
my @queries = map { $_->{expr} } map { @{ $_->{targets} } }
              @{ $dashboard->{panels} || [] };
cmp_ok(scalar @queries, '>', 10, 'the dashboard has queries');

for my $query (@queries) {
    my $filled = $query =~ s/\$__rate_interval/1m/r =~ s/\$set/.*/r;
    my $answer;
    ok(wait_for(20, sub {
        $answer = ask($filled);
        @{ $answer->{data}{result} || [] };
    }), "$query: an answer") or diag($answer->{error} // 'none');
}

for my $expr (@exprs) {
    is(ask($expr)->{status}, 'success', "$expr: success");
}

my $loaded = json($http->get("http://$at/api/v1/rules")->{content});
is(scalar(map { @{ $_->{rules} } } @{ $loaded->{data}{groups} }), scalar @exprs,
   'all rules are loaded');

finish();
