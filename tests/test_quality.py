"""The quality benchmark, on digits."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "benchmarks" / "quality.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.exists(), reason="needs the source tree"),
]


def run(folder, *arguments):
    command = [
        sys.executable,
        str(SCRIPT),
        "--dataset=digits",
        "--delta=1e-4",
        "--num_samples=300",
        f"--runs={folder / 'runs'}",
        f"--page={folder / 'page'}",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_run_is_measured_once_and_rows_add_up_to_a_page(tmp_path):
    first = run(tmp_path, "--recipe=best", "--epsilon=10")
    assert "..." in first
    published = ["--recipe=revisited", "--epsilon=10", "--updates=2"]
    second = run(tmp_path, "--recipe=best", *published, '--options={"batch_size": 32}')
    assert second.count("...") == 2
    third = run(tmp_path, "--recipe=best", "--epsilon=10")
    assert "..." not in third
    results = json.loads((tmp_path / "page" / "results.json").read_text())
    assert len(results) == 3
    for result in results.values():
        assert 0 < result["privacy"]["epsilon"] <= 10
        assert 0 <= result["accuracy"] <= 1
    page = (tmp_path / "page" / "README.md").read_text()
    assert page.count("| digits | test |") == 3
    pictures = {path.name for path in (tmp_path / "page").glob("*.png")}
    assert len(pictures) == 4
    assert "curves.png" in pictures
