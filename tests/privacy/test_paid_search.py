"""A search whose losers stay unreleased."""

import dp_accounting
import numpy as np
import pytest

from keras_dpgan import privacy


def history(count=100, noise_multiplier=1.0, sampling_probability=0.01):
    entry = privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=sampling_probability,
        count=count,
    )
    return privacy.PrivacyHistory([entry])


@pytest.mark.parametrize("mean_trials", [1, 3.5, 100])
@pytest.mark.parametrize("one", [(500, 0.8, 0.01), (1, 2.0, 1.0), (20, 5.0, 0.3)])
def test_the_price_is_that_of_dp_accounting(one, mean_trials):
    one = history(*one)
    event = privacy.to_event(one.entries[0])
    accountant = dp_accounting.rdp.RdpAccountant()
    # A geometric number of trials is its shape 1.
    accountant.compose(
        dp_accounting.dp_event.RepeatAndSelectDpEvent(
            event, mean=mean_trials, shape=1.0
        )
    )
    found = privacy.search_epsilon(one, mean_trials=mean_trials, delta=1e-5)
    assert found == pytest.approx(accountant.get_epsilon(1e-5), rel=0.02)


def test_the_price_lies_between_that_of_one_trial_and_of_four():
    one = history(1000)
    price = privacy.search_epsilon(one, mean_trials=10, delta=1e-5)
    assert privacy.epsilon(one, 1e-5, "rdp") < price
    assert price < 4 * privacy.epsilon(one, 1e-5, "rdp")
    assert privacy.search_epsilon(
        history(noise_multiplier=0.0), mean_trials=2, delta=1e-5
    ) == float("inf")


def test_the_number_of_trials_is_geometric_and_fresh_each_time():
    counts = []
    for _ in range(1500):
        scores = []

        def trial(rng, scores=scores):
            scores.append(rng.random())
            return scores[-1], len(scores)

        found = privacy.search(trial, history(), mean_trials=4.0, delta=1e-5)
        assert found.score == max(scores)
        assert found.best == np.argmax(scores) + 1
        counts.append(len(scores))
    # Five standard errors; a fixed, uniform or Poisson number has less variance.
    assert abs(np.mean(counts) - 4.0) < 5 * np.sqrt(12 / len(counts))
    assert abs(np.mean(np.equal(counts, 1)) - 0.25) < 5 * np.sqrt(0.19 / len(counts))
    assert 9 < np.var(counts) < 16


class Trained:
    """What a trial gives, with a history of its own."""

    def __init__(self, count):
        self.privacy_history = history(count)


def test_a_trial_that_costs_more_than_was_declared_is_refused():
    declared = history(100)
    arguments = {"mean_trials": 1.0, "delta": 1e-5}
    found = privacy.search(lambda rng: (0.0, Trained(100)), declared, **arguments)
    assert found.epsilon == privacy.search_epsilon(declared, **arguments)
    with pytest.raises(ValueError, match="one trial cost more"):
        privacy.search(lambda rng: (0.0, Trained(101)), declared, **arguments)


@pytest.mark.parametrize(
    ("mean_trials", "delta", "message"),
    [(0.5, 1e-5, "`mean_trials` must be"), (3, 0.0, "`delta` must be")],
)
def test_bad_arguments_name_themselves(mean_trials, delta, message):
    with pytest.raises(ValueError, match=message):
        privacy.search(
            lambda rng: (0.0, None), history(), mean_trials=mean_trials, delta=delta
        )


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="score=nan"):
        privacy.search(
            lambda rng: (float("nan"), None), history(), mean_trials=1, delta=1e-5
        )
