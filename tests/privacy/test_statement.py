import json
import math

import pytest
from histories import DELTA
from histories import Q
from histories import adaptive
from histories import epsilon_of
from histories import not_poisson
from histories import poisson

from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import group_epsilon
from keras_dpgan.privacy import privacy_statement

SOUND = poisson(1.0, Q, 50_000)


def state(*entries, delta=DELTA, **options):
    options.setdefault("accountant", "rdp")
    return privacy_statement(PrivacyHistory(entries), delta, **options)


def words(statement):
    """The text without its line breaks."""
    return " ".join(str(statement).split())


def test_a_sound_run_begins_with_its_epsilon():
    statement = state(SOUND, num_examples=60_000, l2_norm_clip=1.5, accountant="pld")
    assert statement.caveats == ()
    text = words(statement)
    assert text.startswith(
        "Differentially private with epsilon = 2.605 at delta = 1e-05, by privacy "
        "loss distributions (PLD), dp-accounting"
    )
    for part in (
        "Unit of privacy: one row",
        "Neighboring data sets: one has one row more than the other",
        "Public: the number of rows, n = 60,000",
        "50,000 discriminator updates, each on a Poisson sample",
        "probability 0.002133",
        "L2 norm of 1.5",
        "noise of 1 times the clip",
        "May be published: the generator and any data drawn from it; the",
        "g_loss, d_loss_fake",
        "Must not be published: the private data; metrics whose name starts with "
        "nonprivate_",
        "Not covered: hyper-parameters",
    ):
        assert part in text
    assert max(map(len, str(statement).splitlines())) <= 80


def test_epsilon_without_poisson_sampling_is_stated_beside_it():
    statement = state(SOUND, accountant="pld")
    assert statement.epsilon == epsilon_of(SOUND)
    once = epsilon_of(not_poisson(1.0, 50_000, max_participations=107))
    assert statement.epsilon_once_per_epoch == once
    assert "(shuffled batches), epsilon would be 96.79 for" in words(statement)
    other = state(not_poisson(5.0, 10))
    assert other.epsilon_once_per_epoch is None
    assert "Without random batches" not in str(other)


def test_epsilon_is_rounded_up():
    # 2.60406 is not below 2.604.
    assert "epsilon = 2.605" in str(state(SOUND, accountant="pld"))
    large = state(not_poisson(1.0, 50_000), accountant="pld")
    assert 25_952 < large.epsilon < 25_960
    assert "epsilon = 25,960" in words(large)


@pytest.mark.parametrize(
    ("entry", "first"),
    [
        (poisson(0.0, Q, 5), "! NO PRIVACY GUARANTEE: updates released something"),
        (adaptive(1.0, 0.0, Q, 5), "! NO PRIVACY GUARANTEE: updates released"),
        (not_poisson(5.0, 5), "! UNKNOWN SAMPLING, NOT POISSON"),
        (not_poisson(5.0, 50, max_participations=2), "! SAMPLING IS NOT POISSON"),
        (poisson(1.0, Q, 5, seeded_sampling=True), "! SEEDED SAMPLING"),
        (poisson(1.0, Q, 5, insecure_noise=True), "! INSECURE NOISE"),
    ],
)
def test_what_weakens_a_guarantee_comes_first(entry, first):
    assert str(state(entry)).startswith(first)


def test_several_phases_are_announced_and_listed():
    statement = state(SOUND, poisson(2.0, 0.01, 30))
    assert str(statement).startswith("! SEVERAL PHASES: 2 phases of updates")
    assert "Phase 1: 50,000 discriminator updates" in words(statement)
    assert "Phase 2: 30 discriminator updates" in words(statement)


def test_a_caveat_is_said_once():
    entries = [not_poisson(5.0, 5), not_poisson(6.0, 5)]
    caveats = state(*entries).caveats
    assert len(caveats) == len(set(caveats)) == 2


def test_a_delta_of_one_in_n_is_called_too_large():
    assert str(state(SOUND, delta=0.01, num_examples=100)).startswith("! DELTA IS TOO")
    assert state(SOUND, delta=0.0099, num_examples=100).caveats == ()


def test_notes_come_before_the_guarantee():
    lines = str(state(SOUND, notes=["RESUMED twice."])).splitlines()
    assert lines[0] == "! RESUMED twice."
    assert lines[1].startswith("Differentially private")


