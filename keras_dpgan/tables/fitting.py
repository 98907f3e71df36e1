"""Measures a private table in rounds, and fits a mixture to what was measured."""

import dataclasses

import numpy as np

from keras_dpgan.tables import release
from keras_dpgan.tables import selection
from keras_dpgan.tables.measurements import Measurements
from keras_dpgan.tables.training import MixtureTraining


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One round: scores of what the mixture gets wrong, and measurements.

    Attributes:
        scores: Float, the share of the budget (of `1 / noise_multiplier**2`, in which
            Gaussian mechanisms add up) that the scores have.
        measurements: Float, the share that the measurements have.
        triples: Whether the target with two columns may be measured, besides pairs.
        steps: Int, training steps afterwards.
    """

    scores: float
    measurements: float
    triples: bool
    steps: int


# The share of single columns, and the rounds after it: together one.
SINGLES = 0.08
ROUNDS = (
    Round(scores=0.01, measurements=0.34, triples=False, steps=300),
    Round(scores=0.02, measurements=0.55, triples=True, steps=400),
)
# How much an error in the target with two columns matters, where one in a pair is one.
_GAIN_OF_TRIPLES = 4.0
# Of the noise of a measurement, what the fit leaves.
_DENOISED = 0.8
_FEWEST_ROWS = 1.0


def fit(counts, mixture, noise_multiplier, progress=None):
    """Fits a mixture to a table by one Gaussian mechanism in all.

    First single columns are measured. Then, in rounds, it is released how wrong the
    mixture of now is on each pair of columns (and pair with the target), and those are
    measured from which most is to be had; each measurement is chosen from what was
    released before. All releases compose to one Gaussian mechanism at
    `noise_multiplier`, also where each depends on those before (Dong, Roth and Su
    2022, "Gaussian Differential Privacy", corollary 3.3).

    Args:
        counts: `TableCounts`, private.
        mixture: `ProductMixture`.
        noise_multiplier: Positive float.
        progress: Function that is called with a line of text. Defaults to `None`.

    Returns:
        Float, the estimated number of rows.
    """
    target = counts.target
    groups = 0 if target is None else counts.num_cells[target]
    measured = Measurements(counts.offsets, groups)
    total = _measure_singles(
        counts, measured, mixture, _noise(noise_multiplier, SINGLES)
    )
    training = MixtureTraining(mixture, target)
    if len(counts.num_cells) == 1:
        training.fit(measured, total, ROUNDS[0].steps)
        return total
    for number, round_ in enumerate(ROUNDS):
        expected = _independent(mixture, measured, total) if number == 0 else None
        pairs, triples = training.shares() if expected is None else expected
        candidates = _candidates(counts, target if round_.triples else None)
        errors = [
            np.abs(
                total * _expected(counts, c, pairs, triples) - _table(counts, c)
            ).sum()
            for c in candidates
        ]
        sizes = np.array([_table(counts, c).size for c in candidates], np.float64)
        errors = release.noisy_scores(errors, _noise(noise_multiplier, round_.scores))
        gains = np.array([_GAIN_OF_TRIPLES if c[0] else 1.0 for c in candidates])
        of_tables = _noise(noise_multiplier, round_.measurements)
        chosen, weights = selection.choose(errors, sizes, gains, of_tables, _DENOISED)
        tables = [_table(counts, candidates[i]) for i in chosen]
        for i, noisy in zip(
            chosen, release.noisy_tables(tables, weights, of_tables), strict=True
        ):
            with_target, a, b = candidates[i]
            add = measured.add_triple if with_target else measured.add_pair
            add(a, b, *noisy)
        if progress is not None:
            progress(
                f"Round {number + 1} of {len(ROUNDS)}: measured {len(chosen)} of "
                f"{len(candidates)} tables of counts; {round_.steps} training steps."
            )
        training.fit(measured, total, round_.steps)
    return total


def _noise(noise_multiplier, share):
    """The noise multiplier of a mechanism that has this share of the budget."""
    return noise_multiplier / np.sqrt(share)


def _measure_singles(counts, measured, mixture, noise_multiplier):
    """Measures each column by itself, starts the mixture, and estimates the rows."""
    weights = np.cbrt(counts.num_cells)
    weights = weights / np.linalg.norm(weights)
    columns = range(len(counts.num_cells))
    singles = release.noisy_tables(
        [counts.single(column) for column in columns], weights, noise_multiplier
    )
    for column, noisy in zip(columns, singles, strict=True):
        measured.add_single(column, *noisy)
    mixture.begin([table for table, _ in singles])
    precisions = [table.size**-1.0 * deviation**-2.0 for table, deviation in singles]
    totals = [table.sum() for table, _ in singles]
    return max(float(np.average(totals, weights=precisions)), _FEWEST_ROWS)


def _independent(mixture, measured, total):
    """The shares of independent columns, as far as they were measured."""
    singles = np.maximum(np.diag(measured.pairs), 0.0)
    for column in range(len(mixture.num_cells)):
        place = mixture.slice(column)
        singles[place] /= max(singles[place].sum(), _FEWEST_ROWS)
    return np.outer(singles, singles), None


def _candidates(counts, target):
    """What may be measured: `(with target, a, b)`."""
    found = [(False, a, b) for a, b in counts.pairs]
    if target is not None:
        found += [(True, a, b) for a, b in counts.pairs if target not in (a, b)]
    return found


def _table(counts, candidate):
    with_target, a, b = candidate
    return counts.triple(a, b) if with_target else counts.pair(a, b)


def _expected(counts, candidate, pairs, triples):
    """The share of each cell of a candidate in the mixture."""
    with_target, a, b = candidate
    rows = slice(counts.offsets[a], counts.offsets[a + 1])
    columns = slice(counts.offsets[b], counts.offsets[b + 1])
    return triples[:, rows, columns] if with_target else pairs[rows, columns]
