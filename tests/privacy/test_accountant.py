import math
import time

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_mechanism
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_dpgan.privacy import EpsilonCurve
from keras_dpgan.privacy import HistoryEntry
from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import epsilon
from keras_dpgan.privacy import group_epsilon
from keras_dpgan.privacy import max_updates
from keras_dpgan.privacy import rdp_curve
from keras_dpgan.privacy import to_event

DELTA = 1e-5
Q = 128 / 60000


def poisson(noise_multiplier, sampling_probability, count=0, **options):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=sampling_probability,
        count=count,
        **options,
    )


def not_poisson(noise_multiplier, count=0, max_participations=None):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        max_participations=max_participations,
        count=count,
    )


def adaptive(noise_multiplier, clipped_count_stddev, sampling_probability, count=0):
    return HistoryEntry(
        mechanism="adaptive_clip_gaussian",
        noise_multiplier=noise_multiplier,
        clipped_count_stddev=clipped_count_stddev,
        sampling_probability=sampling_probability,
        count=count,
    )


def epsilon_of(*entries, delta=DELTA, accountant="pld"):
    return epsilon(PrivacyHistory(entries), delta, accountant)


def by_dp_accounting(event, delta=DELTA, accountant="pld"):
    made = {
        "pld": lambda: dp_accounting.pld.PLDAccountant(
            value_discretization_interval=1e-4
        ),
        "rdp": dp_accounting.rdp.RdpAccountant,
    }[accountant]()
    return made.compose(event).get_epsilon(delta)


def sampled_event(noise_multiplier, sampling_probability, count):
    return dp_accounting.SelfComposedDpEvent(
        dp_accounting.PoissonSampledDpEvent(
            sampling_probability, dp_accounting.GaussianDpEvent(noise_multiplier)
        ),
        count,
    )


TABLE = [
    (1.0, Q, 50_000, 2.604, 2.833),
    (0.6, 64 / 60000, 100_000, 6.560, 7.342),
    (2.0, 0.05, 2000, 5.472, 5.924),
]


@pytest.mark.parametrize(("noise", "q", "count", "pld", "rdp"), TABLE)
def test_poisson_epsilons_are_the_published_ones(noise, q, count, pld, rdp):
    # The two columns of dp_accounting; Opacus' are within 0.01 of them.
    entry = poisson(noise, q, count)
    assert epsilon_of(entry) == pytest.approx(pld, abs=6e-4)
    assert epsilon_of(entry, accountant="rdp") == pytest.approx(rdp, abs=6e-4)


@pytest.mark.parametrize(("noise", "q", "count"), [row[:3] for row in TABLE])
@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_epsilon_is_dp_accountings_own(noise, q, count, accountant):
    ours = epsilon_of(poisson(noise, q, count), accountant=accountant)
    theirs = by_dp_accounting(sampled_event(noise, q, count), accountant=accountant)
    # dp_accounting 0.6 is up to 0.1% looser at fractional Renyi orders.
    assert ours == pytest.approx(theirs, rel=1e-6 if accountant == "pld" else 1e-3)
    assert ours <= theirs * (1 + 1e-6)


@pytest.mark.parametrize(
    "entry",
    [
        poisson(0.8, 0.03, 700),
        poisson(1.0, 0.9, 20),
        poisson(3.0, 1.0, 40),
        poisson(0.5, 1e-3, 1),
        adaptive(1.0, 6.4, 0.01, 3000),
        not_poisson(5.0, 30),
        not_poisson(5.0, 3000, max_participations=9),
        poisson(2.0, 0.01, 25, seeded_sampling=True),
    ],
)
@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_epsilon_is_that_of_the_event(entry, accountant):
    theirs = by_dp_accounting(to_event(entry), accountant=accountant)
    ours = epsilon_of(entry, accountant=accountant)
    assert ours == pytest.approx(theirs, rel=2e-4)


