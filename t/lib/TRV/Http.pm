package TRV::Http;

# A client that sends what it is told, byte by byte if need be.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use Time::HiRes ();


# options: headers (list of name, value), body, version, host ('': none), keep
sub format_request {
    my ($method, $uri, %options) = @_;

    my @headers = @{ $options{headers} || [] };
    my $host = exists $options{host} ? $options{host} : 'edge';
    my $version = $options{version} || '1.1';

    my $text = "$method $uri HTTP/$version\r\n";
    $text .= "Host: $host\r\n" if $host ne '';

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    $text .= 'Content-Length: ' . length($options{body}) . "\r\n"
        if defined $options{body};
    $text .= "Connection: close\r\n" unless $options{keep};

    return "$text\r\n" . (defined $options{body} ? $options{body} : '');
}


sub request {
    my ($socket, $method, $uri, %options) = @_;
    return raw($socket, format_request($method, $uri, %options),
               seconds => $options{seconds});
}


sub open_link {
    my ($socket) = @_;
    return IO::Socket::UNIX->new(Peer => $socket);
}


# one request on a link that stays open
sub ask {
    my ($link, $bytes) = @_;
    print $link $bytes;
    $link->flush;
    return read_one($link);
}


# POST revocations, as an operator, on such a link
sub revocation {
    my ($body) = @_;
    return format_request('POST', '/token-revoke/revocations', keep => 1,
        body => JSON::PP::encode_json($body),
        headers => [ 'X-Principal' => 'operator ann',
                     'Content-Type' => 'application/json' ]);
}


# sends bytes, reads to the end; status 0: no answer
sub raw {
    my ($socket, $bytes, %options) = @_;

    my $link = open_link($socket) or return parse('');

    if ($options{slow}) {
        for my $byte (split //, $bytes) {
            syswrite $link, $byte;
            Time::HiRes::sleep(0.0005);
        }
    } else {
        my $sent = 0;
        while ($sent < length $bytes) {
            my $n = syswrite $link, $bytes, length($bytes) - $sent, $sent;
            last unless $n;
            $sent += $n;
        }
    }

    return read_all($link, $options{seconds});
}


sub read_all {
    my ($link, $seconds) = @_;

    my $select = IO::Select->new($link);
    my $end = Time::HiRes::time() + ($seconds || 40);
    my $text = '';

    while (Time::HiRes::time() < $end) {
        next unless $select->can_read(0.1);
        my $n = sysread $link, $text, 65536, length $text;
        last unless $n;
    }

    return parse($text);
}


# one answer on a connection that stays open
sub read_one {
    my ($link) = @_;

    my $text = '';
    my $select = IO::Select->new($link);

    while ($select->can_read(10)) {
        my $n = sysread $link, $text, 65536, length $text;
        last unless $n;
        my ($head, $body) = split /\r\n\r\n/, $text, 2;
        next unless defined $body;
        my ($len) = $head =~ /^Content-Length: (\d+)/mi;
        last if defined $len && length $body >= $len;
        last if $head =~ /^Transfer-Encoding: chunked/mi
                && $body =~ /0\r\n\r\n$/;
    }

    return parse($text);
}


sub parse {
    my ($text) = @_;

    my $answer = { raw => $text, status => 0, body => '', headers => {} };

    $text =~ s/^HTTP\/1.1 100 Continue\r\n\r\n// and $answer->{continued} = 1;

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    return $answer
        unless defined $body && $head =~ s/^HTTP\/\S+ (\d+)[^\n]*\n?//;

    $answer->{status} = $1;

    for (split /\r\n/, $head) {
        my ($name, $value) = split /: ?/, $_, 2;
        push @{ $answer->{headers}{ lc $name } }, $value;
    }

    if (header($answer, 'Transfer-Encoding') eq 'chunked') {
        my $plain = '';
        while ($body =~ s/^([0-9a-f]+)\r\n//i) {
            my $len = hex $1 or last;
            $plain .= substr $body, 0, $len, '';
            $body =~ s/^\r\n//;
        }
        $body = $plain;
    }

    $answer->{body} = $body;
    return $answer;
}


sub header {
    my ($answer, $name) = @_;
    return join ', ', @{ $answer->{headers}{ lc $name } || [] };
}

1;
