"""Which tables of counts to measure, and how exactly: from noisy scores alone."""

import numpy as np

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
    weights = np.cbrt(cells[chosen])
    return chosen, weights / np.linalg.norm(weights)
