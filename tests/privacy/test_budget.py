import pytest
from histories import DELTA
from histories import Q
from histories import epsilon_of
from histories import not_poisson
from histories import poisson

from keras_dpgan.privacy import EpsilonCurve
from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import max_updates


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
    assert (
        max_updates(PrivacyHistory(), entry.with_count(100), DELTA, 1.0) == most - 100
    )
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
