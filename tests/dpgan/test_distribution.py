"""Two replicas: one mechanism, one noise, one count."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).with_name("two_replicas.py")
TESTS = str(SCRIPT.parent.parent)


def run(replicas, mode):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(replicas), mode],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_two_replicas_train_with_penalty_and_generator_steps():
    result = run(2, "train")
    assert result["finite"]
    assert result["replicas_agree"]
    assert result["updates"] == 20
    assert result["generator_steps"] == 6


@pytest.fixture(scope="module")
def without_noise():
    return run(1, "zero_noise"), run(2, "zero_noise")


def test_without_noise_two_replicas_equal_one(without_noise):
    one, two = without_noise
    np.testing.assert_allclose(one["moved"], two["moved"], rtol=1e-3, atol=1e-6)


def test_the_history_of_two_replicas_is_that_of_one(without_noise):
    one, two = without_noise
    assert one["epsilon"] == two["epsilon"]


def test_noise_enters_once():
    result = run(2, "noise")
    # Per update: learning rate 1e-2, clip 1, divided by the expected batch size.
    noise = np.array(result["moved"]) / (
        1e-2 / result["expected_batch_size"] * np.sqrt(result["updates"])
    )
    assert abs(np.mean(noise**2) - 1) < 4.9 * np.sqrt(2 / len(noise))
