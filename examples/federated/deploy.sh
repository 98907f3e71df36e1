#!/bin/sh
# Runs the app over real processes on this machine: a SuperLink and SuperNodes with
# TLS and authentication by public keys.
#
#   ./deploy.sh OUTPUT_DIR [MODE] [RUN_CONFIG...]
#
# MODE is record-level (the default), masked-records, encrypted-records,
# local-records, local-clients, masked-sums or encrypted-sums. Encrypted ones have the
# key holder as a fourth node. RUN_CONFIG are settings of pyproject.toml, such as
# rounds=5. BASE_PORT moves the ports.
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
stop() {
    trap - EXIT INT TERM
    # Each has a process group of its own, with the apps that it has started.
    for pid in $PIDS; do kill -- "-$pid" 2>/dev/null || true; done
    wait
}
trap stop EXIT
trap 'exit 130' INT TERM

start() {
    log=$1; shift
    setsid "$@" > "$OUT/$log.log" 2>&1 &
    PIDS="$PIDS $!"
}

NODES="0 1 2"
case $MODE in encrypted-*) NODES="0 1 2 3" ;; esac
# A run that goes on keeps its keys.
[ -d "$OUT/keys" ] || python -m keras_dpgan.federated.keys "$OUT/keys" --num-clients 3

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
    if [ "$1" = 3 ]; then echo "$OUT/keys/holder"; else echo "$OUT/keys/client-$1"; fi
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

for node in $NODES; do
    start "node-$node" flower-supernode \
        --superlink "$FLEET" --root-certificates "$OUT/keys/ca.crt" \
        --auth-supernode-private-key "$(key_of "$node").key" \
        --clientappio-api-address "127.0.0.1:$((PORT + 3 + node))" \
        --node-config "partition-id=$node num-partitions=3 mode=\"$MODE\" \
            keys=\"$OUT/keys\" ledger=\"$OUT/client-$node.ledger\""
done

CONFIG="mode=\"$MODE\" num-clients=3 output-dir=\"$OUT\""
for setting in "$@"; do CONFIG="$CONFIG $setting"; done
rm -f "$OUT/run.json"
flwr run "$APP" deployment --stream --run-config "$CONFIG" > "$OUT/run.log" 2>&1 &
STREAM=$!
PIDS="$PIDS"
tries=0
# The stream ends with the run, but does not tell whether it went well.
while kill -0 $STREAM 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -ge "${MAX_SECONDS:-600}" ]; then
        cat "$OUT/run.log" >&2
        echo "Not done after $tries seconds: set MAX_SECONDS, or fewer rounds." >&2
        kill $STREAM 2>/dev/null || true
        exit 1
    fi
    [ ! -f "$OUT/run.json" ] || break
    sleep 1
done
kill $STREAM 2>/dev/null || true
[ -f "$OUT/run.json" ] || { cat "$OUT/run.log" >&2; exit 1; }
cat "$OUT/run.json"
