"""The noise by which a budget is kept."""

import pytest

from keras_dpgan import privacy
from keras_dpgan.privacy import calibration

DELTA = 1e-5


def one_gaussian(noise_multiplier):
    entry = privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=1.0,
        count=1,
    )
    return privacy.PrivacyHistory([entry])


@pytest.mark.parametrize("budget", [1e-3, 0.1, 1.0, 10.0, 100.0])
def test_the_least_noise_spends_the_budget_and_no_more(budget):
    noise = calibration.least_noise(one_gaussian, budget, DELTA)
    spent = privacy.epsilon(one_gaussian(noise), DELTA)
    assert 0.999 * budget <= spent <= budget


def test_a_budget_that_no_noise_meets_is_named():
    def spent_before(noise_multiplier):
        history = one_gaussian(1.0)
        history.add(one_gaussian(noise_multiplier).entries[0])
        return history

    with pytest.raises(ValueError, match="`epsilon` is too small .* epsilon=0.5"):
        calibration.least_noise(spent_before, 0.5, DELTA)
