"""What an attacker can tell at most: against closed forms and real attacks."""

import math

import numpy as np
import pytest
from histories import not_poisson
from histories import poisson
from scipy import special

from keras_dpgan import privacy

RATES = np.array([0.001, 0.01, 0.1, 0.3, 0.5, 0.9])


def curve_of(*entries, **options):
    return privacy.trade_off(privacy.PrivacyHistory(entries), **options)


def as_gdp(mu, rates):
    return special.ndtr(special.ndtri(rates) + mu)


@pytest.mark.parametrize(("noise", "count"), [(1.0, 1), (4.0, 9), (0.5, 1)])
def test_gaussian_updates_are_gdp_of_one_over_the_noise(noise, count):
    curve = curve_of(not_poisson(noise, count))
    mu = math.sqrt(count) / noise
    assert curve.gdp_mu(1e-5) == pytest.approx(mu)
    assert curve.advantage == pytest.approx(2 * special.ndtr(mu / 2) - 1)
    np.testing.assert_allclose(curve.true_positive_rate(RATES), as_gdp(mu, RATES))


def test_the_general_way_gives_the_closed_form_of_a_gaussian():
    # Sampling with a probability near one is no sampling, and goes through PLD.
    curve = curve_of(poisson(2.0, 1 - 1e-9, 4))
    exact = as_gdp(1.0, RATES)
    found = curve.true_positive_rate(RATES)
    assert np.all(found >= exact - 1e-12)
    np.testing.assert_allclose(found, exact, atol=2e-4, rtol=2e-3)
    assert 1.0 <= curve.gdp_mu(1e-5) <= 1.01
    assert 0 <= curve.advantage - (2 * special.ndtr(0.5) - 1) < 1e-4


@pytest.mark.parametrize(("noise", "q"), [(1.0, 0.1), (0.5, 0.02), (2.0, 0.5)])
def test_one_sampled_update_against_the_best_attack(noise, q):
    x = np.linspace(-8, 12, 4001)
    out, within = special.ndtr(-x), special.ndtr(1 / noise - x)
    recognized = (1 - q) * out + q * within
    bound = curve_of(poisson(noise, q, 1)).true_positive_rate(out)
    assert np.all(bound >= recognized - 1e-9)
    # One update favors one of the two directions; the bound holds for both.
    assert np.max(bound - recognized) < 2e-2
    # The other way round: taken for outsiders.
    bound = curve_of(poisson(noise, q, 1)).true_positive_rate(1 - recognized)
    assert np.all(bound >= 1 - out - 1e-9)


@pytest.mark.parametrize(("noise", "q", "count"), [(1.0, 0.3, 20), (0.8, 0.05, 100)])
def test_a_composition_against_the_best_attack_run_many_times(noise, q, count):
    rng = np.random.default_rng(0)
    trials = 40_000

    def loss(member):
        total = np.zeros(trials)
        for _ in range(count):
            drawn = rng.random(trials) < q if member else 0
            x = rng.standard_normal(trials) + drawn / noise
            total += np.logaddexp(
                np.log1p(-q), np.log(q) + x / noise - 1 / (2 * noise**2)
            )
        return total

    outsiders, members = loss(False), loss(True)
    curve = curve_of(poisson(noise, q, count))
    for rate in (0.01, 0.1, 0.3):
        attained = np.mean(members > np.quantile(outsiders, 1 - rate))
        bound = curve.true_positive_rate(rate)
        # Five standard deviations of both counts.
        slack = 5 * math.sqrt(2 * bound * (1 - bound) / trials + bound * 10 / trials)
        assert attained <= bound + slack
        assert attained >= bound - slack - 0.1 * bound


