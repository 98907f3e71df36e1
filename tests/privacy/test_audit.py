import math

import numpy as np
import pytest

from examples.audit import audit_lib
from keras_dpgan.privacy import audit

SETTINGS = audit_lib.Settings(num_canaries=400)


def test_guesses_are_the_highest_and_lowest_scores():
    included = np.array([False, False, True, True])
    result = audit.audit([0.1, 0.2, 0.3, 0.4], included, 1.0, 1e-6, 4)
    assert (result.num_guesses, result.num_correct) == (4, 4)
    assert audit.audit([4, 3, 2, 1], included, 1.0, 1e-6, 4).num_correct == 0
    assert audit.audit([9, 1, 2, 0], included, 1.0, 1e-6, 2).num_correct == 0


def test_scores_that_say_nothing_are_guessed_by_chance():
    included = np.arange(4000) < 2000
    right = audit.audit(np.zeros(4000), included, 1.0, 1e-6, 4000).num_correct
    assert abs(right - 2000) < 5 * math.sqrt(1000)


def test_coins_are_fair_and_fresh():
    coins = audit.flip_coins(10_001)
    assert coins.shape == (10_001,)
    assert abs(coins.mean() - 0.5) < 5 * 0.5 / 100
    assert not np.array_equal(coins, audit.flip_coins(10_001))


def test_it_prints_the_bound_beside_the_claim_and_what_could_have_been_shown():
    included = np.arange(400) < 200
    result = audit.audit(included.astype(float), included, 1.5, 1e-6)
    text = str(result)
    assert "epsilon = 1.5" in text
    assert "REFUTED" in text
    assert f"{result.epsilon_lower_bound:.3g}" in text
    assert f"epsilon >= {result.largest_bound:.3g} at most" in text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"scores": [[1.0]]}, "scores"),
        ({"scores": [1.0, math.nan, 1.0, 1.0]}, "scores"),
        ({"included": [1, 0, 1, 0]}, "included"),
        ({"num_guesses": 6}, "num_guesses"),
        ({"num_guesses": 0}, "num_guesses"),
        ({"delta": 0.0}, "delta"),
        ({"confidence": 1.0}, "confidence"),
    ],
)
def test_bad_arguments_name_themselves(changes, name):
    arguments = {
        "scores": [1.0, 2.0, 3.0, 4.0],
        "included": np.array([True, False, True, False]),
        "claimed_epsilon": 1.0,
        "delta": 1e-6,
    }
    with pytest.raises(ValueError, match=name):
        audit.audit(**arguments | changes)


def test_the_honest_implementation_is_not_accused():
    result = audit_lib.run(SETTINGS)
    assert 1 < result.claimed_epsilon < 2.5
    assert not result.refutes_claim


@pytest.mark.slow
@pytest.mark.parametrize("noise_source", ["default", "secure"])
def test_the_honest_implementation_is_not_accused_over_twenty_runs(noise_source):
    if noise_source == "secure":
        pytest.importorskip("cryptography")
    settings = audit_lib.Settings(num_canaries=1000, noise_source=noise_source)
    results = [audit_lib.run(settings) for _ in range(20)]
    assert not any(result.refutes_claim for result in results)
    # They saw something, or they could not have accused anyone.
    assert np.mean([r.num_correct / r.num_guesses for r in results]) > 0.55
