"""Noise that comes with the sum: only its Renyi divergence is bounded."""

import math

import numpy as np
import pytest

from keras_dpgan import privacy
from keras_dpgan.privacy import HistoryEntry
from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.rdp import EpsilonCurve

DELTA = 1e-5


def discrete(noise_multiplier=1.0, excess_divergence=0.0, count=100, **options):
    return HistoryEntry(
        mechanism="discrete_gaussian",
        noise_multiplier=noise_multiplier,
        excess_divergence=excess_divergence,
        count=count,
        **{"sampling_probability": 0.05, **options},
    )


def gaussian(count=100, **options):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=1.0,
        count=count,
        **{"sampling_probability": 0.05, **options},
    )


def epsilon(*entries, accountant="pld"):
    return privacy.epsilon(PrivacyHistory(entries), DELTA, accountant)


def test_without_sampling_it_costs_the_divergence_of_gaussian_noise_and_the_excess():
    entry = discrete(2.0, 0.001, sampling_probability=None)
    divergence = 100 * (rdp.ORDERS / (2 * 2.0**2) + 0.001)
    assert epsilon(entry) == pytest.approx(rdp.to_epsilon(divergence, DELTA), rel=1e-9)


def test_a_sample_of_it_is_moments_added_up_by_hand():
    q, z, excess = 0.05, 1.5, 0.002
    _, curve = privacy.rdp_curve(discrete(z, excess, sampling_probability=q))
    for order in (2, 3, 8):
        moment = sum(
            math.comb(order, k)
            * q**k
            * (1 - q) ** (order - k)
            * math.exp((k - 1) * (k / (2 * z**2) + excess) if k > 1 else 0.0)
            for k in range(order + 1)
        )
        here = curve[np.flatnonzero(rdp.ORDERS == order)[0]]
        assert here == pytest.approx(math.log(moment) / (order - 1), rel=1e-6)


def test_without_an_excess_it_is_gaussian_noise_by_renyi_divergence():
    # Orders that are not whole are bounded by those beside them.
    by_renyi = epsilon(gaussian(), accountant="rdp")
    assert by_renyi <= epsilon(discrete()) < 1.03 * by_renyi
    assert epsilon(discrete()) > epsilon(gaussian())


def test_the_excess_is_paid_in_each_update():
    assert epsilon(discrete(excess_divergence=0.1)) > epsilon(discrete()) + 0.3
    unsampled = discrete(sampling_probability=None, excess_divergence=0.01)
    free = discrete(sampling_probability=None)
    assert epsilon(unsampled) == pytest.approx(epsilon(free) + 1.0, rel=1e-3)


def test_updates_of_both_kinds_add_up():
    both = epsilon(discrete(), gaussian())
    assert both == pytest.approx(epsilon(gaussian(200), accountant="rdp"), rel=1e-3)
    assert both > epsilon(discrete())


def test_the_progress_bar_shows_the_same_epsilon():
    curve = EpsilonCurve(PrivacyHistory([gaussian()]), discrete(count=0), DELTA)
    assert curve.epsilon(100) == pytest.approx(epsilon(discrete(), gaussian()))


def test_a_group_pays_more_than_a_row():
    history = PrivacyHistory([discrete(4.0)])
    one = privacy.group_epsilon(history, DELTA, 1)
    assert privacy.group_epsilon(history, DELTA, 3) > 3 * one


def test_an_entry_survives_a_file_and_older_ones_are_read():
    entry = discrete(excess_divergence=0.25)
    assert HistoryEntry.from_dict(entry.to_dict()) == entry
    assert "excess_divergence" not in gaussian().to_dict()
    assert HistoryEntry.from_dict(gaussian().to_dict()) == gaussian()
    assert entry.fingerprint() != discrete().fingerprint()


def test_the_excess_goes_with_this_noise_alone():
    with pytest.raises(ValueError, match="`excess_divergence` must be given with"):
        gaussian(excess_divergence=0.0)
    with pytest.raises(ValueError, match="`excess_divergence` must be given with"):
        discrete(excess_divergence=None)
    with pytest.raises(ValueError, match="no event"):
        privacy.to_event(discrete())


def test_a_budget_and_a_statement_know_it():
    entry = discrete(count=0)
    more = privacy.max_updates(PrivacyHistory(), entry, DELTA, 3.0)
    assert epsilon(entry.with_count(more)) <= 3.0 < epsilon(entry.with_count(more + 1))
    statement = privacy.privacy_statement(PrivacyHistory([discrete()]), DELTA)
    assert statement.accountant == "rdp"
    text = " ".join(str(statement).split())
    assert "by Renyi differential privacy (RDP)" in text
    assert "each of those who add the sum up gives a share, of 1 times the clip" in text
