#!/bin/sh
# What deb-test.sh does inside of a Debian that has the package installed.

set -e
doc=/usr/share/doc/libnginx-mod-http-token-revoke

fail() { echo "not ok - $1" >&2; tail -5 /var/log/nginx/error.log >&2; exit 1; }

nginx -t > /dev/null 2>&1 || fail "nginx with the module and no site"
test -L /etc/nginx/modules-enabled/50-mod-http-token-revoke.conf \
    || fail "enabled by itself"
test -s /usr/share/token-revoke/console/index.html || fail "pages"
zcat -f /usr/share/man/man5/token_revoke.5* > /tmp/manual
for directive in $(zcat -f $doc/README.md* | sed -n 's/^#### //p'); do
    grep -q "Syntax:  *$directive " /tmp/manual \
        || fail "manual of directives: $directive"
done
for file in $(sed 's/\\f.//g; s/\\|//g; s/\\-/-/g' /tmp/manual $doc/README.Debian \
              | grep -o "/usr/share/[-a-zA-Z0-9_./]*[a-z/]"); do
    test -e "$file" || fail "named and not there: $file"
done
for file in $(grep -o 'README\.md[.a-z]*' $doc/README.Debian); do
    test -e $doc/$file || fail "named and not there: $file"
done
zcat -f /usr/share/man/man1/trv-inspect.1* | grep -q replica \
    || fail "manual of trv-inspect"

cp $doc/examples/token-revoke.conf /etc/nginx/conf.d/
htpasswd -bc /etc/nginx/operators.htpasswd ann secret 2> /dev/null
echo hello > /var/www/html/hello
nginx -t > /dev/null 2>&1 || fail "the example"

redis-server --port 6379 --daemonize yes > /dev/null
nginx
api=http://127.0.0.1:8080

n=0
until curl -sf $api/health/ready > /dev/null; do
    n=$((n + 1)); test $n -lt 100 || fail "ready"
    sleep 0.1
done

call() { curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" $api/api/hello; }

test "$(call sample-token)" = 200 || fail "passes"
curl -sf -u ann:secret -H 'Content-Type: application/json' \
    -d '{"token": "sample-token"}' $api/token-revoke/revocations > /dev/null \
    || fail "revokes"
test "$(call sample-token)" = 401 || fail "refuses"
test "$(call another-token)" = 200 || fail "passes others"
echo sample-token | trv-inspect /var/lib/nginx/token_revoke - > /dev/null \
    || fail "trv-inspect"

nginx -s quit
redis-cli shutdown nosave || true
rm /etc/nginx/conf.d/token-revoke.conf
