"""The audit in terms of mu, against mechanisms whose mu is known."""

import math

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_mechanism

from keras_dpgan.privacy import audit
from keras_dpgan.privacy import gaussian_audit

TRIALS = 2000


def right_guesses(mu, num_canaries, num_guesses, rng):
    """How many are right where each canary's score is its coin in Gaussian noise."""
    coins = rng.random((TRIALS, num_canaries)) < 0.5
    order = np.argsort(rng.normal(size=coins.shape) + mu * coins, axis=1)
    coins = np.take_along_axis(coins, order, axis=1)
    half = num_guesses // 2
    return (~coins[:, :half]).sum(axis=1) + coins[:, -half:].sum(axis=1)


def bounds(num_canaries, num_guesses, numbers, confidence):
    each = {
        v: gaussian_audit.mu_lower_bound(num_canaries, num_guesses, int(v), confidence)
        for v in set(numbers)
    }
    return np.array([each[v] for v in numbers])


# Few canaries and guesses: there the bound is nearest to what is true.
@pytest.mark.parametrize("numbers", [(2, 2), (10, 4), (100, 20), (300, 100)])
@pytest.mark.parametrize("mu", [0.3, 1.0, 2.5])
def test_a_gaussian_mechanism_is_refuted_as_rarely_as_the_confidence_says(numbers, mu):
    rng = np.random.default_rng(0)
    for confidence in (0.6, 0.95):
        found = bounds(*numbers, right_guesses(mu, *numbers, rng), confidence)
        allowed = 1 - confidence
        slack = 4 * math.sqrt(allowed * confidence / TRIALS)
        assert np.mean(found > mu) <= allowed + slack


def test_of_one_guess_the_bound_is_what_the_curve_says():
    """The errors of the best attack on one canary are known in closed form."""
    for mu in (0.5, 1.0, 3.0):
        right = 0.5 * (1 + math.erf(mu / 2 / math.sqrt(2)))
        bound = gaussian_audit.mu_lower_bound(1, 1, 1, 1 - right)
        assert bound == pytest.approx(mu, abs=1e-6)


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_it_shows_more_of_a_gaussian_mechanism_than_epsilon_does(mu):
    rng = np.random.default_rng(0)
    correct = int(np.median(right_guesses(mu, 2000, 200, rng)))
    found = gaussian_audit.mu_lower_bound(2000, 200, correct, 0.95)
    epsilon = gaussian_audit.epsilon_of(found, 1e-5)
    by_epsilon = audit.epsilon_lower_bound(2000, 200, correct, 1e-5, 0.95)
    assert by_epsilon < epsilon < gaussian_audit.epsilon_of(mu, 1e-5)
    assert 0.5 * mu < found < mu


def test_the_bound_grows_with_right_guesses_and_falls_with_confidence():
    found = bounds(400, 200, range(201), 0.99)
    assert np.all(np.diff(found) >= 0)
    assert found[100] == 0 < found[150] < found[200]
    assert bounds(400, 200, [180], 0.999)[0] < found[180]


@pytest.mark.parametrize("mu", [0.1, 1.0, 6.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 0.01])
def test_epsilon_of_a_gaussian_mechanism_is_that_of_dp_accounting(mu, delta):
    loss = privacy_loss_mechanism.GaussianPrivacyLoss(1 / mu)
    epsilon = gaussian_audit.epsilon_of(mu, delta)
    assert loss.get_delta_for_epsilon([epsilon])[0] == pytest.approx(delta, rel=1e-4)
    assert gaussian_audit.epsilon_of(0.0, delta) == 0.0


def test_an_audit_says_mu_beside_epsilon():
    included = np.arange(400) < 200
    result = audit.audit(included.astype(float), included, 1.5, 1e-6, confidence=0.95)
    assert result.mu_lower_bound == gaussian_audit.mu_lower_bound(400, 200, 200, 0.95)
    assert result.gaussian_epsilon_lower_bound > result.epsilon_lower_bound
    assert f"mu >= {result.mu_lower_bound:.3g}" in str(result)
