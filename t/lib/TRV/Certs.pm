package TRV::Certs;

# A certification authority of a test and what it issues, made by openssl.
#
#     my $ca = certs();
#     my $server = $ca->issue('redis', names => 'DNS:redis.internal');
#     $ca->file; $server->{file}; $server->{key};
#
# issue: names (subjectAltName), from and to (days from now), usage.

use strict;
use warnings;

use POSIX ();

my $n = 0;


sub new {
    my ($class) = @_;

    my $self = bless { dir => TRV::dir() . '/ca-' . ++$n }, $class;
    my $dir = $self->{dir};

    mkdir $dir or die "$dir: $!\n";
    chmod 0755, $dir;
    TRV::spew("$dir/index", '');
    TRV::spew("$dir/serial", "01\n");
    TRV::spew("$dir/conf", <<"CONF");
[ca]
default_ca = ours
[ours]
database = $dir/index
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = test
CONF

    openssl('req', '-config', "$dir/conf", '-x509', new_key("$dir/ca.key"),
            '-out', "$dir/ca.pem", '-days', 3650, '-subj', "/CN=ca-$n",
            '-addext', 'basicConstraints=critical,CA:true');
    return $self;
}


sub file { "$_[0]{dir}/ca.pem" }


sub issue {
    my ($self, $name, %options) = @_;

    my $dir = $self->{dir};
    my $base = "$dir/$name";
    my ($from, $to) = map { POSIX::strftime('%Y%m%d%H%M%SZ',
                                            gmtime(time + 86400 * $_)) }
                      $options{from} // -1, $options{to} // 30;

    TRV::spew("$base.ext", join "\n",
              'basicConstraints = CA:false',
              $options{names} ? "subjectAltName = $options{names}" : (),
              $options{usage} ? "extendedKeyUsage = $options{usage}" : (),
              '');

    openssl('req', '-config', "$dir/conf", '-new', new_key("$base.key"),
            '-out', "$base.csr", '-subj', "/CN=$name");
    openssl('ca', '-config', "$dir/conf", '-batch', '-notext',
            '-in', "$base.csr", '-out', "$base.pem", '-extfile', "$base.ext",
            '-startdate', $from, '-enddate', $to);

    chmod 0644, "$base.key";            # Redis may be somebody else
    return { file => "$base.pem", key => "$base.key" };
}


sub new_key {
    my ($file) = @_;
    return ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
            '-nodes', '-keyout', $file);
}


sub openssl {
    my (@words) = @_;
    my $log = TRV::dir() . '/openssl.out';
    my $pid = TRV::Process->spawn($log, 'openssl', @words);
    waitpid $pid, 0;
    die "openssl @words:\n" . TRV::slurp($log) if $?;
}

1;
