import dataclasses
import time

import numpy as np
import pytest
from histories import epsilon_of
from histories import poisson

from keras_dpgan.data import PoissonDataset
from keras_dpgan.privacy import group_epsilon
from keras_dpgan.privacy import plan
from keras_dpgan.privacy import trade_off
from keras_dpgan.privacy.history import PrivacyHistory

N, DELTA = 20_000, 1e-5


def spent(made):
    """Epsilon of the run that a plan is for."""
    entry = poisson(
        made.noise_multiplier, made.sampling_probability, made.num_discriminator_updates
    )
    if made.max_records_per_person > 1:
        history = PrivacyHistory([entry])
        return group_epsilon(history, DELTA, made.max_records_per_person)
    return epsilon_of(entry, delta=DELTA, accountant=made.accountant)


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
@pytest.mark.parametrize("epsilon", [0.3, 2.0, 10.0])
def test_the_noise_is_the_least_that_keeps_the_budget(epsilon, accountant):
    made = plan(N, 200, 20, epsilon, DELTA, accountant=accountant)
    assert made.epsilon == spent(made)
    assert 0.995 * epsilon <= made.epsilon <= epsilon
    less = dataclasses.replace(made, noise_multiplier=0.99 * made.noise_multiplier)
    assert spent(less) > epsilon


def test_the_budget_is_kept_for_a_person_with_several_rows():
    made = plan(N, 200, 20, 5.0, DELTA, max_records_per_person=3)
    assert made.epsilon == spent(made)
    assert 4.97 <= made.epsilon <= 5.0
    for_one = plan(N, 200, 20, 5.0, DELTA)
    assert made.noise_multiplier > for_one.noise_multiplier
    assert "a person with up to 3 rows" in str(made)


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_the_epochs_are_the_most_within_the_budget(accountant):
    made = plan(N, 200, None, 3.0, DELTA, noise_multiplier=0.8, accountant=accountant)
    assert isinstance(made.epochs, int)
    assert made.epsilon == spent(made) <= 3.0
    assert spent(dataclasses.replace(made, epochs=made.epochs + 1)) > 3.0


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_the_batch_is_as_large_as_the_budget_allows(accountant):
    made = plan(N, None, 20, 3.0, DELTA, noise_multiplier=0.8, accountant=accountant)
    assert isinstance(made.expected_batch_size, int)
    assert made.epsilon == spent(made) <= 3.0
    larger = made.expected_batch_size * 103 // 100
    assert spent(dataclasses.replace(made, expected_batch_size=larger)) > 3.0


def test_a_batch_of_all_rows_is_the_largest():
    made = plan(N, None, 1, 10.0, DELTA, noise_multiplier=5.0)
    assert made.expected_batch_size == N
    assert made.sampling_probability == 1.0


@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_epsilon_is_what_the_other_figures_spend(accountant):
    made = plan(N, 200, 20, delta=DELTA, noise_multiplier=0.8, accountant=accountant)
    assert made.epsilon == spent(made)
    assert made.num_discriminator_updates == 2000


def test_the_four_unknowns_agree():
    made = plan(N, 200, 20, 3.0, DELTA)
    figures = dataclasses.asdict(made)
    for unknown in ("epsilon", "epochs", "expected_batch_size"):
        # What was rounded up is below the asked budget: give it a hair more.
        given = {**figures, "epsilon": made.epsilon * 1.001, unknown: None}
        assert getattr(plan(**given), unknown) == pytest.approx(
            figures[unknown], rel=0.01
        )


@pytest.mark.parametrize("size", [1, 7, 64, 100, 257, 1000])
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_epoch_is_as_long_as_that_of_the_poisson_dataset(size, epochs):
    made = plan(1000, size, epochs, delta=1e-4, noise_multiplier=1.0, accountant="rdp")
    dataset = PoissonDataset(np.zeros((1000, 1)), expected_batch_size=size)
    assert made.num_discriminator_updates == epochs * len(dataset)
    assert made.sampling_probability == dataset.sampling_probability


def test_an_answer_takes_about_two_seconds():
    plan(N, 200, 1, 3.0, DELTA)
    begin = time.process_time()
    plan(60_000, 256, 100, 10.0, 1e-5)
    # Twice what it takes, for slower machines.
    assert time.process_time() - begin < 5.0


def test_alternatives_trade_the_noise():
    made = plan(N, 200, 20, 3.0, DELTA, accountant="rdp")
    same, batch, half, twice, budget = made.alternatives()
    assert same is made
    assert batch.expected_batch_size == 400
    assert (half.epochs, twice.epochs) == (10, 40)
    assert budget.noise_multiplier < made.noise_multiplier
    assert half.noise_multiplier < made.noise_multiplier < twice.noise_multiplier
    for other in (batch, half, twice):
        assert other.epsilon == pytest.approx(made.epsilon, rel=2e-3)
    table = str(made.alternatives()).splitlines()
    assert len(table) == 6
    assert len({len(line) for line in table}) == 1
    assert "noise multiplier" in table[0]


def test_alternatives_leave_out_a_batch_of_more_than_all_rows():
    made = plan(N, 15_000, 20, 3.0, DELTA, accountant="rdp")
    sizes = [other.expected_batch_size for other in made.alternatives()]
    assert sizes == [15_000] * 4


