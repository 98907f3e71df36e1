"""What an eavesdropper sees of a deployment: no plaintext between machines.

Fleet and Control API are what leaves a machine. What an app says to its own SuperLink
or SuperNode stays on it, and is plaintext with Flower: so the same capture has there
what must not be seen elsewhere.
"""

import importlib.util
import pathlib
import re
import sys

import deployment_here
import loopback_here
import pytest

pytest.importorskip("flwr")
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    deployment_here.POSSIBLE,
    pytest.mark.skipif(
        not loopback_here.permitted(), reason="needs the right to capture packets"
    ),
]

FLEET, CONTROL, SERVER_APP, CLIENT_APP = range(4)
# Of the messages, and of the app, which is a zip file.
WORDS_OF_FLEET = [b"train.record_sum", b"model_hash", b"\x93NUMPY", b"client_app.py"]
WORDS_OF_CONTROL = [b"expected-batch-size", b"client_app.py"]

WITHOUT_TLS = """#!/bin/sh
command=$(basename "$0")
case "$command $1" in
    flower-*) set -- --insecure "$@" ;;
    python*)
        case $2 in
            *.supernode) set -- "$@" --insecure ;;
            *) exec FOLDER/python "$@" ;;
        esac ;;
    *) sed -i "s/^root-certificates.*/insecure = true/" "$FLWR_HOME/config.toml" ;;
esac
# There is no key to register, but a SuperLink to wait for.
[ "$1" != supernode ] || set -- ls deployment
skip=
for argument; do
    shift
    case $argument in
        --ssl-* | --root-certificates | --auth-*) skip=1 ;;
        --enable-supernode-auth) ;;
        *) [ -z "$skip" ] && set -- "$@" "$argument"; skip= ;;
    esac
done
exec FOLDER/$command "$@"
"""


def captured_streams(folder, commands=None):
    """Per API, what went over it in a deployment of record-level: list of bytes."""
    deployment = deployment_here.Deployment(
        folder,
        "record-level",
        "rounds=2",
        "expected-batch-size=100.0",
        commands=commands,
    )
    ports = range(deployment.port, deployment.port + 6)
    with loopback_here.Capture(ports) as capture, deployment:
        deployment.wait()
    assert capture.num_dropped == 0
    return [capture.streams(port) for port in ports]


def array_bytes(streams):
    """Excerpts of the arrays in plaintext messages, none of which is all alike."""
    excerpts = set()
    for stream in streams.values():
        for match in re.finditer(rb"(?s)\x93NUMPY.{4}{'descr': '<f4'[^\n]*\n", stream):
            excerpt = stream[match.end() : match.end() + 64]
            if len(set(excerpt)) > 32:
                excerpts.add(excerpt)
    return excerpts


def found(needles, streams):
    return {n for n in needles if any(n in stream for stream in streams.values())}


def folder_without_tls(folder):
    """Commands in the place of Flower's that leave TLS and authentication out."""
    folder.mkdir()
    real = pathlib.Path(sys.executable).parent
    for command in ("flwr", "flower-superlink", "python"):
        (folder / command).write_text(WITHOUT_TLS.replace("FOLDER", str(real)))
        (folder / command).chmod(0o755)
    return folder


def test_an_eavesdropper_sees_no_plaintext(tmp_path):
    streams = captured_streams(tmp_path)
    # The weights as the server sends them, and the sums as a client sends its own.
    arrays = array_bytes(streams[SERVER_APP]) | array_bytes(streams[CLIENT_APP])
    assert len(arrays) >= 4
    sent = sum(map(len, streams[FLEET].values()))
    assert sent > 100_000
    assert not found([*WORDS_OF_FLEET, *WORDS_OF_CONTROL, *arrays], streams[FLEET])
    assert not found([*WORDS_OF_FLEET, *WORDS_OF_CONTROL, *arrays], streams[CONTROL])


def test_without_tls_the_same_eavesdropper_sees_messages_and_arrays(tmp_path):
    commands = folder_without_tls(tmp_path / "commands")
    streams = captured_streams(tmp_path, commands)
    arrays = array_bytes(streams[SERVER_APP]) | array_bytes(streams[CLIENT_APP])
    assert len(arrays) >= 4
    assert found(WORDS_OF_FLEET, streams[FLEET]) == set(WORDS_OF_FLEET)
    # Not all: a frame's header may be in the midst of an excerpt.
    assert len(found(arrays, streams[FLEET])) >= 4
    assert found(WORDS_OF_CONTROL, streams[CONTROL]) == set(WORDS_OF_CONTROL)