@pytest.mark.parametrize(
    "statement", [state(SOUND, private=False), state(poisson(0.0, Q, 5))]
)
def test_without_a_guarantee_nothing_may_be_published(statement):
    assert not statement.has_guarantee
    assert statement.epsilon == statement.group_epsilon == math.inf
    text = words(statement)
    assert text.startswith("! NO PRIVACY GUARANTEE")
    assert "Epsilon is infinite: nothing is promised about any row." in text
    assert "May be published: nothing, according to this statement." in text
    assert "the generator" in text.split("Must not be published: ")[1]
    assert "Differentially private" not in text


def test_no_updates_cost_nothing():
    statement = state()
    assert statement.epsilon == 0.0
    assert str(statement).startswith("No update was made")


def test_a_person_with_several_rows_has_an_epsilon_of_their_own():
    history = PrivacyHistory([SOUND])
    statement = privacy_statement(history, DELTA, max_records_per_person=3)
    assert statement.group_epsilon == group_epsilon(history, DELTA, 3)
    assert "person with up to 3 rows epsilon = 9.392 at the same" in words(statement)
    single = words(state(SOUND))
    assert "A person with several rows is protected less." in single


def test_other_sampling_is_stated_with_its_relation():
    text = words(state(not_poisson(5.0, 50, max_participations=2)))
    assert "which one of them replaces by a null row" in text
    assert "declared, and not checked, that no row is in more than 2 updates" in text


def test_adaptive_clipping_is_stated_with_its_count():
    text = words(state(adaptive(1.0, 6.4, Q, 100), l2_norm_clip=0.5))
    assert "L2 norm of 0.5 at first, which adapts" in text
    assert "noise of 6.4, which epsilon includes" in text


@pytest.mark.parametrize("private", [True, False])
def test_the_dict_is_strict_json_with_every_fact(private):
    statement = state(
        SOUND,
        not_poisson(5.0, 5),
        num_examples=60_000,
        l2_norm_clip=1.0,
        private=private,
        assumptions=["one row per person"],
    )
    facts = json.loads(json.dumps(statement.to_dict(), allow_nan=False))
    assert facts["has_guarantee"] is private
    assert facts["epsilon"] == (statement.epsilon if private else None)
    assert facts["delta"] == DELTA
    assert facts["neighbouring_relation"] == "replace_with_null"
    assert facts["updates"] == [e.to_dict() for e in statement.history.entries]
    assert facts["num_examples"] == 60_000
    assert facts["l2_norm_clip"] == 1.0
    assert facts["assumptions"][-1] == "one row per person"
    assert len(facts["caveats"]) == len(statement.caveats) > 0
    assert facts["accounting_library"].startswith("dp-accounting ")


def test_a_statement_keeps_its_history_when_training_goes_on():
    history = PrivacyHistory([SOUND])
    statement = privacy_statement(history, DELTA, accountant="rdp")
    before = str(statement)
    history.add(SOUND)
    assert str(statement) == before


@pytest.mark.parametrize(
    "options",
    [
        {"delta": 0},
        {"num_examples": 0},
        {"l2_norm_clip": -1},
        {"private": "yes"},
        {"accountant": "prv"},
        {"max_records_per_person": 0},
    ],
)
def test_a_wrong_argument_is_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`"):
        state(SOUND, **options)


def test_the_statement_says_what_an_attacker_can_do():
    statement = state(not_poisson(2.0, 1))
    text = words(statement)
    # One Gaussian update of noise multiplier 2 is 0.5-GDP.
    assert "may accuse 1 in 100 outsiders wrongly can recognize at most 3.4" in text
    assert "If 1 in 1,000 may be accused wrongly, it is at most 0.5 in 100;" in text
    assert "if 1 in 10, at most 21.8 in 100." in text
    assert "outsiders accused) is 19.8 in 100." in text
    assert "at least 1e-05, Gaussian differential privacy with mu = 0.5 " in text
    attack = statement.to_dict()["attack"]
    rates = [r["true_positive_rate"] for r in attack["rates"]]
    # Rounded up in words, exact for machines.
    assert rates == pytest.approx([0.0047956, 0.0338989, 0.2172391], abs=1e-6)
    assert attack["advantage"] == pytest.approx(0.197413, abs=1e-5)
    assert attack["gdp_mu"] == pytest.approx(0.5)


def test_without_a_guarantee_nothing_is_said_of_attackers():
    statement = state(not_poisson(0.0, 1))
    assert "attacker" not in str(statement)
    assert statement.to_dict()["attack"] is None


def test_a_number_of_rows_that_is_not_public_must_not_show():
    for entries, stated in (([SOUND], None), ([], 100)):
        with pytest.raises(ValueError, match="`num_examples_is_public` must be True"):
            state(*entries, num_examples=stated, num_examples_is_public=False)