def test_a_plan_reads_well():
    made = plan(N, 200, 20, 3.0, DELTA, accountant="rdp")
    text = str(made)
    for part in (
        f"noise_multiplier={made.noise_multiplier:g}",
        "delta=1e-05",
        "20 epochs = 2,000 discriminator updates",
        "200 of 20,000 rows",
    ):
        assert part in text


@pytest.mark.parametrize(
    "given", [{}, {"epochs": 3, "epsilon": 2.0}, dict.fromkeys("abc")]
)
def test_exactly_one_figure_is_left_out(given):
    if "a" in given:
        given = {"expected_batch_size": 9, "epochs": 3, "epsilon": 2.0}
        given["noise_multiplier"] = 1.0
    with pytest.raises(ValueError, match="Exactly one of `expected_batch_size`"):
        plan(N, delta=DELTA, **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_examples", 0),
        ("num_examples", 10.5),
        ("expected_batch_size", 0),
        ("expected_batch_size", N + 1),
        ("epochs", 0),
        ("epsilon", -1.0),
        ("delta", None),
        ("delta", 2),
        ("accountant", "moments"),
        ("max_records_per_person", 0),
    ],
)
def test_a_wrong_argument_is_named(name, value):
    given = {
        "num_examples": N,
        "expected_batch_size": 200,
        "epochs": 20,
        "epsilon": 3.0,
        "delta": DELTA,
        "noise_multiplier": None,
    }
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        plan(**{**given, name: value})


def test_a_delta_of_one_in_n_warns():
    with pytest.warns(UserWarning, match="delta=0.1, num_examples=100"):
        plan(100, 10, 1, delta=0.1, noise_multiplier=1.0, accountant="rdp")


def test_what_cannot_be_had_is_answered_with_what_can():
    with pytest.raises(
        ValueError, match=r"smallest `epsilon` attainable is (\S+),"
    ) as e:
        plan(N, 200, None, 0.1, DELTA, noise_multiplier=0.6)
    least = float(str(e.value).split("attainable is ")[1].split(",")[0])
    made = plan(N, 200, None, least * 1.001, DELTA, noise_multiplier=0.6)
    assert made.epochs == 1
    with pytest.raises(
        ValueError, match=r"smallest `epsilon` attainable is (\S+),"
    ) as e:
        plan(N, None, 5000, 0.1, DELTA, noise_multiplier=0.6)
    least = float(str(e.value).split("attainable is ")[1].split(",")[0])
    made = plan(N, None, 5000, least * 1.001, DELTA, noise_multiplier=0.6)
    assert made.expected_batch_size == 1
    with pytest.raises(ValueError, match="smallest `epsilon` attainable is"):
        plan(N, 200, 20, 1e-3, DELTA, accountant="rdp")


def rate_of(made, attack_fpr):
    """What an attacker recognizes after the run that a plan is for."""
    entry = poisson(
        made.noise_multiplier, made.sampling_probability, made.num_discriminator_updates
    )
    curve = trade_off(
        PrivacyHistory([entry]), made.accountant, made.max_records_per_person
    )
    return curve.true_positive_rate(attack_fpr)


ATTACK = {"attack_tpr": 0.05, "attack_fpr": 0.01, "delta": DELTA}


def test_the_noise_is_the_least_that_keeps_an_attacker_at_the_rate():
    made = plan(N, 200, 2, **{**ATTACK, "attack_tpr": 0.02})
    assert 0.0195 <= rate_of(made, 0.01) <= 0.02
    assert made.epsilon == spent(made)
    less = dataclasses.replace(made, noise_multiplier=0.98 * made.noise_multiplier)
    assert rate_of(less, 0.01) > 0.02
    assert "epsilon=" in str(made)


def test_the_epochs_are_the_most_that_keep_an_attacker_at_the_rate():
    made = plan(N, 200, noise_multiplier=1.5, accountant="rdp", **ATTACK)
    assert rate_of(made, 0.01) <= 0.05
    assert rate_of(dataclasses.replace(made, epochs=made.epochs + 1), 0.01) > 0.05
    assert made.epsilon == spent(made)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": 1.0}, "Either `epsilon` or the pair"),
        ({"attack_fpr": None}, "`attack_fpr` must be a float in"),
        ({"attack_tpr": None}, "`attack_tpr` must be a float in"),
        ({"attack_tpr": 1.0}, "`attack_tpr` must be a float in"),
        ({"attack_tpr": "5%"}, "`attack_tpr` must be"),
        ({"attack_fpr": 0.0}, "`attack_fpr` must be"),
        ({"attack_fpr": 0.05}, "`attack_tpr` must be above `attack_fpr`"),
        ({"attack_fpr": 0.0499999}, "by more than `delta`"),
        ({"noise_multiplier": 1.0}, "Exactly one of `expected_batch_size`, `epochs`"),
        ({"epochs": None}, "Exactly one of `expected_batch_size`, `epochs`"),
        ({"delta": None}, "`delta` must be given"),
        (
            {"epochs": None, "noise_multiplier": 0.1, "accountant": "rdp"},
            r"`attack_tpr` attainable is 1, for one .*Received: attack_tpr",
        ),
    ],
)
def test_a_plan_by_attack_that_does_not_add_up_is_refused(changes, message):
    figures = {"expected_batch_size": 200, "epochs": 20, **ATTACK, **changes}
    with pytest.raises(ValueError, match=message):
        plan(N, **figures)