def test_the_curve_is_convex_and_symmetric_and_grows_with_updates():
    rates = np.linspace(0, 1, 2001)
    before = rates
    for count in (1, 300):
        curve = curve_of(poisson(1.0, 0.02, count))
        missed = 1 - curve.true_positive_rate(rates)
        assert np.all(np.diff(missed) <= 1e-12)
        assert np.all(np.diff(missed, 2) >= -1e-9)
        # Mirrored it is itself.
        inside = (missed > 0) & (missed < 1)
        mirrored = 1 - curve.true_positive_rate(missed[inside])
        np.testing.assert_allclose(mirrored, rates[inside], atol=2e-3)
        assert np.all(1 - missed >= before - 1e-9)
        before = 1 - missed


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_what_epsilon_and_delta_allow_is_never_below_it(accountant):
    history = privacy.PrivacyHistory([poisson(1.0, 0.02, 500)])
    curve = privacy.trade_off(history, accountant)
    for delta in (1e-9, 1e-5, 1e-2):
        epsilon = privacy.epsilon(history, delta, accountant)
        allowed = np.minimum(1, delta + math.exp(epsilon) * RATES)
        assert np.all(curve.true_positive_rate(RATES) <= allowed * (1 + 5e-3))


def test_mu_covers_the_curve_down_to_the_rate_that_it_is_asked_for():
    curve = curve_of(poisson(1.0, 0.02, 500))
    for smallest in (1e-6, 1e-3):
        mu = curve.gdp_mu(smallest)
        rates = np.geomspace(smallest, 0.5, 777)
        assert np.all(as_gdp(mu, rates) >= curve.true_positive_rate(rates))
        low = as_gdp(mu - 0.01, rates)
        assert np.any(low < curve.true_positive_rate(rates))


def test_renyi_bounds_are_above_those_of_loss_distributions():
    entry = poisson(1.0, 0.02, 500)
    tight, loose = curve_of(entry), curve_of(entry, accountant="rdp")
    assert np.all(loose.true_positive_rate(RATES) >= tight.true_positive_rate(RATES))
    assert tight.advantage <= loose.advantage <= 1
    assert tight.gdp_mu(1e-5) <= loose.gdp_mu(1e-5)


def test_a_history_of_renyi_bounds_alone_has_a_curve():
    entry = privacy.HistoryEntry(
        mechanism="discrete_gaussian",
        noise_multiplier=2.0,
        excess_divergence=1e-9,
        unit="client",
        count=4,
    )
    found = curve_of(entry).true_positive_rate(RATES)
    assert np.all(found >= as_gdp(1.0, RATES))
    assert found[0] < 0.1


def test_laplace_noise_against_its_closed_form():
    entry = privacy.HistoryEntry(
        mechanism="laplace", noise_multiplier=1.0, unit="client", count=1
    )
    # Laplace noise of scale one on what moves by one; rates below e^-1 / 2.
    rates = np.array([0.001, 0.01, 0.1])
    found = curve_of(entry).true_positive_rate(rates)
    np.testing.assert_allclose(found, math.e * rates, rtol=1e-3)
    assert np.all(found >= math.e * rates - 1e-12)


def test_a_person_with_several_rows_is_recognized_more_often():
    entry = poisson(2.0, 0.02, 50)
    one, two = curve_of(entry), curve_of(entry, group_size=2)
    assert np.all(two.true_positive_rate(RATES) > one.true_positive_rate(RATES))
    gaussian = curve_of(not_poisson(2.0, 1), group_size=3)
    assert gaussian.gdp_mu(1e-5) == pytest.approx(1.5)


def test_without_noise_everything_can_be_told_and_without_updates_nothing():
    noiseless = curve_of(not_poisson(0.0, 1))
    assert noiseless.true_positive_rate(0.0) == 1
    assert noiseless.advantage == 1
    assert noiseless.gdp_mu(1e-5) == math.inf
    nothing = curve_of()
    np.testing.assert_allclose(nothing.true_positive_rate(RATES), RATES)
    assert (nothing.advantage, nothing.gdp_mu(1e-5)) == (0, 0)


def test_a_long_run_of_large_epsilon_has_a_curve():
    curve = curve_of(poisson(0.3, 0.5, 10_000))
    assert curve.true_positive_rate(0.001) == pytest.approx(1)


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="`false_positive_rate` must be"):
        curve_of(not_poisson(1.0, 1)).true_positive_rate(rate)


@pytest.mark.parametrize("rate", [0, 0.5, -1, 2])
def test_a_smallest_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="`smallest_rate` must be"):
        curve_of(poisson(1.0, 0.02, 10)).gdp_mu(rate)
