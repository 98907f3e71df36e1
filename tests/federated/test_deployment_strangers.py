"""Who may not take part in a deployment does not."""

import importlib.util

import deployment_here
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)

from keras_dpgan.federated import keys

pytestmark = [pytest.mark.slow, deployment_here.POSSIBLE]

CONNECTED, RECEIVED = "SuperNode ID", "Receiving:"
REFUSED, FAILED = "No SuperNode found", "Connection attempt failed"


def start_supernode(deployment, name, authority, *key):
    """One more SuperNode, with a port of its own."""
    number = 3 + len(deployment.processes("partition-id="))
    deployment.start(
        name,
        [
            "flower-supernode",
            f"--superlink=127.0.0.1:{deployment.port}",
            f"--root-certificates={authority}",
            *key,
            f"--clientappio-api-address=127.0.0.1:{deployment.port + number}",
            f"--node-config=partition-id={number} num-partitions=3",
        ],
    )


def key(path):
    return f"--auth-supernode-private-key={path}"


def test_unknown_keys_and_authorities_are_turned_away(tmp_path):
    theirs, ours = tmp_path / "others", tmp_path / "output" / "keys"
    keys.make_keys(theirs, 1)
    with deployment_here.Deployment(ours.parent, "record-level", "rounds=2") as running:
        running.wait_for(lambda: RECEIVED in running.log("node-0"))
        authority = ours / "ca.crt"
        start_supernode(running, "no-key", authority)
        start_supernode(running, "unknown-key", authority, key(theirs / "client-0.key"))
        # One more that may take part, but for the authority that it believes.
        running.flwr("supernode", "register", f"{ours / 'holder.pub'}", "deployment")
        known = key(ours / "holder.key")
        start_supernode(running, "unknown-authority", theirs / "ca.crt", known)
        running.wait_for(lambda: REFUSED in running.log("unknown-key"))
        running.wait_for(lambda: "StatusCode" in running.log("no-key"))
        running.wait_for(lambda: FAILED in running.log("unknown-authority"))
        start_supernode(running, "all-in-order", authority, known)
        running.wait_for(lambda: CONNECTED in running.log("all-in-order"))
        run = running.wait()
    for stranger in ("no-key", "unknown-key", "unknown-authority"):
        assert CONNECTED not in running.log(stranger)
        assert RECEIVED not in running.log(stranger)
    assert run["rounds"] == 2
    assert run["left_out"] == {}


def test_a_node_that_is_unregistered_gets_nothing_any_more(tmp_path):
    with deployment_here.Deployment(tmp_path, "record-level", "rounds=3") as deployment:
        deployment.wait_for(lambda: "record_sum" in deployment.log("node-0"))
        deployment.wait_for(lambda: "Sent successfully" in deployment.log("node-0"))
        node = deployment.log("node-0").split(f"{CONNECTED}: ")[1].split()[0]
        done = deployment.flwr("supernode", "unregister", node, "deployment")
        assert done.returncode == 0, done.stdout + done.stderr
        received = deployment.log("node-0").count(RECEIVED)
        run = deployment.wait()
    assert deployment.log("node-0").count(RECEIVED) == received
    assert deployment.log("node-1").count(RECEIVED) == 4
    # The run goes on, and says that one was left out.
    assert run["rounds"] == 3
    assert sum(run["left_out"].values()) >= 2
