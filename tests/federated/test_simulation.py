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


def test_two_rounds_of_record_level_training(tmp_path):
    run = simulate(tmp_path, mode="record-level", num_clients=3, rounds=2)
    assert run["updates"] == 2
    assert 0 < run["epsilon"] < 10
    assert not run["left_out"]
