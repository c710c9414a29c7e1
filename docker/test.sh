#!/bin/bash
# test.sh WORK: builds the images and brings up compose.yaml; revokes on one
# edge, cuts one off from the network, kills the primary Redis.  No registry and
# no engine are needed: debootstrap makes the base image, buildah builds, podman
# runs.  Needs root.  All of it runs with a network, processes and mounts of its
# own, and nothing is left running when it ends.

set -e
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
base=docker.io/library/debian:bookworm-slim
project=token-revoke-test

test "$(id -u)" = 0 || { echo "docker-test needs root" >&2; exit 1; }

export STORAGE_DRIVER=vfs
export DISABLE_HC_SYSTEMD=true          # there is no systemd: health is asked for
storage="--root $work/storage --runroot /run/containers"

# what compose calls: builds and runs without a registry
cat > "$work/podman" <<EOF
#!/bin/sh
command=\$1
shift
case \$command in
build)  exec buildah $storage bud --layers --pull-never --format docker \\
            --isolation chroot --network host "\$@" ;;
pod)    exit 0 ;;
run)    for arg; do
            shift
            case \$arg in --pod=*) ;; *) set -- "\$@" "\$arg" ;; esac
        done
        set -- --pull=never --ulimit nofile=20000:20000 \\
               --ulimit nproc=1000:1000 "\$@" ;;
esac
exec podman $storage --runtime runc --cgroup-manager cgroupfs "\$command" "\$@"
EOF
chmod 755 "$work/podman"

podman() { "$work/podman" "$@" 2>> "$work/podman.log"; }
buildah() { command buildah $storage "$@" 2>> "$work/buildah.log"; }
compose() {
    podman-compose --podman-path "$work/podman" -p $project \
        -f "$top/docker/compose.yaml" "$@" >> "$work/compose.log" 2>&1
}

