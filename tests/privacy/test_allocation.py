"""Random allocation: never below the truth, and little above it."""

import dataclasses
import functools
import math

import numpy as np
import pytest
from histories import DELTA
from histories import epsilon_of
from histories import poisson
from scipy import integrate
from scipy import special

from keras_dpgan import privacy
from keras_dpgan.privacy import allocation


def allocated(noise_multiplier, batches, count=0, **options):
    return privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        allocation_batches=batches,
        count=count,
        **options,
    )


def deltas(noise_multiplier, batches, epsilon):
    """Of one allocation: where the row was there, and where it was not."""
    loss = allocation.loss_distribution(batches, noise_multiplier, 1e-4)
    rows = loss._pmf_remove, loss._pmf_add
    return [float(pmf.get_delta_for_epsilon(epsilon)) for pmf in rows]


def exact_for_two(noise_multiplier, epsilon):
    """Both divergences for two batches, by an integral over the first update.

    Given the first number, the mean of a positive part of the second is the price of an
    option (Black and Scholes 1973).
    """
    shift = 1 / noise_multiplier
    z = np.linspace(-12.0, 12.0 + shift, 200_001)
    first = np.exp(shift * z - shift**2 / 2)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    means = []
    for sign, limit in ((1, 2 * math.exp(epsilon)), (-1, 2 * math.exp(-epsilon))):
        strike = limit - first
        d = (-np.log(np.maximum(strike, 1e-300)) + shift**2 / 2) / shift
        call = special.ndtr(d) - strike * special.ndtr(d - shift)
        call = np.where(strike > 0, call, 1 - strike)
        put = call - 1 + strike
        priced = call if sign > 0 else put * math.exp(epsilon)
        means.append(integrate.trapezoid(priced * density, z) / 2)
    return means


@pytest.mark.parametrize("noise_multiplier", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.4, 2.0])
def test_two_batches_cost_what_an_integral_says(noise_multiplier, epsilon):
    exact = exact_for_two(noise_multiplier, epsilon)
    for bound, truth in zip(deltas(noise_multiplier, 2, epsilon), exact, strict=True):
        assert truth - 1e-9 <= bound <= 1.01 * truth + 1e-9


def simulated(noise_multiplier, batches, epsilon, draws=200_000):
    """Both divergences with their standard errors."""
    rng = np.random.default_rng(0)
    shift = 1 / noise_multiplier
    ratios = []
    for mean in (shift, 0.0):
        z = rng.normal(size=(draws, batches))
        z[:, 0] += mean
        ratios.append(np.exp(shift * z - shift**2 / 2).mean(axis=1))
    losses = (
        np.maximum(1 - math.exp(epsilon) / ratios[0], 0.0),
        np.maximum(1 - math.exp(epsilon) * ratios[1], 0.0),
    )
    return [(x.mean(), x.std() / math.sqrt(draws)) for x in losses]


@pytest.mark.parametrize(
    ("noise_multiplier", "batches", "epsilon"),
    [(0.5, 10, 2.0), (0.6, 60, 0.5), (0.8, 37, 0.3), (1.0, 50, 0.1), (3.0, 5, 0.2)],
)
def test_the_cost_is_that_of_a_simulation(noise_multiplier, batches, epsilon):
    simulation = simulated(noise_multiplier, batches, epsilon)
    bounds = deltas(noise_multiplier, batches, epsilon)
    for bound, (mean, error) in zip(bounds, simulation, strict=True):
        assert mean - 4 * error <= bound <= 1.01 * mean + 4 * error


@pytest.mark.parametrize(
    ("noise_multiplier", "batches", "epochs"),
    [(0.7, 234, 20), (0.8, 10, 5), (3.0, 100, 100)],
)
def test_epochs_cost_about_as_much_as_with_poisson_batches(
    noise_multiplier, batches, epochs
):
    count = epochs * batches
    of_poisson = epsilon_of(poisson(noise_multiplier, 1 / batches, count))
    epsilon = epsilon_of(allocated(noise_multiplier, batches, count))
    assert 0.8 * of_poisson < epsilon < 1.01 * of_poisson


def test_renyi_divergence_bounds_losses():
    for noise_multiplier, batches, epochs in [(0.7, 234, 20), (0.8, 3, 5)]:
        entry = allocated(noise_multiplier, batches, epochs * batches)
        tight, loose = epsilon_of(entry), epsilon_of(entry, accountant="rdp")
        assert tight < loose < 1.35 * tight


