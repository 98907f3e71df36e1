"""Which tables of counts to measure, and how exactly: from noisy scores alone."""

import numpy as np

from keras_dpgan.tables import calibration
from keras_dpgan.tables import release

# The mean size of a standard normal number.
_MEAN_SIZE = np.sqrt(2 / np.pi)


def choose(errors, num_cells, gains, noise_multiplier, denoised):
    """Chooses what to measure and the weights of it.

    A table that is not measured keeps its error. One of `c` cells that is measured with
    weight `w` has an error in proportion to `c * noise_multiplier / w`, of which the
    fit leaves the share `denoised`. For a fixed sum of squared weights the sum of
    errors is least where weights are as the cube root of the cells; what to measure is
    the beginning of the list, those first that have most error for their cells, after
    which the sum is least.

    Args:
        errors: Float array: noisy sums of absolute errors in counts.
        num_cells: Float array of this shape.
        gains: Float array of this shape: how much an error in each matters.
        noise_multiplier: Float, of the measurement that follows.
        denoised: Float.

    Returns:
        `(chosen, weights)`: int array and float array; the squared weights add up to
        one.
    """
    errors = gains * np.maximum(errors, 0.0)
    cells = gains * num_cells
    order = np.argsort(-errors / cells ** (2 / 3), kind="stable")
    left = errors.sum() - np.cumsum(errors[order])
    paid = np.cumsum(cells[order] ** (2 / 3)) ** 1.5
    totals = left + denoised * _MEAN_SIZE * noise_multiplier * paid
    chosen = order[: np.argmin(totals) + 1]
    return chosen, weights_of(cells[chosen])


def weights_of(cells):
    """Weights by which measured tables have the least error in all.

    Args:
        cells: Float array, the cells of each.

    Returns:
        Float array of this shape; the squares add up to one.
    """
    weights = np.cbrt(cells)
    return weights / np.linalg.norm(weights)


def pick(errors, num_cells, gains, noise_multipliers, picks, denoised, pairs=None):
    """Picks what to measure one by one, where there are too many to score them all.

    Each pick is an exponential mechanism, so that the noise grows with the root of the
    picks and not of what there is to pick from. Its scores are how much less the error
    would be. One of them is zero and stands for nothing: whoever gets it measures less,
    the rest more exactly.

    Args:
        errors: Float array, private: sums of absolute errors in counts, of which one
            row moves each by one at most.
        num_cells: Float array of this shape.
        gains: Float array of this shape: how much an error in each matters.
        noise_multipliers: Pair of floats: of all picks together, and of the
            measurement that follows.
        picks: Int, how many.
        denoised: Float; see `choose`.
        pairs: Int array of shape `(candidates, 2)`, the columns of each, where those
            picked must not make a circle. Defaults to `None`: any may be picked.

    Returns:
        `(chosen, weights)` as in `choose`.
    """
    of_picks, of_tables = noise_multipliers
    epsilon = calibration.exponential_epsilon(of_picks * np.sqrt(picks))
    sizes = num_cells ** (2 / 3)
    noise = denoised * _MEAN_SIZE * of_tables * np.sqrt(picks * sizes.mean())
    scores = gains * (errors - noise * sizes)
    left = np.arange(len(scores))
    # Which columns hang together already, where no circle may be made.
    trees = None if pairs is None else np.arange(pairs.max() + 1)
    chosen: list[int] = []
    for _ in range(picks):
        answer = release.picked(np.append(scores[left], 0.0), gains.max(), epsilon)
        if answer == len(left):
            continue
        chosen.append(left[answer])
        left = np.delete(left, answer)
        if trees is not None:
            a, b = pairs[chosen[-1]]
            trees[trees == trees[b]] = trees[a]
            left = left[trees[pairs[left, 0]] != trees[pairs[left, 1]]]
    found = np.array(chosen, np.int64)
    return found, weights_of(gains[found] * num_cells[found])
