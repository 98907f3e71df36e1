import math

import pytest
from histories import DELTA
from histories import Q
from histories import epsilon_of
from histories import not_poisson
from histories import poisson

from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import epsilon
from keras_dpgan.privacy import group_epsilon

# Recorded from dp_accounting 0.6.0, which has the mixture of Gaussians:
# PLD.from_mixture_gaussian_mechanism(z, range(k + 1), binom.pmf(range(k + 1), k, q))
# .self_compose(count).get_epsilon_for_delta(1e-5)
MIXTURES = [
    (1.0, Q, 50_000, 2, 5.777598860387886),
    (1.0, Q, 50_000, 3, 9.39174390989),
    (0.6, 64 / 60000, 100_000, 2, 14.665100452545712),
    (2.0, 0.05, 2000, 3, 21.426768703405905),
    (2.0, 0.05, 2000, 5, 43.325888555535116),
]


@pytest.mark.parametrize(("noise", "q", "count", "size", "recorded"), MIXTURES)
def test_a_group_costs_what_a_mixture_of_gaussians_costs(
    noise, q, count, size, recorded
):
    history = PrivacyHistory([poisson(noise, q, count)])
    tight = group_epsilon(history, DELTA, size)
    assert tight == pytest.approx(recorded, rel=1e-6)
    assert tight <= group_epsilon(history, DELTA, size, "rdp")


def test_a_group_that_is_in_every_update_is_one_gaussian():
    history = PrivacyHistory([not_poisson(10.0, 12)])
    for accountant in ("pld", "rdp"):
        of_three = group_epsilon(history, DELTA, 3, accountant)
        shifted = epsilon_of(not_poisson(10.0 / 3, 12), accountant=accountant)
        assert of_three == pytest.approx(shifted)


def test_the_conversion_for_groups_meets_its_own_delta():
    history = PrivacyHistory([poisson(1.0, Q, 50_000)])
    of_three = group_epsilon(history, DELTA, 3, "rdp")
    single = of_three / 3
    # The delta for one row at which that epsilon holds, by bisection.
    low, high = 1e-12, DELTA
    for _ in range(60):
        middle = math.sqrt(low * high)
        holds = epsilon(history, middle, "rdp") <= single
        low, high = (low, middle) if holds else (middle, high)
    grown = high * math.expm1(3 * single) / math.expm1(single)
    assert grown == pytest.approx(DELTA, rel=1e-3)


def test_a_group_of_one_is_a_row_and_larger_groups_cost_more():
    history = PrivacyHistory([poisson(1.0, 0.01, 500)])
    costs = [group_epsilon(history, DELTA, size) for size in (1, 2, 4)]
    assert costs[0] == epsilon(history, DELTA)
    assert 2 * costs[0] < costs[1] and 2 * costs[1] < costs[2]
    with pytest.raises(ValueError, match="group_size"):
        group_epsilon(history, DELTA, 0)
