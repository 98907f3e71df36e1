"""Each example as a user launches it, for a step or two."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

from keras_dpgan import export
from keras_dpgan import privacy

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def run(example, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / example / "train.py"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    # Our own lines alone, and no bar that moves where there is no terminal.
    assert result.stderr == ""
    assert not set("\r\b\x1b") & set(result.stdout)
    return result.stdout


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def tiny_fashion_mnist(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("train", 64), ("t10k", 16)):
        images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = rng.integers(0, 10, n).astype(np.uint8)
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels)
    return tmp_path


def check_written(output_dir):
    assert (output_dir / "samples" / "epoch-0001.png").exists()
    assert (output_dir / "samples" / "training.gif").exists()
    assert (output_dir / "curve.png").exists()
    assert (output_dir / "generator" / "saved_model.pb").exists()
    return json.loads((output_dir / "run.json").read_text())


@pytest.mark.parametrize("example", ["digits", "fashion_mnist"])
def test_help_names_the_flags(example):
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / example / "train.py"), "--help"],
        capture_output=True,
        text=True,
    )
    for flag in ("--epsilon", "--loss", "--[no]dpsgd", "--seed", "--output_dir"):
        assert flag in result.stdout


@pytest.mark.slow
def test_digits_compares_real_private_and_plain(tmp_path):
    output = run(
        "digits",
        "--recipe=gan",
        "--updates=2",
        "--epochs=1",
        f"--output_dir={tmp_path}",
    )
    private = check_written(tmp_path)
    assert private["updates"] == 2
    assert 0 < private["privacy"]["epsilon"] <= 10
    plain = check_written(tmp_path / "not_private")
    assert not plain["privacy"]["has_guarantee"]
    assert "of real" in output


@pytest.mark.slow
def test_private_digits_are_nearly_as_useful_as_real_ones(tmp_path):
    run("digits", "--updates=2", "--epochs=1", f"--output_dir={tmp_path}")
    accuracies = json.loads((tmp_path / "accuracies.json").read_text())
    shares = {
        name: value / accuracies["real digits"] for name, value in accuracies.items()
    }
    assert shares["digits generated privately"] >= 0.95
    assert (tmp_path / "samples.png").exists()


@pytest.mark.slow
def test_fashion_mnist_trains_with_a_penalty(tiny_fashion_mnist, tmp_path):
    output_dir = tmp_path / "out"
    run(
        "fashion_mnist",
        f"--data_dir={tiny_fashion_mnist}",
        f"--output_dir={output_dir}",
        "--recipe=gan",
        "--updates=2",
        "--epochs=1",
        "--batch_size=8",
        "--loss=wasserstein",
        "--gradient_penalty=10",
        "--noise_multiplier=2",
    )
    settings = check_written(output_dir)["settings"]
    assert settings["gradient_penalty"] == 10


def test_fashion_mnist_makes_the_best_recipe_unless_told_otherwise(
    tiny_fashion_mnist, tmp_path
):
    output_dir = tmp_path / "out"
    run(
        "fashion_mnist",
        f"--data_dir={tiny_fashion_mnist}",
        f"--output_dir={output_dir}",
        "--epsilon=5",
    )
    assert (output_dir / "samples.png").exists()
    assert (output_dir / "generator" / "saved_model.pb").exists()
    written = json.loads((output_dir / "run.json").read_text())
    assert 4.9 < written["privacy"]["epsilon"] <= 5


@pytest.mark.slow
def test_two_workers_train_and_the_chief_exports(tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            str(EXAMPLES / "multi_worker" / "launch.py"),
            "--workers=2",
            f"--output_dir={tmp_path}",
            "--epochs=2",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("Differentially private with epsilon = ") == 1
    card = export.read_card(tmp_path / "generator")
    ledger = privacy.Ledger.read(tmp_path / "digits.ledger")
    assert ledger.total_updates == 22
    assert card["guarantee"]["epsilon"] == pytest.approx(ledger.epsilon(1e-4), rel=1e-6)
    assert np.isfinite(export.load(tmp_path / "generator").sample(3)[0]).all()


def test_adult_writes_rows_generator_and_scores(tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    sizes = {
        **{"age": 74, "workclass": 9, "fnlwgt": 9, "education-num": 16},
        **{"marital-status": 7, "occupation": 15, "relationship": 6, "race": 5},
        **{"sex": 2, "capital-gain": 123, "capital-loss": 99, "hours-per-week": 99},
        **{"native-country": 42, "income>50K": 2},
    }
    rows = {name: rng.integers(0, size, 200) for name, size in sizes.items()}
    pd.DataFrame(rows).to_csv(tmp_path / "adult.csv", index=False)
    output = run(
        "adult",
        f"--csv={tmp_path / 'adult.csv'}",
        f"--output_dir={tmp_path / 'out'}",
        "--components=5",
    )
    assert "AUC of boosting trained on synthetic rows" in output
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert 0 <= scores["total_variation_2"]["synthetic"] <= 1
    made = export.load(tmp_path / "out" / "generator")
    assert len(made.sample(7)) == 7
    assert privacy.Ledger.read(tmp_path / "out" / "adult.ledger").runs
