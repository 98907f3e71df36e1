"""Histories in which all data of a client are protected together."""

import dp_accounting
import numpy as np
import pytest

from keras_dpgan import privacy
from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.rdp import EpsilonCurve

DELTA = 1e-5


def entry_of(mechanism="gaussian", noise_multiplier=3.0, count=20, **options):
    if mechanism == "discrete_gaussian":
        options = {"excess_divergence": 1e-9, **options}
    return HistoryEntry(
        mechanism=mechanism,
        noise_multiplier=noise_multiplier,
        unit="client",
        count=count,
        **options,
    )


def epsilon_of(*entries, accountant="pld"):
    return privacy.epsilon(privacy.PrivacyHistory(entries), DELTA, accountant)


def by_dp_accounting(event, count):
    accountant = dp_accounting.pld.PLDAccountant()
    return accountant.compose(event, count).get_epsilon(DELTA)


def test_gaussian_rounds_cost_what_dp_accounting_says():
    expected = by_dp_accounting(dp_accounting.GaussianDpEvent(3.0), 20)
    assert epsilon_of(entry_of()) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("scale", "count"), [(5.0, 1), (20.0, 30), (100.0, 2000)])
def test_laplace_rounds_cost_what_dp_accounting_says(scale, count):
    expected = by_dp_accounting(dp_accounting.LaplaceDpEvent(scale), count)
    exact = epsilon_of(entry_of("laplace", scale, count))
    assert exact == pytest.approx(expected, rel=1e-3)
    assert exact <= count / scale
    assert exact <= epsilon_of(entry_of("laplace", scale, count), accountant="rdp")


def test_the_renyi_divergence_of_laplace_noise_is_an_integral():
    scale, grid = 1.7, np.linspace(-80, 81, 2_000_001)
    p = np.exp(-np.abs(grid) / scale) / (2 * scale)
    q = np.exp(-np.abs(grid - 1) / scale) / (2 * scale)
    orders, divergence = rdp.rdp_curve(entry_of("laplace", scale))
    for order in (1.5, 2.0, 8.0):
        integral = np.sum(p**order * q ** (1 - order)) * (grid[1] - grid[0])
        expected = np.log(integral) / (order - 1)
        at = np.flatnonzero(np.isclose(orders, order))[0]
        assert divergence[at] == pytest.approx(expected, rel=1e-5)


def test_mechanisms_of_clients_add_up():
    accountant = dp_accounting.pld.PLDAccountant()
    accountant.compose(dp_accounting.GaussianDpEvent(3.0), 20)
    accountant.compose(dp_accounting.LaplaceDpEvent(20.0), 30)
    both = epsilon_of(entry_of(), entry_of("laplace", 20.0, 30))
    assert both == pytest.approx(accountant.get_epsilon(DELTA), rel=1e-3)
    alone = max(epsilon_of(entry_of()), epsilon_of(entry_of("laplace", 20.0, 30)))
    assert both > alone


def test_what_lacks_of_a_gaussian_counts():
    exact = epsilon_of(entry_of("discrete_gaussian"))
    more = epsilon_of(entry_of("discrete_gaussian", excess_divergence=0.01))
    assert more == pytest.approx(exact + 20 * 0.01, rel=1e-6)


def test_the_progress_bar_knows_the_rounds():
    entry = entry_of("laplace", 20.0, 30)
    curve = EpsilonCurve(privacy.PrivacyHistory(), entry, DELTA)
    assert curve.epsilon(30) == pytest.approx(epsilon_of(entry, accountant="rdp"))