def test_events_are_the_mechanisms_that_ran():
    gaussian = dp_accounting.GaussianDpEvent
    sampled = dp_accounting.PoissonSampledDpEvent
    repeated = dp_accounting.SelfComposedDpEvent
    assert to_event(poisson(0.6, 0.01, 7)) == repeated(sampled(0.01, gaussian(0.6)), 7)
    assert to_event(not_poisson(0.6, 7)) == repeated(gaussian(0.6), 7)
    assert to_event(not_poisson(0.6, 7, 3)) == repeated(gaussian(0.6), 3)
    assert to_event(not_poisson(0.6, 2, 3)) == repeated(gaussian(0.6), 2)
    assert to_event(poisson(0.6, 0.01, 7, seeded_sampling=True)) == repeated(
        gaussian(0.6), 7
    )
    assert to_event(poisson(0.6, 0.01)) == dp_accounting.NoOpDpEvent()
    event = to_event(adaptive(1.0, 0.5, 0.01, 7))
    assert event == repeated(sampled(0.01, gaussian(pytest.approx(2**-0.5))), 7)


def test_sampling_that_is_not_poisson_amplifies_nothing():
    once_per_epoch = not_poisson(1.0, 50_000, max_participations=107)
    assert epsilon_of(once_per_epoch) == pytest.approx(96.8, abs=0.05)
    in_every_batch = not_poisson(1.0, 50_000)
    # Renyi's lowest order, 1.1, is far from the best at so large an epsilon.
    assert epsilon_of(in_every_batch, accountant="rdp") == pytest.approx(27600, rel=1e-3)
    assert epsilon_of(in_every_batch) == pytest.approx(25952.7, abs=0.1)
    seeded = poisson(1.0, Q, 50_000, seeded_sampling=True)
    assert epsilon_of(seeded) == epsilon_of(in_every_batch)


def test_the_noisy_count_of_adaptive_clipping_is_charged():
    charged = epsilon_of(adaptive(1.0, 12.8, Q, 50_000))
    assert charged == pytest.approx(2.6077, abs=5e-5)
    # Composing two sampled events would give 2.6056, which is too little.
    assert charged > epsilon_of(poisson(1.0, Q, 50_000)) + 0.003


def test_each_of_two_declarations_is_charged():
    once = not_poisson(5.0, 10, max_participations=10)
    twenty = epsilon_of(not_poisson(5.0, 20))
    assert epsilon_of(once, once) == pytest.approx(twenty, rel=1e-9)


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_two_noise_multipliers_compose_as_in_dp_accounting(accountant):
    first, second = poisson(1.0, 0.01, 1000), poisson(0.7, 0.02, 300)
    event = dp_accounting.ComposedDpEvent([to_event(first), to_event(second)])
    theirs = by_dp_accounting(event, accountant=accountant)
    ours = epsilon_of(first, second, accountant=accountant)
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert epsilon_of(second, first, accountant=accountant) == pytest.approx(ours)
    # Runs in turns cost what they cost in a row.
    turns = [first.with_count(500), second, first.with_count(500)]
    assert epsilon_of(*turns, accountant=accountant) == pytest.approx(ours)


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_poisson_and_other_sampling_compose_under_the_relation_of_both(accountant):
    entries = [poisson(1.0, 0.01, 1000), not_poisson(8.0, 40, max_participations=4)]
    history = PrivacyHistory(entries)
    assert history.relation == "replace_with_null"
    event = dp_accounting.ComposedDpEvent([to_event(entry) for entry in entries])
    theirs = by_dp_accounting(event, accountant=accountant)
    assert epsilon(history, DELTA, accountant) == pytest.approx(theirs, rel=1e-4)


def test_a_null_row_in_a_poisson_batch_is_an_absent_row():
    # Why mixed histories may be added up: with two rows, one of them null or
    # gone, the sum of a Poisson batch has the same distribution.
    q, row = 0.3, 0.7
    outcomes = {}
    for name, other in (("null", 0.0), ("gone", None)):
        sums = {}
        for drawn in (True, False):
            for other_drawn in (True, False) if other is not None else (False,):
                share = q if drawn else 1 - q
                if other is not None:
                    share *= q if other_drawn else 1 - q
                total = row * drawn + (other or 0.0) * other_drawn
                sums[total] = sums.get(total, 0.0) + share
        outcomes[name] = sums
    assert outcomes["null"] == pytest.approx(outcomes["gone"])


