"""Sums in which every client has a share of the noise."""

import numpy as np
import pytest

pytest.importorskip("cryptography")
pytest.importorskip("mpmath")

from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.discrete_gaussian import discrete_gaussian
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.federated.shared_noise import SharedNoise

DELTA = 1e-5
SIZE = 2000
COHORT = Cohort(10, max_dropouts=3, max_colluders=1)


def shared_noise(cohort=COHORT, noise_multiplier=1.0, **options):
    return SharedNoise(cohort, 0.5, noise_multiplier, SIZE, **options)


def updates(number, scale=0.02):
    rng = np.random.default_rng(0)
    return [[scale * rng.normal(size=(SIZE // 10, 10))] for _ in range(number)]


def total_of(mechanism, parts):
    return sum(mechanism.privatize(arrays) for arrays in parts) % mechanism.modulus


def noise_of(mechanism, number):
    zeros = [np.zeros((SIZE // 10, 10))]
    opened = mechanism.open(total_of(mechanism, [zeros] * number), zeros)
    return np.std(opened[0])


@pytest.mark.parametrize("sigma", [0.6, 3.0])
def test_integers_have_the_probabilities_of_the_discrete_gaussian(sigma):
    drawn = discrete_gaussian(400_000, sigma)
    weights = {k: np.exp(-(k**2) / (2 * sigma**2)) for k in range(-60, 61)}
    for k in range(-4, 5):
        expected = weights[k] / sum(weights.values())
        assert np.mean(drawn == k) == pytest.approx(expected, abs=0.004)


def test_integers_of_two_draws_differ():
    assert np.any(discrete_gaussian(100, 50.0) != discrete_gaussian(100, 50.0))


# 2,000 draws: within 10% with probability 1 - 1e-9.
def test_the_shares_of_the_honest_alone_have_the_noise_that_is_charged():
    mechanism = shared_noise()
    whole = mechanism.noise_multiplier * 0.5
    # Three dropped out of ten, and one of the others has told its noise.
    assert COHORT.num_honest == 6
    noise = noise_of(mechanism, COHORT.num_honest)
    assert noise == pytest.approx(whole, rel=0.1)


def test_equal_shares_of_all_clients_would_cost_more_than_is_charged():
    charged = rounds_epsilon(shared_noise(), 100, DELTA)
    everyone = shared_noise(Cohort(10))
    weaker = everyone.noise_multiplier * np.sqrt(6 / 10)
    true_cost = rounds_epsilon(shared_noise(noise_multiplier=weaker), 100, DELTA)
    assert charged == pytest.approx(rounds_epsilon(everyone, 100, DELTA), rel=1e-6)
    assert true_cost > 1.2 * charged


def test_the_cost_is_that_of_a_gaussian_with_the_clip_as_sensitivity():
    epsilon = rounds_epsilon(shared_noise(noise_multiplier=10.0), 100, DELTA)
    # The exact figure for mean sqrt(100) / 10 is 4.38; Renyi adds a little.
    assert 4.38 <= epsilon < 4.38 * 1.12


def test_shares_too_small_to_look_gaussian_are_charged_for_it():
    coarse = shared_noise(noise_multiplier=0.03, growth=1.0)
    assert coarse.share_stddev < 1
    ratio = coarse.sensitivity**2 / (6 * coarse.share_stddev**2)
    assert coarse.renyi_divergence(np.array([2.0]))[0] > ratio + 1e-3


def test_a_sum_without_noise_is_the_sum_of_the_clipped_updates():
    mechanism = shared_noise(noise_multiplier=1e-3)
    parts = updates(10)
    opened = mechanism.open(total_of(mechanism, parts), parts[0])
    expected = sum(arrays[0] for arrays in parts)
    assert np.linalg.norm(parts[0][0]) > mechanism.l2_norm_clip
    clipped = sum(a[0] * 0.5 / np.linalg.norm(a[0]) for a in parts)
    assert np.max(np.abs(opened[0] - clipped)) < 40 * mechanism.step
    assert np.max(np.abs(opened[0] - expected)) > 200 * mechanism.step


def test_no_rounded_update_is_longer_than_the_sensitivity():
    mechanism = shared_noise()
    for scale in (1e-4, 1.0, 1e200):
        integers = mechanism.integers(updates(1, scale)[0])
        assert np.linalg.norm(integers.astype(float)) <= mechanism.sensitivity
    assert mechanism.sensitivity * mechanism.step <= 1.011 * mechanism.l2_norm_clip


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_client_zeroes_its_own_update_that_is_not_finite(bad):
    (arrays,) = updates(1)
    arrays[0][5, 5] = bad
    assert not shared_noise().integers(arrays).any()


def test_shares_below_half_a_step_are_refused():
    with pytest.raises(ValueError, match="half a step"):
        shared_noise(noise_multiplier=1e-5)


def test_a_modulus_too_small_for_the_sum_is_refused():
    with pytest.raises(ValueError, match="wraps around"):
        shared_noise(modulus=2**12)


@pytest.mark.parametrize("numbers", [(4, 2, 0), (5, 2, 1), (3, 0, 2)])
def test_cohorts_that_could_open_a_round_twice_are_refused(numbers):
    with pytest.raises(ValueError, match="num_clients|honest"):
        Cohort(*numbers)
