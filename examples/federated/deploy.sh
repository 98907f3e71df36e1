#!/bin/sh
# Runs the app over real processes on this machine: a SuperLink and SuperNodes with
# TLS and authentication by public keys.
#
#   ./deploy.sh OUTPUT_DIR [MODE] [RUN_CONFIG...]
#
# MODE is record-level (the default), masked-records, encrypted-records,
# local-records, local-clients, masked-sums or encrypted-sums. Encrypted ones have the
# key holder as one node more. RUN_CONFIG are settings of pyproject.toml, such as
# rounds=5: here server and clients agree on them, and each is told by itself. From the
# environment: BASE_PORT moves the ports, NUM_CLIENTS is 3 unless given, and NODE_CONFIG
# has what every client says of its own side beside that, such as "epsilon=2.0".
set -eu

APP=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
MODE=${2:-record-level}
shift; [ $# -eq 0 ] || shift
PORT=${BASE_PORT:-19090}
FLEET=127.0.0.1:$PORT
CONTROL=127.0.0.1:$((PORT + 1))
export FLWR_HOME="$OUT/flwr" FLWR_TELEMETRY_ENABLED=0 TF_CPP_MIN_LOG_LEVEL=3
mkdir -p "$FLWR_HOME"

PIDS=
STREAM=
stop() {
    trap - EXIT INT TERM
    [ -z "$STREAM" ] || kill "$STREAM" 2>/dev/null || true
    # Each has a process group of its own, with the apps that it has started.
    for pid in $PIDS; do kill -- "-$pid" 2>/dev/null || true; done
    wait
    # Apps may take longer than who has started them, or not end by themselves.
    for pid in $PIDS; do
        tries=0
        while [ $tries -lt 40 ] && kill -0 -- "-$pid" 2>/dev/null; do
            tries=$((tries + 1))
            [ $tries -lt 20 ] || kill -KILL -- "-$pid" 2>/dev/null || true
            sleep 0.5
        done
    done
}
trap stop EXIT
trap 'exit 130' INT TERM

start() {
    log=$1; shift
    setsid "$@" > "$OUT/$log.log" 2>&1 &
    PIDS="$PIDS $!"
}

CLIENTS=${NUM_CLIENTS:-3}
NODES=$(seq 0 $((CLIENTS - 1)))
case $MODE in encrypted-*) NODES=$(seq 0 "$CLIENTS") ;; esac
# A run that goes on keeps its keys.
[ -d "$OUT/keys" ] ||
    python -m keras_dpgan.federated.keys "$OUT/keys" --num-clients "$CLIENTS"

# Each node has what is its own: no client can read the key holder's key.
hand_out() {
    folder=$OUT/keys-of-$1
    [ ! -d "$folder" ] || return 0
    mkdir -m 700 "$folder"
    cp -p "$OUT"/keys/*.verifying "$OUT"/keys/public.* "$folder"
    if [ "$1" = "$CLIENTS" ]; then
        cp -p "$OUT"/keys/holder.* "$folder"
    elif [ "$1" != server ]; then
        cp -p "$OUT/keys/client-$1".* "$folder"
    fi
}
for node in $NODES server; do hand_out "$node"; done

start superlink flower-superlink \
    --ssl-ca-certfile "$OUT/keys/ca.crt" \
    --ssl-certfile "$OUT/keys/server.pem" --ssl-keyfile "$OUT/keys/server.key" \
    --enable-supernode-auth \
    --fleet-api-address "$FLEET" --control-api-address "$CONTROL" \
    --serverappio-api-address "127.0.0.1:$((PORT + 2))"

cat > "$FLWR_HOME/config.toml" <<END
[superlink]
default = "deployment"

[superlink.deployment]
address = "$CONTROL"
root-certificates = "$OUT/keys/ca.crt"
END

key_of() {
    name=client-$1
    [ "$1" != "$CLIENTS" ] || name=holder
    echo "$OUT/keys/$name"
}

for node in $NODES; do
    tries=0
    until flwr supernode register "$(key_of "$node").pub" deployment \
        > "$OUT/register.log" 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 20 ] || { cat "$OUT/register.log" >&2; exit 1; }
        sleep 1
    done
done

SETTINGS="mode=\"$MODE\" num-clients=$CLIENTS"
for setting in "$@"; do SETTINGS="$SETTINGS $setting"; done

# What clients agree to run: in earnest each reads the app before it gives its hash.
(cd "$OUT" && rm -f ./*.fab && flwr build --app "$APP" > build.log 2>&1) ||
    { cat "$OUT/build.log" >&2; exit 1; }
HASH=$(cat "$OUT"/*.fab | sha256sum | cut -d " " -f 1)

for node in $NODES; do
    start "node-$node" python -m keras_dpgan.federated.supernode --app-hash "$HASH" \
        --superlink "$FLEET" --root-certificates "$OUT/keys/ca.crt" \
        --auth-supernode-private-key "$(key_of "$node").key" \
        --clientappio-api-address "127.0.0.1:$((PORT + 3 + node))" \
        --node-config "partition-id=$node num-partitions=$CLIENTS $SETTINGS \
            keys=\"$OUT/keys-of-$node\" ledger=\"$OUT/client-$node.ledger\" ${NODE_CONFIG:-}"
done

CONFIG="$SETTINGS output-dir=\"$OUT\" keys=\"$OUT/keys-of-server\""
rm -f "$OUT/run.json"
flwr run "$APP" deployment --stream --run-config "$CONFIG" > "$OUT/run.log" 2>&1 &
STREAM=$!
tries=0
written=0
# The stream ends with the run, but does not tell whether it went well.
while kill -0 $STREAM 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -ge "${MAX_SECONDS:-600}" ]; then
        cat "$OUT/run.log" >&2
        echo "Not done after $tries seconds: set MAX_SECONDS, or fewer rounds." >&2
        exit 1
    fi
    # The app ends soon after it has written this.
    [ ! -f "$OUT/run.json" ] || written=$((written + 1))
    [ $written -lt 20 ] || break
    sleep 1
done
[ -f "$OUT/run.json" ] || { cat "$OUT/run.log" >&2; exit 1; }
cat "$OUT/run.json"
