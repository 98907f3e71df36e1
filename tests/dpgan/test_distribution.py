"""Several replicas, in one process or in several: one mechanism, noise, count."""

import functools
import json
import pathlib

import cluster
import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).with_name("replicas.py")
SLOW = pytest.mark.slow

# Workers, and replicas in each.
TWO = (1, 2)
TWO_WORKERS = (2, 1)
SETTINGS = (
    TWO,
    pytest.param(TWO_WORKERS, marks=SLOW),
    pytest.param((1, 4), marks=SLOW),
    pytest.param((3, 1), marks=SLOW),
)


@functools.cache
def run(setting, noise_multiplier):
    """What came out of each way to train, by its name."""
    workers, replicas = setting
    modes = ["noise"]
    if noise_multiplier == 1:
        modes += ["train", "zero_noise", "adaptive"]
    outputs = cluster.run(SCRIPT, [replicas, noise_multiplier, *modes], workers)
    assert len({json.dumps(output) for output in outputs}) == 1
    for result in outputs[0]:
        assert result["replicas"] == workers * replicas
        assert result["replicas_agree"]
    return dict(zip(modes, outputs[0], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_replicas_train_with_penalty_and_generator_steps(setting):
    result = run(setting, 1)["train"]
    assert result["finite"]
    assert result["updates"] == 20
    assert result["generator_steps"] == 6


@pytest.mark.parametrize("setting", SETTINGS)
def test_an_adaptive_schedule_is_one_for_all_replicas(setting):
    # After 2, 4, 7, 10, 13, 16 and 19 of 20 updates.
    assert run(setting, 1)["adaptive"]["generator_steps"] == 7


@pytest.mark.parametrize("setting", SETTINGS)
def test_without_noise_replicas_equal_one(setting):
    one, several = run((1, 1), 1)["zero_noise"], run(setting, 1)["zero_noise"]
    np.testing.assert_allclose(
        np.sum(one["moved_by_update"], axis=0),
        np.sum(several["moved_by_update"], axis=0),
        rtol=1e-3,
        atol=1e-6,
    )
    for name in ("history", "epsilon", "expected_batch_size"):
        assert several[name] == one[name]


@pytest.mark.parametrize(
    ("setting", "noise_multiplier", "accepted"),
    [
        (TWO, 1, True),
        pytest.param(TWO, 2 / 3, False, marks=SLOW),
        pytest.param(TWO, 3 / 2, False, marks=SLOW),
        pytest.param((1, 4), 1, True, marks=SLOW),
        (TWO_WORKERS, 1, True),
        pytest.param(TWO_WORKERS, 2 / 3, False, marks=SLOW),
        pytest.param(TWO_WORKERS, 3 / 2, False, marks=SLOW),
        pytest.param((3, 1), 1, True, marks=SLOW),
    ],
)
def test_noise_enters_once_at_the_claimed_scale(setting, noise_multiplier, accepted):
    result = run(setting, noise_multiplier)["noise"]
    # Per update: learning rate 1e-2, clip 1, divided by the expected batch size.
    noise = np.ravel(result["moved_by_update"])
    noise *= result["expected_batch_size"] / 1e-2
    tolerance = 4.9 * np.sqrt(2 / len(noise))
    assert tolerance < 0.2
    assert (abs(np.mean(noise**2) - 1) < tolerance) == accepted
