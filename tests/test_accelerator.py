"""`benchmarks/accelerator.sh` runs from beginning to end on a processor."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.exists(), reason="needs the source tree"),
]


def test_the_whole_run_at_a_small_size(tmp_path):
    done = subprocess.run(
        ["sh", str(FOLDER / "accelerator.sh"), "--size=small", f"--out={tmp_path}"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "accelerator.json").read_text())
    cells = report["one_record"]
    assert {cell["policy"] for cell in cells} == {
        "float32",
        "mixed_float16",
        "mixed_bfloat16",
    }
    measured = [cell for cell in cells if "moves" in cell]
    assert all(cell["holds"] for cell in measured)
    # Something moves the sum: the check would see it if it moved too far.
    assert all(cell["moves"]["alone"] > 0.5 for cell in measured)
    assert all(not r["failed"] for s in report["updates"].values() for r in s.values())
    assert 0 < report["quality"]["epsilon"] <= 10
    page = (tmp_path / "accelerator.md").read_text()
    assert page.count("| mixed_bfloat16 |") == page.count("| float32 |") > 4
