"""Counts, means and covariances of groups of rows, as Gaussian mechanisms."""

import numpy as np
import tensorflow as tf

from keras_dpgan.mechanisms import noise

# What rounding in float64 may add to a norm of one.
_ROUNDING_MARGIN = 1e-12
# A group is never taken to have fewer rows: what is divided by it stays finite.
_SMALLEST_COUNT = 1.0


def private_means(
    rows: np.ndarray,
    groups: np.ndarray,
    num_groups: int,
    noise_multiplier: float,
    radius: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Releases how many rows each group has, and their mean.

    A row `u`, shortened to `radius`, enters its group's sum as
    `(1, u / radius) / sqrt(2)`, of norm at most one. So all groups together are one
    Gaussian mechanism of sensitivity one: adding or removing one row costs what one
    update at `noise_multiplier` and sampling probability one does.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> counts, means = dpgan.mixture.private_means(
        ...     x, y, num_groups=3, noise_multiplier=2.0, radius=4.0
        ... )
        >>> counts.shape, means.shape
        ((3,), (3, 4))

    Args:
        rows: Float array of shape `(n, dim)`. Rows that are not finite count as
            zeros.
        groups: Int array of shape `(n,)` in `[0, num_groups)`. A row's group may
            depend on that row and on public numbers alone.
        num_groups: Int.
        noise_multiplier: Non-negative float.
        radius: Positive float, public.

    Returns:
        `(counts, means)`, float64 arrays of shapes `(num_groups,)` and
        `(num_groups, dim)`. Counts are at least one; a mean's coordinates have
        noise of standard deviation `mean_noise(counts, noise_multiplier, radius)`.
    """
    sums = GroupSums(num_groups, np.shape(rows)[1], radius)
    sums.add(rows, groups)
    return sums.released(noise_multiplier)


class GroupSums:
    """The sums that `private_means` releases, added up part by part.

    Args:
        num_groups: Int.
        dim: Int, the size of a row.
        radius: Positive float, public.
    """

    def __init__(self, num_groups, dim, radius):
        self._radius = radius
        self._sums = np.zeros((num_groups, 1 + dim))

    def add(self, rows, groups):
        """Adds rows to the sums of their groups; see `private_means`."""
        rows = _within_unit_ball(rows, self._radius)
        augmented = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
        for group in np.unique(groups):
            mine = augmented[groups == group].sum(axis=0)
            self._sums[group] += mine / np.sqrt(2)

    def released(self, noise_multiplier):
        """What `private_means` returns, with noise of its own each time."""
        sums = self._sums + noise_multiplier * _noise(self._sums.shape)
        counts = np.maximum(np.sqrt(2) * sums[:, 0], _SMALLEST_COUNT)
        return counts, self._radius * np.sqrt(2) * sums[:, 1:] / counts[:, None]


def mean_noise(counts, noise_multiplier, radius):
    """The standard deviation of the noise in each coordinate of a mean."""
    return np.sqrt(2) * radius * noise_multiplier / counts


def private_covariances(
    rows: np.ndarray,
    groups: np.ndarray,
    counts: np.ndarray,
    noise_multiplier: float,
    radius: float,
) -> np.ndarray:
    """Releases the mean of `u u^T` over the rows `u` of each group.

    A row enters as `u u^T / radius^2`, whose Frobenius norm is at most one. Noise is
    symmetric: entries above the diagonal stand for two, and have half of its
    variance. So all groups together are one Gaussian mechanism of sensitivity one.
    The nearer to its centre a row is known to be, the smaller can `radius` be, and
    the noise falls with its square.

    Source: Dwork, Talwar, Thakurta and Zhang 2014, "Analyze Gauss"; Biswas et al.
    2020, "CoinPress", for the centring on what was released before.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> covariances = dpgan.mixture.private_covariances(
        ...     x, y, counts=np.full(3, 20.0), noise_multiplier=2.0, radius=4.0
        ... )
        >>> covariances.shape
        (3, 4, 4)

    Args:
        rows: Float array of shape `(n, dim)`, less their group's public centre.
            Rows that are not finite count as zeros.
        groups: As in `private_means`.
        counts: Float array of shape `(num_groups,)`, public and positive.
        noise_multiplier: Non-negative float.
        radius: Positive float, public.

    Returns:
        Float64 array of shape `(num_groups, dim, dim)`: symmetric, with negative
        eigenvalues where noise outweighs them.
    """
    sums = GroupSquares(len(counts), np.shape(rows)[1], radius)
    sums.add(rows, groups)
    return sums.released(counts, noise_multiplier)


class GroupSquares:
    """The sums that `private_covariances` releases, added up part by part.

    Args:
        num_groups: Int.
        dim: Int, the size of a row.
        radius: Positive float, public.
    """

    def __init__(self, num_groups, dim, radius):
        self._radius = radius
        self._sums = np.zeros((num_groups, dim, dim))

    def add(self, rows, groups):
        """Adds rows to the sums of their groups; see `private_covariances`."""
        rows = _within_unit_ball(rows, self._radius)
        for group in np.unique(groups):
            mine = rows[groups == group]
            self._sums[group] += mine.T @ mine

    def released(self, counts, noise_multiplier):
        """What `private_covariances` returns, with noise of its own each time."""
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
