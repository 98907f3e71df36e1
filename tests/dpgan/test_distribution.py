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


def run(*arguments):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


SLOW = pytest.mark.slow


@pytest.mark.parametrize("replicas", [2, pytest.param(4, marks=SLOW)])
def test_replicas_train_with_penalty_and_generator_steps(replicas):
    result = run(replicas, "train")
    assert result["finite"]
    assert result["replicas_agree"]
    assert result["updates"] == 20
    assert result["generator_steps"] == 6


@SLOW
def test_an_adaptive_schedule_is_one_for_all_replicas():
    result = run(2, "adaptive")
    assert result["replicas_agree"]
    # After 2, 4, 7, 10, 13, 16 and 19 of 20 updates.
    assert result["generator_steps"] == 7


@pytest.fixture(scope="module")
def of_one():
    return run(1, "zero_noise")


@pytest.mark.parametrize("replicas", [2, pytest.param(4, marks=SLOW)])
def test_without_noise_replicas_equal_one(of_one, replicas):
    several = run(replicas, "zero_noise")
    np.testing.assert_allclose(
        np.sum(of_one["moved_by_update"], axis=0),
        np.sum(several["moved_by_update"], axis=0),
        rtol=1e-3,
        atol=1e-6,
    )
    assert of_one["epsilon"] == several["epsilon"]


@pytest.mark.parametrize(
    ("replicas", "noise_multiplier", "accepted"),
    [
        (2, 1, True),
        pytest.param(2, 2 / 3, False, marks=SLOW),
        pytest.param(2, 3 / 2, False, marks=SLOW),
        pytest.param(4, 1, True, marks=SLOW),
    ],
)
def test_noise_enters_once_at_the_claimed_scale(replicas, noise_multiplier, accepted):
    result = run(replicas, "noise", noise_multiplier)
    # Per update: learning rate 1e-2, clip 1, divided by the expected batch size.
    noise = np.ravel(result["moved_by_update"])
    noise *= result["expected_batch_size"] / 1e-2
    tolerance = 4.9 * np.sqrt(2 / len(noise))
    assert tolerance < 0.2
    assert (abs(np.mean(noise**2) - 1) < tolerance) == accepted
