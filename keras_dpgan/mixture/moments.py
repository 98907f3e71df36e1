"""Counts, means and covariances of groups of rows, as one Gaussian mechanism."""

import collections

import numpy as np
import tensorflow as tf

from keras_dpgan.mechanisms import noise

# What rounding in float64 may add to a norm of one.
_ROUNDING_MARGIN = 1e-12
# A group is never taken to have fewer rows: what is divided by it stays finite.
_SMALLEST_COUNT = 1.0


class Moments(collections.namedtuple("Moments", ["counts", "means", "covariances"])):
    """Noisy moments of groups of rows, all in units of the rows.

    Attributes:
        counts: Float64 array of shape `(groups,)`, at least one.
        means: Float64 array of shape `(groups, dim)`.
        covariances: Float64 array of shape `(groups, dim, dim)`: symmetric, with
            negative eigenvalues where noise outweighs them.
    """

    __slots__ = ()


def private_moments(rows, groups, num_groups, noise_multiplier):
    """Releases the first two moments of each group of rows.

    A row `u` enters as the matrix `s s^T` of `s = (1, u) / sqrt(2)`, whose
    Frobenius norm is at most one. Noise is symmetric: entries above the diagonal
    stand for two, and have half of its variance. So all groups together are one
    Gaussian mechanism of sensitivity one, and adding or removing one row costs
    what one update at `noise_multiplier` and sampling probability one does.

    Source: Dwork, Talwar, Thakurta and Zhang 2014, "Analyze Gauss".

    Args:
        rows: Float array of shape `(n, dim)`; rows longer than one are shortened.
        groups: Int array of shape `(n,)` in `[0, num_groups)`. A row's group may
            depend on that row and on public numbers alone.
        num_groups: Int.
        noise_multiplier: Non-negative float.

    Returns:
        `Moments`.
    """
    rows = _within_unit_ball(np.asarray(rows, np.float64))
    sums = np.stack([_second_moment(rows[groups == g]) for g in range(num_groups)])
    sums += noise_multiplier * _symmetric_noise(sums.shape)
    counts = np.maximum(2 * sums[:, 0, 0], _SMALLEST_COUNT)
    means = 2 * sums[:, 0, 1:] / counts[:, None]
    seconds = 2 * sums[:, 1:, 1:] / counts[:, None, None]
    return Moments(counts, means, seconds - means[:, :, None] * means[:, None, :])


def noise_edge(count, dim, noise_multiplier):
    """The largest eigenvalue that noise alone gives a covariance of a group."""
    # Off the diagonal a second moment has noise of sqrt(2) z / n; Wigner's
    # semicircle ends at twice that times sqrt(dim).
    return 2 * np.sqrt(2 * dim) * noise_multiplier / count


def _within_unit_ball(rows):
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows * (1 - _ROUNDING_MARGIN) / np.maximum(norms, 1.0)


def _second_moment(rows):
    augmented = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
    return augmented.T @ augmented / 2


def _symmetric_noise(shape):
    (normals,) = noise.process_stream().normal([shape], tf.float64)
    normals = normals.numpy()
    # The mean of two independent entries has half of their variance; the
    # diagonal keeps its own.
    symmetric = (normals + normals.transpose(0, 2, 1)) / 2
    diagonal = np.arange(shape[1])
    symmetric[:, diagonal, diagonal] = normals[:, diagonal, diagonal]
    return symmetric
