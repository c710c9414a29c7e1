package TRV::Console;

# Edges, three of them, that serve the pages as `make demo` does, and a browser.
#
#     my $console = console($redis, users => [ 'merchant-acme-store' ]);
#     $console->sign_in('merchant-acme-store');
#     $console->run('await page.getByLabel("Partner").fill(args[0])', 'ypa-1');
#     is($console->text('h1'), 'API Settings');

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use Test::More;
use TRV ();
use TRV::Browser;

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
my $PASSWORD = 'correct horse';


# options: users (who may sign in, besides "operator" and "nobody"), edges (how
# many), others for the edges
sub new {
    my ($class, $redis, %options) = @_;

    my $self = bless { redis => $redis }, $class;
    my @users = @{ delete $options{users} || [] };

    TRV::spew(TRV::dir() . '/users', join '', map { "$_:{PLAIN}$PASSWORD\n" }
              'operator', 'nobody', @users);

    for my $n (1 .. delete $options{edges} || 3) {
        my $edge = TRV::edge(redis => $redis, node => "edge-$n", later => 1,
                             %options);
        my $port = TRV::free_port();

        $edge->configure(http => server_of_demo($edge, $port));
        push @TRV::started, $edge;
        $edge->start;

        push @{ $self->{edges} }, $edge;
        push @{ $self->{urls} }, "http://127.0.0.1:$port/token-revoke/console/";
    }

    $_->wait_ready for @{ $self->{edges} };
    $self->{browser} = TRV::browser();
    return $self;
}


sub server_of_demo {
    my ($edge, $port) = @_;

    my ($map, $server) = TRV::slurp("$top/demo/edge.conf")
                         =~ /^( {4}map .*?^ {4}\}).*?^( {4}server .*?^ {4}\})/ms
        or die "demo/edge.conf is not as expected\n";

    my %value = (port => $port, dir => TRV::dir(),
                 console => "$top/src/console");
    $server =~ s/\@(\w+)\@/$value{$1} \/\/ die "what is \@$1\@?\n"/ge;

    return "upstream api { server unix:$edge->{backend}; }\n$map\n$server\n";
}


# opens the pages of an edge in a new window
sub sign_in {
    my ($self, $name, %options) = @_;
    my $url = $self->{urls}[(delete $options{edge} || 1) - 1];
    my $tab = delete $options{tab} || '';
    $self->{browser}->open($url . $tab, name => $name, password => $PASSWORD,
                           %options);
    $self->run('await page.locator("h1, .problem").first().waitFor()');
}


# puts tokens on record
sub register {
    my ($self, @tokens) = @_;
    my $answer = $self->{edges}[0]->request('POST', '/token-revoke/tokens',
        headers => [ 'X-Principal' => 'operator ann',
                     'Content-Type' => 'application/json' ],
        body => JSON::PP->new->canonical->encode(\@tokens));
    die "the tokens are not registered: $answer->{raw}\n"
        if $answer->{status} != 200;
}


# what the API says to an operator
sub operator {
    my ($self, $path) = @_;
    return TRV::json($self->{edges}[0]->admin($path)->{body});
}


sub run {
    my ($self, @code) = @_;
    return $self->{browser}->run(@code);
}


sub text {
    my ($self, $selector) = @_;
    return $self->run('return page.locator(args[0]).first().innerText()',
                      $selector);
}


# waits until the text is there
sub sees {
    my ($self, $text, $name) = @_;
    my $seen = eval {
        $self->run('await page.getByText(args[0]).filter({ visible: true })'
                   . '.first().waitFor()', $text);
        1;
    };
    ok($seen, $name || "one sees \"$text\"") or diag($self->all_text);
}


sub gone {
    my ($self, $selector, $name) = @_;
    ok(eval { $self->run('await page.locator(args[0]).first()'
                         . '.waitFor({ state: "detached" })', $selector); 1 },
       $name);
}


# of the page, as bytes
sub all_text {
    my ($self) = @_;
    utf8::encode(my $text = $self->text('body'));
    return $text;
}


sub press {
    my ($self, $name) = @_;
    $self->run('await page.getByRole("button", { name: args[0], exact: true })'
               . '.click()', $name);
}


# nothing that the browser complained about, but for what is expected
sub no_complaints {
    my ($self, $name, @expected) = @_;
    my @complaints = $self->{browser}->complaints(@expected);
    is("@complaints", '', "$name: the browser has no complaint");
}


sub no_barriers {
    my ($self, $name) = @_;
    my $found = $self->run('return axe()');
    is("@{ $found->{serious} }", '', "$name: no serious finding of axe");
    cmp_ok($found->{passes}, '>', 5, "$name: axe has looked");
}

1;