def test_nothing_done_costs_nothing_and_no_noise_costs_everything():
    assert epsilon_of() == epsilon_of(accountant="rdp") == 0.0
    for entry in (
        poisson(0.0, 0.01, 1),
        not_poisson(0.0, 1),
        adaptive(1.0, 0.0, 0.01, 1),
    ):
        assert epsilon_of(entry) == epsilon_of(entry, accountant="rdp") == math.inf
        assert epsilon_of(poisson(1.0, 0.1, 5), entry) == math.inf
        assert epsilon_of(entry.with_count(0)) == 0.0


@pytest.mark.parametrize(
    ("noise", "q", "count"),
    [
        (1.0, 1e-6, 10**6),
        (1.0, 1e-3, 10**6),
        (1e6, 0.01, 10**6),
        (0.01, 0.01, 1000),
        (1e-3, 0.3, 1),
        (30.0, 0.5, 10_000),
        (5.0, 1 - 1e-9, 100),
        (1000.0, 0.01, 10**9),
    ],
)
def test_extremes_have_a_bound_within_seconds(noise, q, count):
    begin = time.process_time()
    tight = epsilon_of(poisson(noise, q, count))
    loose = epsilon_of(poisson(noise, q, count), accountant="rdp")
    assert 0 <= tight <= loose < math.inf
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("count", [10**5, 10**6])
@pytest.mark.parametrize("delta", [1e-7, 1e-9, 1e-10, 1e-11, 1e-12, 1e-14])
def test_rounding_errors_never_lower_epsilon(count, delta):
    # Sampled with q = 1 - 1e-12 it is a Gaussian mechanism, whose delta is known.
    # Fourier transforms lose 1e-11 there: dp_accounting reports too little.
    noise = math.sqrt(count) / 3
    reported = epsilon_of(poisson(noise, 1 - 1e-12, count), delta=delta)
    exact = privacy_loss_mechanism.GaussianPrivacyLoss(noise / math.sqrt(count))
    assert exact.get_delta_for_epsilon([reported])[0] <= delta


noises = st.floats(0.3, 20.0)
rates = st.floats(1e-5, 1.0)
counts = st.integers(1, 10_000)


@settings(deadline=None, max_examples=40)
@given(noises, rates, counts, st.floats(1.01, 3.0))
def test_epsilon_rises_with_updates_and_rate_and_falls_with_noise(noise, q, count, by):
    def rdp(*figures):
        return epsilon_of(poisson(*figures), accountant="rdp")

    before = rdp(noise, q, count)
    assert rdp(noise, q, math.ceil(count * by)) >= before
    assert rdp(noise, min(1.0, q * by), count) >= before * (1 - 1e-9)
    assert rdp(noise * by, q, count) <= before * (1 + 1e-9)


@settings(deadline=None, max_examples=8)
@given(st.floats(0.6, 5.0), st.floats(1e-4, 0.2), st.integers(1, 3000))
def test_the_tight_epsilon_rises_too_and_is_below_renyis(noise, q, count):
    before = epsilon_of(poisson(noise, q, count))
    assert before <= epsilon_of(poisson(noise, q, count), accountant="rdp")
    # The grid may move the fifth digit.
    assert epsilon_of(poisson(noise, q, 2 * count)) >= before * (1 - 1e-4)
    assert epsilon_of(poisson(2 * noise, q, count)) <= before * (1 + 1e-4)


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, "1e-5"])
def test_a_wrong_delta_is_named(delta):
    with pytest.raises(ValueError, match="delta"):
        epsilon_of(poisson(1.0, 0.1, 1), delta=delta)


def test_a_wrong_accountant_is_named():
    with pytest.raises(ValueError, match="`accountant` must be one of 'pld', 'rdp'"):
        epsilon_of(poisson(1.0, 0.1, 1), accountant="moments")


# A group of rows.

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


# The curve for the progress bar.


def bound(curve, count):
    """The formula of the training graph."""
    if curve.max_count is not None:
        count = min(count, curve.max_count)
    return max(0.0, np.min(curve.base + count * curve.per_update + curve.offset))