@functools.cache
def divergences(noise_multiplier, batches):
    """Of orders two and three, simulated under noise alone, in both directions."""
    rng = np.random.default_rng(1)
    shift = 1 / noise_multiplier
    z = rng.normal(size=(1_000_000, batches))
    ratio = np.exp(shift * z - shift**2 / 2).mean(axis=1)
    with_row = [math.log((ratio**order).mean()) / (order - 1) for order in (2, 3)]
    without = [
        math.log((ratio ** (1 - order)).mean()) / (order - 1) for order in (2, 3)
    ]
    return with_row, without


def test_renyi_divergences_are_those_of_a_simulation():
    orders = np.array([2.0, 3.0])
    with_row, without = divergences(1.5, 10)
    removed = allocation._removed_divergence(10, 1.5, orders)
    added = allocation._added_divergence(10, 1.5, orders)
    np.testing.assert_allclose(removed, with_row, rtol=0.03)
    np.testing.assert_allclose(added, without, rtol=0.03)
    # In closed form: the second moment of a mean.
    second = math.log1p(math.expm1(1.5**-2) / 10)
    np.testing.assert_allclose(removed[0], second, rtol=1e-12)
    np.testing.assert_array_equal(
        allocation.renyi_divergence(10, 1.5, (2.0, 3.0)), np.maximum(removed, added)
    )


def test_no_order_costs_more_than_if_the_batch_were_known():
    _, rdp = privacy.rdp_curve(allocated(0.3, 3))
    orders, known = privacy.rdp_curve(poisson(0.3, 1.0))
    assert (rdp <= known * (1 + 1e-12)).all() and len(orders) == len(rdp)


def test_an_allocation_that_was_begun_counts_as_a_whole_one():
    assert allocated(1.0, 10, 1).participations == 1
    assert allocated(1.0, 10, 10).participations == 1
    assert allocated(1.0, 10, 11).participations == 2
    assert epsilon_of(allocated(1.0, 10, 11)) == epsilon_of(allocated(1.0, 10, 20))


def test_entries_are_not_joined_since_each_begins_an_allocation():
    history = privacy.PrivacyHistory([allocated(1.0, 10, 5), allocated(1.0, 10, 5)])
    assert len(history.entries) == 2
    assert privacy.epsilon(history, DELTA) == epsilon_of(allocated(1.0, 10, 20))


def test_one_batch_holds_every_row():
    entry = allocated(2.0, 1, 5)
    assert epsilon_of(entry) == epsilon_of(poisson(2.0, 1.0, 5))


def test_no_noise_and_much_noise():
    assert epsilon_of(allocated(0.0, 10, 1)) == math.inf
    assert epsilon_of(allocated(1e4, 10, 1)) < 0.01
    assert epsilon_of(allocated(0.05, 10, 1)) > 100


def test_a_history_of_several_kinds():
    kinds = [
        allocated(1.0, 100, 500),
        poisson(1.0, 0.01, 500),
        allocated(0.8, 50, 100),
        poisson(5.0, 1.0, 1),
    ]
    total = epsilon_of(*kinds)
    assert max(map(epsilon_of, kinds)) < total < sum(map(epsilon_of, kinds))
    assert total < epsilon_of(*kinds, accountant="rdp")


def test_a_group_costs_more_and_never_more_than_known_batches():
    history = privacy.PrivacyHistory([allocated(1.0, 200, 400)])
    known = privacy.PrivacyHistory([poisson(1.0, 1.0, 2)])
    costs = [privacy.group_epsilon(history, DELTA, k) for k in (1, 2, 4, 64)]
    assert costs == sorted(costs)
    assert costs[-1] <= privacy.group_epsilon(known, DELTA, 64)
    assert costs[1] < privacy.group_epsilon(known, DELTA, 2)
    by_rdp = privacy.group_epsilon(history, DELTA, 2, accountant="rdp")
    assert costs[1] <= by_rdp


