"""The app of the example in this process, without Flower's own."""

import importlib.util
import json
import pathlib
import sys

import grid_here
import pytest

pytest.importorskip("flwr")
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")
pytest.importorskip("sklearn")

from flwr.app import Context
from flwr.app import Message
from flwr.app import RecordDict

from keras_dpgan.federated import keys

APP = pathlib.Path(__file__).parents[2] / "examples" / "federated"
NUM_CLIENTS = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not APP.exists(), reason="needs the source tree"),
]


def node_of(app, place, settings, folder):
    """A node with settings of its own, which no server's are among."""
    own = {
        **settings,
        "partition-id": place,
        "ledger": str(folder / f"client-{place}.ledger"),
        "keys": str(folder / "keys"),
    }
    context = Context(1, 100 + place, own, RecordDict(), {"update-noise": 1e-9})

    def answer(action, content):
        message = Message(content, dst_node_id=100 + place, message_type=action)
        return app(message, context).content

    return answer


@pytest.mark.parametrize(
    ("mode", "unit"),
    [
        ("record-level", "row"),
        ("masked-records", "row"),
        ("encrypted-records", "row"),
        ("local-records", "row"),
        ("local-clients", "client"),
        ("masked-sums", "client"),
        ("encrypted-sums", "client"),
    ],
)
def test_two_rounds_of_each_mode(tmp_path, monkeypatch, mode, unit):
    monkeypatch.syspath_prepend(str(APP))
    for name in ("task", "client_app", "server_app"):
        sys.modules.pop(name, None)
    import client_app
    import server_app

    settings = {"mode": mode, "num-clients": NUM_CLIENTS, "update-noise": 5.0}
    nodes = NUM_CLIENTS + mode.startswith("encrypted")
    keys.make_keys(tmp_path / "keys", NUM_CLIENTS)
    grid = grid_here.GridHere(
        node_of(client_app.app, place, settings, tmp_path) for place in range(nodes)
    )
    config = {**settings, "rounds": 2, "output-dir": str(tmp_path)}
    server = Context(1, 0, {}, RecordDict(), config)
    server_app.main(grid, server)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["rounds"] == 2
    assert not run.get("lost_rounds")
    assert run["left_out"] == run["left_out_nodes"] == {}
    assert run["unit"] == unit
    assert 0 < run["epsilon"] < 60
    assert (tmp_path / "client-0.ledger").exists()
