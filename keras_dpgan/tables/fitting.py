"""Measures a private table in rounds, and fits a mixture to what was measured."""

import dataclasses

import keras
import numpy as np

from keras_dpgan.tables import release
from keras_dpgan.tables import selection
from keras_dpgan.tables.measurements import Measurements
from keras_dpgan.tables.mixture import table_shares
from keras_dpgan.tables.training import MixtureTraining


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One round: scores of what the mixture gets wrong, and measurements.

    Attributes:
        scores: Float, the share of the budget (of `1 / noise_multiplier**2`, in which
            Gaussian mechanisms add up) that the scores have.
        measurements: Float, the share that the measurements have.
        triples: Whether the target with two columns may be measured, besides pairs.
        tree: Whether pairs that make a circle are left out; of wide tables alone.
        steps: Int, training steps afterwards.
    """

    scores: float
    measurements: float
    steps: int
    triples: bool = False
    tree: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How the budget is spent: shares that are one together.

    Attributes:
        singles: Float, the share of single columns.
        rounds: Tuple of `Round`s, which follow.
    """

    singles: float
    rounds: tuple


NARROW = Plan(
    singles=0.08,
    rounds=(
        Round(scores=0.01, measurements=0.34, steps=300),
        Round(scores=0.02, measurements=0.55, steps=400, triples=True),
    ),
)
# Of many columns few pairs can be measured at all. Those that hang the columns together
# come first, then what is most wrong after these.
WIDE = Plan(
    singles=0.2,
    rounds=(
        Round(scores=0.12, measurements=0.3, steps=200, tree=True),
        Round(scores=0.1, measurements=0.28, steps=200),
    ),
)
# Above this, a score for each pair would have more noise than a pick from all.
MOST_SCORED_PAIRS = 300
# How much an error in the target with two columns matters, where one in a pair is one.
_GAIN_OF_TRIPLES = 4.0
# The same of a pair with the target, where there are no triples.
_GAIN_OF_TARGET = 2.0
# Of the noise of a measurement, what the fit leaves: less where there is much of it.
_DENOISED = 0.8
_DENOISED_WIDE = 0.2
_FEWEST_ROWS = 1.0


def is_wide(num_columns) -> bool:
    """Whether so many columns have too many pairs to score each."""
    return num_columns * (num_columns - 1) // 2 > MOST_SCORED_PAIRS


def fit(counts, mixture, noise_multiplier, target=None, verbose=0):
    """Fits a mixture to a table by one Gaussian mechanism in all.

    First single columns are measured. Then, in rounds, it is released how wrong the
    mixture of now is on each pair of columns (and pair with the target), and those are
    measured from which most is to be had; each measurement is chosen from what was
    released before. Of a wide table pairs are picked instead (`selection.pick`). All
    releases compose to one Gaussian mechanism at `noise_multiplier`, also where each
    depends on those before (Dong, Roth and Su 2022, "Gaussian Differential Privacy",
    corollary 3.3).

    Args:
        counts: `TableCounts`, private.
        mixture: `ProductMixture`.
        noise_multiplier: Positive float.
        target: Int, the place of the target's column. Defaults to `None`: none.
        verbose: 1 for a progress bar of the training steps, 2 for a line at the end.
            Defaults to 0.

    Returns:
        Float, the estimated number of rows.
    """
    columns = len(counts.num_cells)
    plan = WIDE if is_wide(columns) else NARROW
    rounds = plan.rounds if columns > 1 else plan.rounds[:1]
    steps = sum(round_.steps for round_ in rounds)
    bar = keras.utils.Progbar(steps, verbose=verbose, unit_name="training step")
    measured = Measurements()
    total = _measure_singles(
        counts, measured, mixture, _noise(noise_multiplier, plan.singles)
    )
    training = MixtureTraining(mixture, target)
    probabilities = measured.independent()
    for round_ in rounds:
        if columns > 1:
            _measure(
                counts, measured, probabilities, total, target, round_, noise_multiplier
            )
        training.fit(measured, total, round_.steps, bar.add)
        probabilities = mixture().numpy()
    return total


def _noise(noise_multiplier, share):
    """The noise multiplier of a mechanism that has this share of the budget."""
    return noise_multiplier / np.sqrt(share)


def _measure_singles(counts, measured, mixture, noise_multiplier):
    """Measures each column by itself, starts the mixture, and estimates the rows."""
    weights = selection.weights_of(np.array(counts.num_cells))
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


def _measure(counts, measured, probabilities, total, target, round_, noise_multiplier):
    """Chooses what to measure, by what the mixture gets wrong, and measures it."""
    candidates = _candidates(counts, target if round_.triples else None)
    errors = _errors(counts, candidates, probabilities, total, target)
    sizes = np.array([counts.size(candidate) for candidate in candidates], np.float64)
    of_scores = _noise(noise_multiplier, round_.scores)
    of_tables = _noise(noise_multiplier, round_.measurements)
    if is_wide(len(counts.num_cells)):
        pairs = np.array([(a, b) for _, a, b in candidates])
        gains = np.where((pairs == target).any(axis=1), _GAIN_OF_TARGET, 1.0)
        chosen, weights = selection.pick(
            *(errors, sizes, gains, (of_scores, of_tables)),
            picks=len(counts.num_cells) - 1,
            denoised=_DENOISED_WIDE,
            pairs=pairs if round_.tree else None,
        )
    else:
        gains = np.array([_GAIN_OF_TRIPLES if c[0] else 1.0 for c in candidates])
        errors = release.noisy_scores(errors, of_scores)
        chosen, weights = selection.choose(errors, sizes, gains, of_tables, _DENOISED)
    if not len(chosen):
        return
    tables = [counts.table(candidates[i]) for i in chosen]
    noisy = release.noisy_tables(tables, weights, of_tables)
    for i, (table, deviation) in zip(chosen, noisy, strict=True):
        measured.add_table(candidates[i], table, deviation)


def _candidates(counts, target):
    """What may be measured: `(with_target, a, b)`."""
    found = [(False, a, b) for a, b in counts.pairs]
    if target is not None:
        found += [(True, a, b) for a, b in counts.pairs if target not in (a, b)]
    return found


def _errors(counts, candidates, probabilities, total, target):
    """By how many rows a mixture is wrong on each candidate; private."""
    shares = table_shares(probabilities, counts.offsets, candidates, target)
    return np.array(
        [
            np.abs(total * share - counts.table(candidate)).sum()
            for candidate, share in zip(candidates, shares, strict=True)
        ]
    )
