"""Local privacy of whole clients: what leaves, and what it costs."""

import numpy as np
import pytest

pytest.importorskip("cryptography")

from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.laplace_update import LaplaceUpdate
from keras_dpgan.federated.laplace_update import discrete_laplace
from keras_dpgan.federated.round_budget import RoundBudget
from keras_dpgan.federated.rounds import max_rounds
from keras_dpgan.federated.rounds import rounds_epsilon

DELTA = 1e-5
SHAPES = ((30, 40), (40,))


def update(scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=s).astype(np.float32) for s in SHAPES]


def noise_alone(mechanism):
    parts = mechanism.privatize([np.zeros(s, np.float32) for s in SHAPES])
    return np.concatenate([np.ravel(p) for p in parts])


def test_gaussian_rounds_cost_what_twice_the_clip_costs():
    epsilon = rounds_epsilon(GaussianUpdate(1.0, 6.0), 100, DELTA)
    # The exact figure of a Gaussian with mean 2 * sqrt(100) / 6; with the clip
    # alone as sensitivity it would be 8.0.
    assert epsilon == pytest.approx(19.1, abs=0.05)


def test_one_laplace_round_costs_twice_the_clip_over_the_scale():
    epsilon = rounds_epsilon(LaplaceUpdate(1.0, 4.0), 1, 1e-9)
    assert epsilon == pytest.approx(2 / 4, abs=1e-3)


def test_many_laplace_rounds_cost_less_than_their_sum():
    assert rounds_epsilon(LaplaceUpdate(1.0, 20.0), 100, DELTA) < 0.6 * 100 * 2 / 20


def test_no_rounds_cost_nothing():
    assert rounds_epsilon(GaussianUpdate(1.0, 6.0), 0, DELTA) == 0.0


# 1,240 draws: the sample's scale is within 10% with probability 1 - 1e-6, and 2/3
# and 3/2 of the true one are far outside.
def test_gaussian_noise_has_the_scale_that_is_charged():
    scale = noise_alone(GaussianUpdate(2.0, 3.0)).std()
    assert scale == pytest.approx(6.0, rel=0.12)


def test_laplace_noise_has_the_scale_that_is_charged():
    noise = noise_alone(LaplaceUpdate(2.0, 3.0))
    assert np.abs(noise).mean() == pytest.approx(6.0, rel=0.16)


def test_discrete_laplace_numbers_have_their_probabilities():
    drawn = discrete_laplace(200_000, 2.0)
    ratio = np.exp(-0.5)
    for k in range(5):
        expected = (1 - ratio) / (1 + ratio) * ratio**k
        for sign in (1, -1):
            assert np.mean(drawn == sign * k) == pytest.approx(expected, abs=0.006)


def tiny_noise(mechanism, arrays):
    """What is clipped, with noise that cannot be seen."""
    parts = mechanism.privatize(arrays)
    return np.concatenate([np.ravel(p).astype(np.float64) for p in parts])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30])
def test_updates_are_clipped_in_their_norm(scale):
    gaussian = tiny_noise(GaussianUpdate(0.5, 1e-9), update(scale))
    laplace = tiny_noise(LaplaceUpdate(0.5, 1e-9), update(scale))
    assert np.linalg.norm(gaussian, 2) <= 0.5 * 1.011
    assert np.linalg.norm(laplace, 1) <= 0.5 * 1.011
    if scale >= 1:
        assert np.linalg.norm(gaussian, 2) > 0.48


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("mechanism", [GaussianUpdate, LaplaceUpdate])
def test_a_client_zeroes_its_own_update_that_is_not_finite(mechanism, bad):
    arrays = update()
    arrays[0][3, 4] = bad
    assert not np.any(np.round(tiny_noise(mechanism(0.5, 1e-9), arrays), 6))


def test_two_draws_differ():
    mechanism = GaussianUpdate(1.0, 1.0)
    assert not np.array_equal(noise_alone(mechanism), noise_alone(mechanism))


def test_max_rounds_is_the_last_within_the_budget():
    mechanism = GaussianUpdate(1.0, 6.0)
    rounds = max_rounds(mechanism, 8.0, DELTA)
    assert rounds_epsilon(mechanism, rounds, DELTA) <= 8.0
    assert rounds_epsilon(mechanism, rounds + 1, DELTA) > 8.0


def test_a_client_whose_limit_is_reached_stops_answering(tmp_path):
    mechanism = GaussianUpdate(1.0, 6.0)
    path = tmp_path / "rounds"
    limit = rounds_epsilon(mechanism, 3, DELTA)
    # A new object each time: as after a kill.
    answers = [RoundBudget(path, mechanism, limit, DELTA).pay() for _ in range(5)]
    assert answers == [True, True, True, False, False]


def test_rounds_of_another_mechanism_are_refused(tmp_path):
    RoundBudget(tmp_path / "rounds", GaussianUpdate(1.0, 6.0), 8.0, DELTA).pay()
    other = RoundBudget(tmp_path / "rounds", GaussianUpdate(1.0, 60.0), 8.0, DELTA)
    with pytest.raises(ValueError, match="another mechanism"):
        other.pay()
