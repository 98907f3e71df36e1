"""Counts, means and covariances of groups of rows, as Gaussian mechanisms."""

import numpy as np
import tensorflow as tf

from keras_dpgan.mechanisms import noise

# What rounding in float64 may add to a norm of one.
_ROUNDING_MARGIN = 1e-12
# A group is never taken to have fewer rows: what is divided by it stays finite.
_SMALLEST_COUNT = 1.0


class GroupSums:
    """Releases how many rows each group has and their mean, from parts of the rows.

    A row `u`, shortened to `radius`, enters its group's sum as
    `(1, u / radius) / sqrt(2)`, whose norm is at most one. So all groups together are
    one Gaussian mechanism of sensitivity one.

    Args:
        num_groups: Int.
        dim: Int, the size of a row.
        radius: Positive float, public.
    """

    def __init__(self, num_groups, dim, radius):
        self._radius = radius
        self._sums = np.zeros((num_groups, 1 + dim))

    def add(self, rows, groups):
        """Adds rows to the sums of their groups.

        Args:
            rows: Float array of shape `(n, dim)`. Rows that are not finite count as
                zeros.
            groups: Int array of shape `(n,)` in `[0, num_groups)`. A row's group may
                depend only on that row and on public numbers.
        """
        rows = _within_unit_ball(rows, self._radius)
        augmented = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
        for group in np.unique(groups):
            mine = augmented[groups == group].sum(axis=0)
            self._sums[group] += mine / np.sqrt(2)

    def released(self, noise_multiplier):
        """`(counts, means)` with fresh noise; counts are at least one."""
        sums = self._sums + noise_multiplier * _noise(self._sums.shape)
        counts = np.maximum(np.sqrt(2) * sums[:, 0], _SMALLEST_COUNT)
        return counts, self._radius * np.sqrt(2) * sums[:, 1:] / counts[:, None]


def mean_noise(counts, noise_multiplier, radius):
    """The standard deviation of the noise in each coordinate of a mean."""
    return np.sqrt(2) * radius * noise_multiplier / counts


class GroupSquares:
    """Releases the mean of `u u^T` over the rows `u` of each group, from parts of them.

    A row enters as `u u^T / radius^2`, whose Frobenius norm is at most one. Noise is
    symmetric: entries above the diagonal stand for two, and have half of its variance.
    So all groups together are one Gaussian mechanism of sensitivity one.

    Source: Dwork, Talwar, Thakurta and Zhang 2014, "Analyze Gauss"; Biswas et al.
    2020, "CoinPress", for the centering on what was released before.

    Args:
        num_groups: Int.
        dim: Int, the size of a row.
        radius: Positive float, public.
    """

    def __init__(self, num_groups, dim, radius):
        self._radius = radius
        self._sums = np.zeros((num_groups, dim, dim))

    def add(self, rows, groups):
        """Adds rows, less their group's public center, as `GroupSums.add` does."""
        rows = _within_unit_ball(rows, self._radius)
        for group in np.unique(groups):
            mine = rows[groups == group]
            self._sums[group] += mine.T @ mine

    def released(self, counts, noise_multiplier):
        """Float64 array `(num_groups, dim, dim)`, symmetric, with fresh noise.

        It has negative eigenvalues if noise outweighs them.
        """
        sums = self._sums + noise_multiplier * _symmetric_noise(self._sums.shape)
        return self._radius**2 * sums / counts[:, None, None]


def covariance_noise(counts, noise_multiplier, radius):
    """The standard deviation of the noise in entries off a covariance's diagonal."""
    return radius**2 * noise_multiplier / (np.sqrt(2) * counts)


def noise_edge(entry_noise, dim):
    """The largest eigenvalue of symmetric noise: where Wigner's semicircle ends."""
    return 2 * np.sqrt(dim) * entry_noise


def _within_unit_ball(rows, radius):
    rows = np.asarray(rows, np.float64) / radius
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows * (1 - _ROUNDING_MARGIN) / np.maximum(norms, 1.0)


def _noise(shape):
    (normals,) = noise.process_stream().normal([shape], tf.float64)
    return normals.numpy()


def _symmetric_noise(shape):
    normals = _noise(shape)
    # The mean of two independent entries has half of their variance; the
    # diagonal keeps its own.
    symmetric = (normals + normals.transpose(0, 2, 1)) / 2
    diagonal = np.arange(shape[1])
    symmetric[:, diagonal, diagonal] = normals[:, diagonal, diagonal]
    return symmetric
