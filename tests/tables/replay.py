"""Runs a release twice, so that what one row moves can be measured."""

import numpy as np
from scipy import stats

from keras_dpgan.tables import release


class Transcript:
    """Stands for `release.noisy`: writes down values and deviations.

    In the second run each answer is that of the first, so that whatever was chosen
    from earlier answers is the same: what an attacker compares.

    Args:
        earlier: The `Transcript` of the first run, or `None`.
    """

    def __init__(self, earlier=None):
        self._earlier = earlier
        self.values, self.deviations, self.answers = [], [], []

    def __call__(self, values, deviations):
        number = len(self.values)
        self.values.append(np.array(values))
        self.deviations.append(np.array(deviations))
        if self._earlier is None:
            noise = np.random.default_rng(number).standard_normal(values.shape)
            answer = values + deviations * noise
        else:
            answer = self._earlier.answers[number]
        self.answers.append(answer)
        return answer

    def squared_shift(self, other):
        """The squared distance to another run, in standard deviations."""
        assert len(self.values) == len(other.values)
        total = 0.0
        for mine, its, mine_by, its_by in zip(
            self.values, other.values, self.deviations, other.deviations, strict=True
        ):
            # A deviation that depended on the rows would itself tell of them.
            np.testing.assert_array_equal(mine_by, its_by)
            total += np.sum(((mine - its) / mine_by) ** 2)
        return total


class Picks:
    """Stands for `release.picked`: writes down scores; answers as in `Transcript`.

    Args:
        earlier: The `Picks` of the first run, or `None`.
    """

    def __init__(self, earlier=None):
        self._earlier = earlier
        self.scores, self.settings, self.answers = [], [], []

    def __call__(self, scores, sensitivity, epsilon):
        number = len(self.scores)
        self.scores.append(np.array(scores))
        self.settings.append((sensitivity, epsilon))
        if self._earlier is None:
            answer = int(np.random.default_rng(number).integers(len(scores)))
        else:
            answer = self._earlier.answers[number]
        self.answers.append(answer)
        return answer

    def squared_shift(self, other):
        """The squared distance to another run, of Gaussian mechanisms as private."""
        assert self.settings == other.settings
        total = 0.0
        for mine, its, (sensitivity, epsilon) in zip(
            self.scores, other.scores, self.settings, strict=True
        ):
            assert np.abs(mine - its).max() <= sensitivity * (1 + 1e-9)
            total += gaussian_distance(epsilon) ** 2
        return total


def gaussian_distance(epsilon):
    """The mu of Gaussian privacy that an exponential mechanism has at worst.

    By trying many pairs of answers whose probabilities change by factors in a range of
    length epsilon.
    """
    factor = np.linspace(0, epsilon, 10_001)[1:-1]
    first = (np.exp(epsilon) - np.exp(factor)) / np.expm1(epsilon)
    second = first * np.exp(-factor)
    return float(np.max(stats.norm.ppf(first) - stats.norm.ppf(second)))


_make = np.random.default_rng


def _same_start(seed=0):
    return _make(seed)


def squared_shift(monkeypatch, fit, table, neighbour):
    """What `fit` of two tables releases differs by, squared, in deviations."""
    runs, picks = [Transcript()], [Picks()]
    runs.append(Transcript(runs[0]))
    picks.append(Picks(picks[0]))
    for run, picked, rows in zip(runs, picks, (table, neighbour), strict=True):
        monkeypatch.setattr(release, "noisy", run)
        monkeypatch.setattr(release, "picked", picked)
        # The start of the mixture is drawn from public entropy: here the same.
        monkeypatch.setattr(np.random, "default_rng", _same_start)
        fit(rows)
        monkeypatch.undo()
    return runs[0].squared_shift(runs[1]) + picks[0].squared_shift(picks[1])