def test_rows_and_clients_do_not_add_up(tmp_path):
    of_rows = HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.1, count=5
    )
    for first, second in ((of_rows, entry_of()), (entry_of(), of_rows)):
        with pytest.raises(ValueError, match="do not add up"):
            privacy.PrivacyHistory([first, second])
    with privacy.Ledger(tmp_path / "ledger", "data") as ledger:
        ledger.spend(of_rows, "rows")
        with pytest.raises(ValueError, match="do not add up"):
            ledger.spend(entry_of(), "clients")
    # Nothing of it is on the disk.
    assert len(privacy.Ledger.read(tmp_path / "ledger").runs) == 1


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace", "discrete_gaussian"])
def test_a_history_of_clients_is_read_as_it_was_written(mechanism, tmp_path):
    history = privacy.PrivacyHistory([entry_of(mechanism)])
    read = privacy.PrivacyHistory.from_json(history.to_json())
    assert read == history
    assert read.unit == "client"
    with privacy.Ledger(tmp_path / "ledger", "data") as ledger:
        ledger.spend(entry_of(mechanism), "rounds")
    on_disk = privacy.Ledger.read(tmp_path / "ledger")
    assert on_disk.history() == history
    assert on_disk.epsilon(DELTA) == epsilon_of(entry_of(mechanism)) > 0


def test_an_entry_that_is_older_than_units_is_of_rows():
    entry = HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, count=3)
    assert "unit" not in entry.to_dict()
    assert HistoryEntry.from_dict(entry.to_dict()).unit == "row"


@pytest.mark.parametrize(
    ("mechanism", "relation", "words"),
    [
        ("gaussian", "replace_client", "in L2 and adds Gaussian noise itself, of 3"),
        ("laplace", "replace_client", "in L1 and adds Laplace noise itself"),
        ("discrete_gaussian", "replace_client_with_null", "adds its share of discrete"),
    ],
)
def test_the_statement_says_who_is_protected_and_how(mechanism, relation, words):
    history = privacy.PrivacyHistory([entry_of(mechanism)])
    statement = privacy.privacy_statement(history, DELTA)
    text = " ".join(str(statement).split())
    assert statement.to_dict()["neighbouring_relation"] == relation
    assert statement.to_dict()["unit_of_privacy"] == "client"
    assert len(statement.caveats) == (mechanism == "discrete_gaussian")
    assert "Unit of privacy: a client with all of its data." in text
    assert "20 rounds" in text
    assert words in text
    assert " row" not in text.split("Assumed:")[0]


def test_both_relations_of_clients_are_added_up_under_the_one_where_both_hold():
    history = privacy.PrivacyHistory([entry_of(), entry_of("discrete_gaussian")])
    assert history.relation == "replace_client_with_null"


@pytest.mark.parametrize(
    "options",
    [
        {"sampling_probability": 0.5},
        {"max_participations": 3},
        {"mechanism": "adaptive_clip_gaussian", "clipped_count_stddev": 1.0},
    ],
)
def test_clients_are_not_sampled(options):
    with pytest.raises(ValueError, match="unit='client'"):
        entry_of(**options)


@pytest.mark.parametrize("sampling_probability", [None, 0.5])
def test_laplace_noise_of_rows_is_not_sampled(sampling_probability):
    with pytest.raises(ValueError, match="`sampling_probability` must be 1.0"):
        HistoryEntry(
            mechanism="laplace",
            noise_multiplier=1.0,
            sampling_probability=sampling_probability,
        )


def test_laplace_noise_of_rows_beside_sampled_updates_costs_both():
    alone = HistoryEntry(
        mechanism="laplace", noise_multiplier=1.0, sampling_probability=1.0, count=1
    )
    sampled = HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.1, count=50
    )
    both = privacy.PrivacyHistory([alone, sampled])
    assert both.relation == "add_or_remove_one"
    epsilons = [
        privacy.epsilon(privacy.PrivacyHistory(entries), DELTA)
        for entries in ([alone], [sampled])
    ]
    assert privacy.epsilon(both, DELTA) > max(epsilons)
    assert privacy.epsilon(both, DELTA, "rdp") >= privacy.epsilon(both, DELTA)
    statement = privacy.privacy_statement(both, DELTA)
    assert statement.epsilon == privacy.epsilon(both, DELTA)
    assert "Laplace noise of a scale of 1 times" in " ".join(str(statement).split())


def test_a_group_of_clients_is_refused():
    with pytest.raises(ValueError, match="must be 1 where a client"):
        privacy.privacy_statement(
            privacy.PrivacyHistory([entry_of()]), DELTA, max_records_per_person=2
        )
