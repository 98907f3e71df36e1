import math
import time

import dp_accounting
import numpy as np
import pytest
from histories import DELTA
from histories import Q
from histories import epsilon_of
from histories import not_poisson
from histories import poisson
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_dpgan.privacy import EpsilonCurve
from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import to_event


def bound(curve, count):
    """The formula of the training graph."""
    if curve.max_count is not None:
        count = min(count, curve.max_count)
    return max(0.0, np.min(curve.base + count * curve.per_update + curve.offset))


@settings(deadline=None, max_examples=25)
@given(
    st.floats(0.3, 20.0),
    st.floats(1e-5, 1.0),
    st.integers(1, 10_000),
    st.sampled_from([1e-3, 1e-5, 1e-8]),
)
def test_the_curve_is_dp_accountings_renyi_accountant(noise, q, count, delta):
    closed = [poisson(2.0, 0.02, 300)]
    current = poisson(noise, q)
    curve = EpsilonCurve(PrivacyHistory(closed), current, delta)
    accountant = dp_accounting.rdp.RdpAccountant(list(curve.orders))
    accountant.compose(to_event(closed[0])).compose(to_event(current.with_count(count)))
    theirs = accountant.get_epsilon(delta)
    assume(math.isfinite(theirs))
    assert curve.epsilon(count) == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    assert curve.epsilon(count) <= theirs * (1 + 1e-6) + 1e-6
    assert curve.epsilon(count) <= bound(curve, count)
    own = epsilon_of(
        closed[0], current.with_count(count), delta=delta, accountant="rdp"
    )
    assert curve.epsilon(count) == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize(
    "current", [not_poisson(6.0), not_poisson(6.0, max_participations=5)]
)
def test_the_curve_of_other_sampling_stops_where_participations_do(current):
    curve = EpsilonCurve(PrivacyHistory(), current, DELTA)
    assert curve.max_count == current.max_participations
    for count in (1, 5, 6, 40):
        own = epsilon_of(current.with_count(count), accountant="rdp")
        assert curve.epsilon(count) == pytest.approx(own)
        assert bound(curve, count) == pytest.approx(own)


def test_the_curve_starts_at_zero_and_is_infinite_without_noise():
    for noise in (1.0, 0.0):
        curve = EpsilonCurve(PrivacyHistory(), poisson(noise, 0.01), DELTA)
        assert curve.epsilon(0) == 0.0
        # The graph's formula leaves a little there, and no NaN.
        assert 0.0 <= bound(curve, 0) < 0.01
        assert all(a.dtype == np.float64 for a in (curve.base, curve.offset))
        assert curve.per_update.shape == curve.orders.shape == curve.base.shape
    assert curve.epsilon(1) == math.inf
    assert bound(curve, 1) > 1e300
    spent = PrivacyHistory([poisson(0.0, 0.01, 1)])
    assert EpsilonCurve(spent, poisson(1.0, 0.01), DELTA).epsilon(0) == math.inf


def test_the_curve_costs_less_than_a_fifth_of_a_millisecond():
    curve = EpsilonCurve(PrivacyHistory(), poisson(1.0, Q), DELTA)
    seconds = []
    for count in range(200):
        begin = time.process_time()
        bound(curve, count)
        seconds.append(time.process_time() - begin)
    assert np.median(seconds) < 2e-4