@settings(deadline=None, max_examples=25)
@given(noises, rates, counts, st.sampled_from([1e-3, 1e-5, 1e-8]))
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
    own = epsilon_of(closed[0], current.with_count(count), delta=delta, accountant="rdp")
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
    assert np.float32(min(bound(curve, 10), 1e300)) == np.inf
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


def test_the_renyi_curve_of_one_update_is_dp_accountings():
    orders, rdp = rdp_curve(poisson(0.6, 0.01, count=77))
    whole = orders == np.round(orders)
    accountant = dp_accounting.rdp.RdpAccountant(list(orders))
    theirs = accountant.compose(to_event(poisson(0.6, 0.01, 1))).rdp
    np.testing.assert_allclose(rdp[whole], theirs[whole], rtol=1e-9)
    assert np.all(rdp <= theirs * (1 + 1e-9))
    assert np.all(np.isinf(rdp_curve(poisson(0.0, 0.01))[1]))


# How many updates fit.


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
@pytest.mark.parametrize(
    ("entry", "target"),
    [
        (poisson(1.0, Q), 1.0),
        (poisson(2.0, 0.05), 5.0),
        (poisson(0.9, 64 / 1797), 3.0),
        (not_poisson(30.0), 2.0),
        (poisson(5.0, 1.0), 3.0),
    ],
)
def test_one_more_update_than_the_most_exceeds_the_budget(entry, target, accountant):
    most = max_updates(PrivacyHistory(), entry, DELTA, target, accountant)
    assert most > 1
    assert epsilon_of(entry.with_count(most), accountant=accountant) <= target
    assert epsilon_of(entry.with_count(most + 1), accountant=accountant) > target


def test_the_most_updates_are_those_of_the_renyi_curve_or_more():
    entry = poisson(1.0, Q)
    curve = EpsilonCurve(PrivacyHistory(), entry, DELTA)
    by_rdp = max_updates(PrivacyHistory(), entry, DELTA, 1.5, "rdp")
    assert curve.max_updates(1.5) == by_rdp
    assert max_updates(PrivacyHistory(), entry, DELTA, 1.5) > by_rdp


def test_what_was_spent_before_leaves_less():
    spent = PrivacyHistory([poisson(1.0, 0.01, 1000)])
    entry = poisson(2.0, 0.01)
    most = max_updates(spent, entry, DELTA, 3.0)
    assert 0 < most < max_updates(PrivacyHistory(), entry, DELTA, 3.0)
    assert epsilon_of(*spent.entries, entry.with_count(most)) <= 3.0
    assert epsilon_of(*spent.entries, entry.with_count(most + 1)) > 3.0
    assert max_updates(spent, entry, DELTA, 0.3) == 0


def test_updates_of_the_entry_itself_count_as_spent():
    entry = poisson(1.0, Q)
    most = max_updates(PrivacyHistory(), entry, DELTA, 1.0)
    assert max_updates(PrivacyHistory(), entry.with_count(100), DELTA, 1.0) == most - 100
    spent = PrivacyHistory([entry.with_count(100)])
    assert max_updates(spent, entry, DELTA, 1.0) == most - 100


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_no_update_fits_without_noise(accountant):
    for spent in ([], [poisson(0.0, 0.01, 5)]):
        entry = poisson(1.0 if spent else 0.0, 0.01)
        assert max_updates(PrivacyHistory(spent), entry, DELTA, 5.0, accountant) == 0


def test_any_number_fits_once_all_participations_are_paid_for():
    entry = not_poisson(5.0, max_participations=10)
    whole = epsilon_of(entry.with_count(10))
    assert max_updates(PrivacyHistory(), entry, DELTA, whole + 0.01) is None
    assert max_updates(PrivacyHistory(), entry, DELTA, whole - 0.01) == 9
    after_four = entry.with_count(4)
    assert max_updates(PrivacyHistory(), after_four, DELTA, whole - 0.01) == 5
    assert max_updates(PrivacyHistory(), after_four, DELTA, whole + 0.01) is None


def test_a_budget_is_positive():
    with pytest.raises(ValueError, match="target_epsilon"):
        max_updates(PrivacyHistory(), poisson(1.0, 0.1), DELTA, 0.0)
