"""The Flower app in a real simulation."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("flwr")
pytest.importorskip("ray")

APP = pathlib.Path(__file__).parents[2] / "examples" / "federated"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not APP.exists(), reason="needs the source tree"),
]


def simulate(output_dir, **flags):
    """Runs simulate.py; returns what it says in the end."""
    given = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    command = [sys.executable, "simulate.py", f"--output-dir={output_dir}", *given]
    result = subprocess.run(
        command,
        cwd=APP,
        env={**os.environ, "PYTHONPATH": str(APP.parents[1])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads((output_dir / "run.json").read_text())


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
def test_two_rounds_of_each_mode(tmp_path, mode, unit):
    run = simulate(tmp_path, mode=mode, num_clients=3, rounds=2)
    assert run["rounds"] == 2
    assert not run.get("lost_rounds")
    assert not run["left_out"]
    assert run["unit"] == unit
    assert 0 < run["epsilon"] < 60


def test_clients_whose_limit_is_reached_stop_answering(tmp_path):
    flags = {"mode": "masked-sums", "num_clients": 3, "rounds": 4}
    run = simulate(tmp_path, update_noise=10.0, client_epsilon=0.6, **flags)
    assert run["abstentions"] >= 3
    assert 0 < run["lost_rounds"] < 4


def test_each_client_keeps_the_shared_model_that_suits_it_best(tmp_path):
    flags = {"mode": "local-records", "num_clients": 3, "rounds": 2}
    run = simulate(tmp_path, client_held_out=0.2, **flags)
    assert not run["left_out"]
    kept = sorted(tmp_path.glob("client-*.kept/kept.weights.h5"))
    assert len(kept) == 3
