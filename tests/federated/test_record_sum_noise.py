"""What one record changes in a hidden sum, and what that costs."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("cryptography")
pytest.importorskip("mpmath")

from keras_dpgan import privacy
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.privacy.sampled_divergence import sampled_divergence

DELTA = 1e-5
SIZE = 4096
COHORT = Cohort(10, max_dropouts=3, max_colluders=1)


def record_noise(l2_norm_clip=1.0, noise_multiplier=1.0, size=SIZE, **options):
    options = {"sampling_probability": 0.05, "largest_sum": 50.0, **options}
    return RecordSumNoise(COHORT, l2_norm_clip, noise_multiplier, size, **options)


def moved(mechanism, others, record):
    """How far a record takes the rounded sum, in steps."""
    with_it = mechanism.integers([others + record])
    return np.linalg.norm((with_it - mechanism.integers([others])).astype(float))


def test_no_record_moves_a_rounded_sum_by_more_than_is_charged():
    mechanism = record_noise()
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-3, 1.0, 10.0):
        others, record = rng.normal(size=(2, SIZE))
        record /= np.linalg.norm(record)
        assert moved(mechanism, scale * others, record) <= mechanism.sensitivity


def test_rounding_can_move_a_sum_by_a_step_in_every_coordinate():
    steps = 127.0002
    step = record_noise().step
    mechanism = record_noise(l2_norm_clip=steps * step * np.sqrt(SIZE))
    assert mechanism.step == step
    others = np.full(SIZE, 0.4999 * step)
    worst = moved(mechanism, others, np.full(SIZE, steps * step))
    without_rounding = mechanism.l2_norm_clip / step
    assert worst > without_rounding + 0.99 * np.sqrt(SIZE)
    assert worst <= mechanism.sensitivity


def test_shrinking_a_long_sum_takes_no_two_farther_apart():
    mechanism = record_noise(largest_sum=2.0)
    rng = np.random.default_rng(1)
    for scale in (0.5, 1.9, 2.5, 40.0):
        others, record = rng.normal(size=(2, SIZE))
        others *= scale / np.linalg.norm(others)
        record /= np.linalg.norm(record)
        assert moved(mechanism, others, record) <= mechanism.sensitivity
        rounded = np.linalg.norm(mechanism.integers([others]).astype(float))
        assert rounded * mechanism.step <= 2.0 * 1.01


# 4,096 draws: within 8% with probability 1 - 1e-9.
def test_the_shares_of_the_honest_alone_have_the_noise_that_is_charged():
    mechanism = record_noise()
    zeros = [np.zeros(SIZE)]
    shares = [mechanism.privatize(zeros) for _ in range(COHORT.num_honest)]
    noise = np.std(mechanism.open(sum(shares), zeros)[0])
    assert noise == pytest.approx(mechanism.sensitivity * mechanism.step, rel=0.08)
    assert mechanism.sensitivity * mechanism.step > mechanism.l2_norm_clip


def test_a_sum_that_is_not_finite_is_not_sent_as_zeros():
    with pytest.raises(ValueError, match="finite"):
        record_noise().integers([np.full(SIZE, np.nan)])


def test_sampling_costs_as_much_as_the_sampled_gaussian():
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.05, count=500
    )
    history = privacy.PrivacyHistory([entry])
    epsilon = rounds_epsilon(record_noise(), 500, DELTA)
    assert epsilon >= privacy.epsilon(history, DELTA, "pld")
    # Orders that are not whole are bounded by those beside them.
    assert epsilon == pytest.approx(privacy.epsilon(history, DELTA, "rdp"), rel=0.03)


def test_without_sampling_nothing_is_amplified():
    all_of_them = rounds_epsilon(record_noise(sampling_probability=1.0), 20, DELTA)
    nearly = rounds_epsilon(record_noise(sampling_probability=1 - 1e-9), 20, DELTA)
    assert all_of_them > 4 * rounds_epsilon(record_noise(), 20, DELTA)
    assert nearly == pytest.approx(all_of_them, rel=1e-2)


@pytest.mark.parametrize("q", [0.01, 0.3])
@pytest.mark.parametrize(("shift", "sigma", "shares"), [(3, 3.0, 2), (2, 0.8, 4)])
def test_the_bound_holds_for_sums_of_discrete_gaussians(q, shift, sigma, shares):
    one = np.exp(-(np.arange(-60, 61) ** 2) / (2 * sigma**2))
    law = np.ones(1)
    for _ in range(shares):
        law = np.convolve(law, one / one.sum())
    absent = np.pad(law, shift)
    present = (1 - q) * absent + q * np.roll(absent, shift)
    keep = (absent > 1e-30) & (present > 1e-30)
    absent, present = absent[keep], present[keep]
    ratio = shift**2 / (shares * sigma**2)
    bounds = sampled_divergence(lambda a: a * ratio / 2 + 0.1, q, [1.5, 2, 3.3, 8])
    for order, bound in zip((1.5, 2, 3.3, 8), bounds, strict=True):
        for p, r in ((present, absent), (absent, present)):
            logs = order * np.log(p) + (1 - order) * np.log(r)
            exact = np.log(np.sum(np.exp(logs))) / (order - 1)
            assert exact <= bound


def test_a_limit_below_one_record_is_refused():
    with pytest.raises(ValueError, match="largest_sum"):
        record_noise(largest_sum=0.5)


def test_the_history_charges_small_shares_for_not_being_gaussian():
    mechanism = RecordSumNoise(
        Cohort(10), 1.0, 0.5, 4, growth=1.0, sampling_probability=0.3, largest_sum=9.0
    )
    history = privacy.PrivacyHistory([mechanism.entry.with_count(3)])
    expected = rounds_epsilon(mechanism, 3, 1e-5)
    assert privacy.epsilon(history, 1e-5) == pytest.approx(expected, rel=1e-9)
    gaussian = dataclasses.replace(mechanism.entry, excess_divergence=0.0, count=3)
    alone = privacy.epsilon(privacy.PrivacyHistory([gaussian]), 1e-5)
    assert expected > 1.01 * alone
