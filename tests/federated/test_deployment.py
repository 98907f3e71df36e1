"""The Flower app over real processes, with TLS and authentication."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("flwr")

APP = pathlib.Path(__file__).parents[2] / "examples" / "federated"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not APP.exists(), reason="needs the source tree"),
    pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid"),
]


def test_three_supernodes_train_over_tls(tmp_path):
    folder = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(APP.parents[1]),
        "BASE_PORT": "23450",
        "MAX_SECONDS": "240",
    }
    result = subprocess.run(
        [APP / "deploy.sh", tmp_path, "record-level", "rounds=2"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["rounds"] == 2
    assert not run["left_out"]
    # Nothing is left running.
    left = subprocess.run(
        ["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert not left.stdout
