import json
import os
import pathlib
import subprocess
import sys

import helpers
import numpy as np
import pytest

from keras_dpgan import data
from keras_dpgan.cli import evaluate

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "keras_dpgan.evaluate", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    """An export, and a data set that it fits."""
    helpers.make_gan(3).export(tmp_path / "export")
    x, y = helpers.make_data(200)
    x_test, y_test = helpers.make_data(100, seed=1)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    np.savez(tmp_path / "narrow.npz", x_train=x[:, :3], x_test=x_test[:, :3])
    return tmp_path


def test_an_export_is_evaluated_from_the_command_line(folder):
    done = run(
        "export",
        "--dataset=d.npz",
        "--classifiers=logistic_regression",
        "--nocompare_with_real",
        "--num_samples=150",
        "--out=found",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy of logistic_regression trained on samples" in done.stdout
    assert "not covered by any privacy guarantee" in done.stdout
    scores = json.loads((folder / "found" / "report.json").read_text())
    assert scores["num_samples"] == 150
    assert "no privacy guarantee" in scores["statement"].lower()
    assert (folder / "found" / "report.html").is_file()


def test_an_export_of_another_shape_is_refused_without_a_traceback(folder):
    done = run("export", "--dataset=narrow.npz", cwd=folder)
    assert done.returncode == 1
    assert "must hold rows of one shape. Received: (6,) and (3,)" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_sets_are_loaded_by_name(folder):
    train, test = evaluate.load_dataset("digits", pixel_range=(0, 1))
    np.testing.assert_array_equal(train[0], data.load_digits((0, 1))[0][0])
    assert len(test[0]) == 360
    train, _ = evaluate.load_dataset(str(folder / "narrow.npz"))
    assert train[0].shape == (200, 3)
    assert train[1] is None


def test_a_file_without_the_arrays_is_refused(folder):
    np.savez(folder / "other.npz", x=np.ones((3, 2)))
    with pytest.raises(ValueError, match="must hold the arrays x_train, x_test"):
        evaluate.load_dataset(str(folder / "other.npz"))
