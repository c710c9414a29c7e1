#!/bin/sh
# What readme-test.sh does inside of a Debian in which `make` has been run, in
# the clone: the rest of what README.md says.

set -e
log=/var/log/nginx/error.log

ok() { echo "ok - $1"; }
fail() { echo "not ok - $1" >&2; tail -5 $log >&2 || true; exit 1; }

# block LANGUAGE N: what is fenced as this, for the Nth time
block() {
    perl -0777 -ne 'my @b = /^```'"$1"'\n(.*?)^```$/msg; print $b['"$2"' - 1]' README.md
}

# the commands of a block, without what is said of them
commands() { block "$1" "$2" | sed 's/ *# .*//; /^$/d'; }

wait_for() {
    n=0
    until "$@"; do
        n=$((n + 1)); test $n -lt 100 || return 1
        sleep 0.1
    done
}


# two commands: the first one with all that it says to try; the second one is
# what this is part of

test "$(commands sh 1)" = 'make demo
make test' || fail "README.md begins with other commands"
prove -Q t/demo.t || fail "make demo, and what it says to try"
ok "make demo, and what it says to try"


# its configurations, commands, answers

prove -Q t/readme.t || fail "what is fenced in README.md"
ok "what is fenced in README.md"


# installing from source

commands sh 2 | sh -e || fail "installing from source"
ok "installing from source"


# "everything that can be said", as it is there

printf 'operator-ann:{PLAIN}PASSWORD\n' > /etc/nginx/users.htpasswd
printf 'ann:{PLAIN}PASSWORD\n' > /etc/nginx/operators.htpasswd
printf 'secret\n' > /etc/nginx/redis.pw
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout /dev/null \
    -out /etc/nginx/redis-ca.pem 2> /dev/null
block nginx 2 > /etc/nginx/nginx.conf
nginx -q -t || fail "everything that can be said"
ok "everything that can be said"


# "the least that works", as it is there, with the Redis and the API it names

redis-server --bind 10.0.0.5 --protected-mode no --daemonize yes > /dev/null
cat > /tmp/api.conf <<'CONF'
pid /tmp/api.pid;
events { }
http { server { listen 10.0.0.10:8080; return 200 "api\n"; } }
CONF
nginx -c /tmp/api.conf

block nginx 1 > /etc/nginx/nginx.conf
nginx -q -t || fail "the least that works"
nginx
echo '127.0.0.1 edge-1.example' >> /etc/hosts

status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
call() { status -H "Authorization: Bearer $1" http://edge-1.example/api/orders; }
ready() { test "$(call ANOTHER-TOKEN)" = 200; }
wait_for ready || fail "a call passes"

test "$(status http://edge-1.example/token-revoke/whoami)" = 401 \
    || fail "nobody is asked who they are"
curl -sf -u ann:PASSWORD -H 'Content-Type: application/json' \
     -d '{"token": "REVOKED-TOKEN"}' \
     http://edge-1.example/token-revoke/revocations > /dev/null || fail "revokes"
test "$(call REVOKED-TOKEN)" = 401 || fail "refuses"
test "$(call ANOTHER-TOKEN)" = 200 || fail "passes others"
ok "the least that works"


# what an edge holds

$(block text 1 | sed -n 's/^# //p') > /dev/null || fail "trv-inspect"
echo REVOKED-TOKEN | trv-inspect /var/lib/nginx/token_revoke - > /dev/null \
    || fail "trv-inspect knows a token"
ok "trv-inspect"

nginx -s quit
nginx -c /tmp/api.conf -s quit
redis-cli -h 10.0.0.5 shutdown nosave