n=${TRV_DOCKER_TESTS:-0}
ok() { n=$((n + 1)); echo "ok $n - $1"; }
fail() {
    echo "not ok - $1"
    tail -n 3 "$work"/*.log | sed 's/^/# /'
    for c in edge-1 edge-2 edge-3 sentinel-1 redis-replica; do
        echo "# $c:"
        "$work/podman" logs --tail 5 "$(container $c)" 2>&1 | sed 's/^/#   /'
    done
    exit 1
}

container() { echo "${project}_$1_1"; }


# the images, with the network of this machine

if test "$2" != inside; then
    rm -f "$work"/*.log

    if ! buildah inspect --type image $base > /dev/null; then
        bash "$top/tools/debian.sh" "$work/root" || fail "a Debian"
        c=$(buildah from scratch)
        buildah copy "$c" "$work/root" / > /dev/null
        buildah config --env DEBIAN_FRONTEND=noninteractive "$c"
        buildah commit "$c" $base > /dev/null
        buildah rm "$c" > /dev/null
        rm -rf --one-file-system "$work/root"
    fi
    ok "a base image"

    compose build
    for image in edge redis prometheus; do
        buildah inspect --type image token-revoke-$image > /dev/null \
            || fail "image $image"
    done
    ok "the images of compose.yaml"

    TRV_DOCKER_TESTS=$n exec unshare --net --mount --pid --fork --kill-child \
        --mount-proc bash "$0" "$work" inside
fi

mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
ip link set lo up


# true once a command succeeds, within so many seconds
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        test $SECONDS -lt $until || return 1
        sleep 0.2
    done
}

inside() { local c=$1; shift; podman exec "$(container "$c")" "$@"; }
ready() { inside "$1" curl -sf http://127.0.0.1:8080/health/ready > /dev/null; }
healthy() { podman healthcheck run "$1" > /dev/null; }
call() {
    inside "$1" curl -s -m 10 -o /dev/null -w '%{http_code}' \
        -H "Authorization: Bearer $2" http://127.0.0.1:8080/api/orders
}
refuses() { test "$(call "$1" "$2")" = 401; }
passes() { test "$(call "$1" "$2")" = 200; }
revoke() {
    inside "$1" curl -sf -m 10 -u operator-ann:secret \
        -H 'Content-Type: application/json' -d "{\"token\": \"$2\"}" \
        http://127.0.0.1:8080/token-revoke/revocations > /dev/null
}
all_refuse() {
    for i in 1 2 3; do wait_for "$1" refuses edge-$i "$2" || return 1; done
}

# nothing of an earlier run
for v in $(podman volume ls -q); do podman volume rm -f "$v" > /dev/null; done
for c in $(podman ps -aq); do podman rm -f -v -t 0 "$c" > /dev/null; done

compose up -d --no-build
for i in 1 2 3; do wait_for 60 ready edge-$i || fail "edge-$i is ready"; done
ok "compose.yaml comes up"

for i in 1 2 3; do
    wait_for 10 healthy "$(container edge-$i)" || fail "edge-$i is healthy"
done
ok "the edges are healthy"

one=1.0_docker-test-one two=1.0_docker-test-two three=1.0_docker-test-three

wait_for 20 passes edge-2 $one || fail "a call passes to the API"
wait_for 20 revoke edge-1 $one || fail "revoked on edge-1"
all_refuse 5 $one || fail "refused on all"
passes edge-2 1.0_docker-test-other || fail "others pass"
curl -sf -o /dev/null -H 'Authorization: Bearer other' http://127.0.0.1:8081/api/x \
    || fail "the published port"
ok "revoked on one, refused on all"

test "$(inside edge-1 id -u)" != 0 || fail "not root"
! inside edge-1 touch /etc/x || fail "a file system that is read-only"
echo $one | podman exec -i "$(container edge-1)" \
    trv-inspect /var/lib/nginx/token_revoke - > /dev/null || fail "trv-inspect"
ok "not root, read-only, with trv-inspect"

logs=$(command podman $storage logs "$(container edge-1)" 2>&1)
grep -q ' 401 REVOKED [0-9a-f]\{32\}$' <<< "$logs" || fail "calls are logged"
grep -q 'this worker is the writer' <<< "$logs" || fail "errors are logged"
! grep -q docker-test <<< "$logs" || fail "a token in a log"
ok "logs to standard output, without tokens"

targets_up() {
    curl -sfG http://127.0.0.1:9090/api/v1/query --data-urlencode \
        'query=sum(up{job="token-revoke"}) == 3 and sum(token_revoke_ready) == 3' \
        | grep -q '"value"'
}
wait_for 40 targets_up || fail "Prometheus has the edges"
curl -sf http://127.0.0.1:9090/api/v1/rules | grep -q TokenRevokeNoContact \
    || fail "Prometheus has the rules"
ok "Prometheus has the edges and the rules"

podman network disconnect ${project}_default "$(container edge-3)" \
    || fail "disconnect"
# the name server of the network stands still while that changes
names() { inside edge-1 getent hosts sentinel-{1,2,3} redis > /dev/null; }
wait_for 20 names || fail "names"
revoke edge-1 $two || fail "revoked while edge-3 is away"
wait_for 5 refuses edge-2 $two || fail "refused on edge-2"
refuses edge-3 $one || fail "edge-3 goes on refusing"
podman network connect --alias edge-3 ${project}_default \
    "$(container edge-3)" || fail "connect"
wait_for 30 refuses edge-3 $two || fail "edge-3 has caught up"
ok "an edge that was cut off catches up"

podman kill -s KILL "$(container redis)" > /dev/null || fail "kill the primary"
refuses edge-1 $one || fail "refused without Redis"
# sentinels that ask for a name that has no address any more stand still, too
promoted() { inside redis-replica redis-cli role | head -1 | grep -q master; }
wait_for 120 promoted || fail "a fail-over"
wait_for 60 revoke edge-2 $three || fail "revoked after the fail-over"
all_refuse 30 $three || fail "refused after the fail-over"
ok "the primary is killed: fail-over"

podman start "$(container redis)" > /dev/null || fail "start the old primary"
is_replica() { inside redis redis-cli role | head -1 | grep -q slave; }
wait_for 40 is_replica || fail "the old primary is a replica now"
ok "the old primary comes back as a replica"

podman kill -s HUP "$(container edge-2)" > /dev/null || fail "reload"
wait_for 20 ready edge-2 || fail "ready after a reload"
refuses edge-2 $three || fail "refused after a reload"
podman stop -t 20 "$(container edge-1)" > /dev/null || fail "stop"
test "$(podman inspect -f '{{.State.ExitCode}}' "$(container edge-1)")" = 0 \
    || fail "ends well"
ok "HUP reloads, stop ends"

# a new container on the volume of the old one, and no Redis
podman rm "$(container edge-1)" > /dev/null
podman run -d --name "$(container edge-1)" --read-only --tmpfs /tmp \
    --network none --cap-drop ALL -v ${project}_edge-1:/var/lib/nginx/token_revoke \
    token-revoke-edge > /dev/null || fail "run"
wait_for 20 ready edge-1 || fail "ready without Redis"
refuses edge-1 $three || fail "refused without Redis"
healthy "$(container edge-1)" || fail "healthy without Redis"
ok "the replica is on the volume: refuses without Redis"

podman run -d --name ${project}_new_1 --read-only --tmpfs /tmp --network none \
    --cap-drop ALL token-revoke-edge > /dev/null || fail "run"
wait_for 10 inside new test -e /tmp/nginx.pid || fail "nginx starts"
! healthy ${project}_new_1 || fail "an edge that was never filled is unhealthy"
ok "an edge that was never filled is unhealthy"

echo "1..$n"
