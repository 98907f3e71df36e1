import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dpgan.privacy import HistoryEntry
from keras_dpgan.privacy import PrivacyHistory


def poisson(noise_multiplier=1.0, sampling_probability=0.01, count=5, **options):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=sampling_probability,
        count=count,
        **options,
    )


def not_poisson(noise_multiplier=1.0, max_participations=None, count=5):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        max_participations=max_participations,
        count=count,
    )


ADAPTIVE = HistoryEntry(
    mechanism="adaptive_clip_gaussian",
    noise_multiplier=1.0,
    clipped_count_stddev=6.4,
    sampling_probability=0.01,
)


@st.composite
def entries(draw):
    options = {}
    if draw(st.booleans()):
        options["sampling_probability"] = draw(st.floats(1e-9, 1.0))
        options["seeded_sampling"] = draw(st.booleans())
    else:
        options["max_participations"] = draw(st.none() | st.integers(1, 10**6))
    if draw(st.booleans()):
        options["clipped_count_stddev"] = draw(st.floats(0, 1e6))
    mechanism = "adaptive_clip_gaussian" if len(options) == 3 else "gaussian"
    if mechanism == "gaussian":
        options.pop("clipped_count_stddev", None)
    return HistoryEntry(
        mechanism=mechanism,
        noise_multiplier=draw(st.floats(0, 1e6)),
        insecure_noise=draw(st.booleans()),
        count=draw(st.integers(0, 2**70)),
        **options,
    )


@given(st.lists(entries(), max_size=6))
def test_json_gives_the_same_history_back(listed):
    history = PrivacyHistory(listed)
    copy = PrivacyHistory.from_json(history.to_json())
    assert copy == history
    assert copy.entries == history.entries
    assert copy.total_updates == sum(entry.count for entry in listed)


@given(entries(), st.integers(0, 2**70))
def test_the_fingerprint_is_of_everything_but_the_count(entry, count):
    assert 0 <= entry.fingerprint() < 2**63
    assert entry.with_count(count).fingerprint() == entry.fingerprint()


def test_any_other_fact_changes_the_fingerprint():
    different = [
        poisson(),
        poisson(noise_multiplier=1.0000001),
        poisson(sampling_probability=0.010000001),
        poisson(seeded_sampling=True),
        poisson(insecure_noise=True),
        not_poisson(),
        not_poisson(max_participations=7),
        ADAPTIVE,
    ]
    assert len({entry.fingerprint() for entry in different}) == len(different)


def test_the_fingerprint_is_that_of_files_saved_before():
    assert poisson(0.1, 0.3).fingerprint() == 258598040306604770


def test_equal_updates_run_together():
    history = PrivacyHistory([poisson(count=2), poisson(count=3)])
    assert history.entries == (poisson(count=5),)
    history.add(poisson(noise_multiplier=2.0, count=1))
    history.add(poisson(count=1))
    assert [entry.count for entry in history.entries] == [5, 1, 1]
    assert history.total_updates == 7


def test_declared_participations_of_two_runs_are_not_taken_for_one_declaration():
    entry = not_poisson(max_participations=10, count=10)
    history = PrivacyHistory([entry, entry])
    assert history.entries == (entry, entry)
    assert sum(e.participations for e in history.entries) == 20


def test_no_updates_leave_no_entry():
    assert PrivacyHistory([poisson(count=0)]) == PrivacyHistory()
    assert PrivacyHistory([poisson(), ADAPTIVE, poisson()]).entries == (
        poisson(count=10),
    )


def test_a_copy_is_of_its_own():
    history = PrivacyHistory([poisson()])
    copy = history.copy()
    copy.add(poisson())
    assert history.total_updates == 5
    assert copy != history


def test_a_history_takes_entries_only():
    with pytest.raises(ValueError, match="`entry` must be a HistoryEntry"):
        PrivacyHistory().add({"count": 3})


def test_the_relation_is_add_or_remove_only_where_all_sampling_is_secret_poisson():
    assert poisson().relation == ADAPTIVE.relation == "add_or_remove_one"
    assert poisson(seeded_sampling=True).relation == "replace_with_null"
    assert not_poisson().relation == "replace_with_null"
    assert PrivacyHistory().relation == "add_or_remove_one"
    assert PrivacyHistory([poisson()]).relation == "add_or_remove_one"
    mixed = PrivacyHistory([poisson(), not_poisson()])
    assert mixed.relation == "replace_with_null"


def test_participations_are_at_most_the_declared_ones():
    assert not_poisson(count=5).participations == 5
    assert not_poisson(count=5, max_participations=3).participations == 3
    assert not_poisson(count=2, max_participations=3).participations == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mechanism", "laplace"),
        ("noise_multiplier", -1.0),
        ("noise_multiplier", float("nan")),
        ("noise_multiplier", float("inf")),
        ("noise_multiplier", "1"),
        ("clipped_count_stddev", 1.0),
        ("sampling_probability", 0.0),
        ("sampling_probability", 1.5),
        ("max_participations", 3),
        ("seeded_sampling", 1),
        ("insecure_noise", None),
        ("count", -1),
        ("count", 1.0),
        ("count", True),
    ],
)
def test_wrong_values_are_named_also_in_json(name, value):
    values = {**poisson().to_dict(), name: value}
    with pytest.raises(ValueError, match=name):
        HistoryEntry(**values)
    text = json.dumps({"version": 1, "entries": [values]})
    with pytest.raises(ValueError, match=name):
        PrivacyHistory.from_json(text)


def test_combinations_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="clipped_count_stddev"):
        HistoryEntry(mechanism="adaptive_clip_gaussian", noise_multiplier=1.0)
    with pytest.raises(ValueError, match="seeded_sampling"):
        HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, seeded_sampling=True)
    with pytest.raises(ValueError, match="max_participations"):
        HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, max_participations=0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "Expecting value"),
        ("[]", "history"),
        ('{"version": 1}', "missing=.*entries"),
        ('{"version": 2, "entries": []}', "version"),
        ('{"version": 1, "entries": {}}', "entries"),
        ('{"version": 1, "entries": [3]}', "entry"),
        ('{"version": 1, "entries": [], "more": 0}', "unknown=.*more"),
        ('{"version": 1, "version": 1, "entries": []}', "twice"),
        ("[" * 1_000_000, "history"),
        (3, "history"),
    ],
)
def test_foreign_json_is_refused_by_name(text, named):
    with pytest.raises(ValueError, match=named):
        PrivacyHistory.from_json(text)


def test_unknown_and_missing_keys_of_an_entry_are_named():
    values = poisson().to_dict()
    with pytest.raises(ValueError, match="unknown=.'lots'"):
        HistoryEntry.from_dict({**values, "lots": 1})
    del values["count"]
    with pytest.raises(ValueError, match="missing=.'count'"):
        HistoryEntry.from_dict(values)