def test_the_curve_of_a_graph_counts_allocations():
    entry = allocated(1.0, 10)
    curve = privacy.EpsilonCurve(privacy.PrivacyHistory(), entry, DELTA)
    assert curve.epsilon(0) == 0 < curve.epsilon(1) == curve.epsilon(10)
    assert curve.epsilon(10) < curve.epsilon(11)
    for count in (1, 10, 11, 35):
        of_history = epsilon_of(entry.with_count(count), accountant="rdp")
        assert curve.epsilon(count) == pytest.approx(of_history)
    most = curve.max_updates(8.0)
    assert most % 10 == 0
    assert curve.epsilon(most) <= 8.0 < curve.epsilon(most + 1)


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_a_budget_allows_whole_allocations(accountant):
    past = privacy.PrivacyHistory([poisson(2.0, 0.01, 100)])
    entry = allocated(1.0, 50, 20)

    def spent(further):
        entries = (*past.entries, entry.with_count(20 + further))
        return epsilon_of(*entries, accountant=accountant)

    most = privacy.max_updates(past, entry, DELTA, 4.0, accountant)
    assert (20 + most) % 50 == 0
    assert spent(most) <= 4.0 < spent(most + 1)
    # What was begun is paid for.
    assert privacy.max_updates(past, entry, DELTA, spent(0), accountant) == 30
    assert privacy.max_updates(past, entry, DELTA, 0.5 * spent(0), accountant) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sampling_probability", 0.1),
        ("max_participations", 2),
        ("seeded_sampling", True),
        ("allocation_batches", 0),
        ("allocation_batches", 2.5),
        ("unit", "client"),
    ],
)
def test_what_does_not_go_together_is_refused(field, value):
    with pytest.raises(ValueError, match=f"`({field}|allocation_batches|mechanism)`"):
        dataclasses.replace(allocated(1.0, 10), **{field: value})


def test_dp_accounting_has_no_event_for_it():
    with pytest.raises(ValueError, match="use `keras_dpgan.privacy.epsilon`"):
        privacy.to_event(allocated(1.0, 10, 10))


def test_files_without_it_are_as_before_and_with_it_come_back():
    assert "allocation_batches" not in poisson(1.0, 0.1, 3).to_dict()
    history = privacy.PrivacyHistory([allocated(1.0, 10, 3)])
    assert privacy.PrivacyHistory.from_json(history.to_json()) == history


def test_the_statement_says_how_rows_were_allocated():
    history = privacy.PrivacyHistory([allocated(1.0, 10, 25)])
    statement = privacy.privacy_statement(history, DELTA, num_examples=1000)
    text = " ".join(str(statement).split())
    assert "a draw puts each row into one of 10 consecutive updates" in text
    assert "3 times in all" in text
    assert statement.caveats == () and "not drawn here" not in text
    assert statement.history.relation == "add_or_remove_one"
    assert statement.epsilon < statement.epsilon_once_per_epoch
    assert statement.epsilon_once_per_epoch == epsilon_of(
        privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, count=3)
    )


def test_a_plan_for_it():
    made = privacy.plan(10_000, 100, 5, 3.0, DELTA, sampling="allocation")
    entry = allocated(made.noise_multiplier, 100, made.num_discriminator_updates)
    assert made.num_discriminator_updates == 500
    assert 2.98 <= made.epsilon == epsilon_of(entry) <= 3.0
    assert "each row in one of 100 batches" in str(made)
    for_poisson = privacy.plan(10_000, 100, 5, 3.0, DELTA)
    assert made.noise_multiplier == pytest.approx(for_poisson.noise_multiplier, rel=0.1)
    with pytest.raises(ValueError, match="`sampling` must be one of"):
        privacy.plan(10_000, 100, 5, 3.0, DELTA, sampling="shuffled")


def test_a_plan_finds_epochs_and_batches():
    options = {"sampling": "allocation", "accountant": "rdp"}
    epochs = privacy.plan(
        10_000, 100, None, 3.0, DELTA, noise_multiplier=1.0, **options
    )
    assert epochs.epsilon <= 3.0
    more = allocated(1.0, 100, (epochs.epochs + 1) * 100)
    assert epsilon_of(more, accountant="rdp") > 3.0
    batch = privacy.plan(10_000, None, 5, 3.0, DELTA, noise_multiplier=1.0, **options)
    assert 1 < batch.expected_batch_size and batch.epsilon <= 3.0


def test_what_is_allocated_counts_beside_laplace_noise():
    allocated = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=0.7, allocation_batches=50, count=500
    )
    laplace = privacy.HistoryEntry(
        mechanism="laplace", noise_multiplier=2.0, sampling_probability=1.0, count=1
    )
    alone = [
        privacy.epsilon(privacy.PrivacyHistory([entry]), 1e-5)
        for entry in (allocated, laplace)
    ]
    both = privacy.PrivacyHistory([allocated, laplace])
    assert privacy.epsilon(both, 1e-5) > max(alone) + 0.1
    # What an attacker can do, too, is more than against either.
    rates = [
        privacy.trade_off(privacy.PrivacyHistory(entries)).true_positive_rate(0.01)
        for entries in ([allocated], [laplace], [allocated, laplace])
    ]
    assert rates[2] >= max(rates[:2])
