"""Several Gaussians for each label, where one was released before."""

from typing import NamedTuple

import numpy as np

from keras_dpgan.mixture import factors
from keras_dpgan.mixture import moments

_MOVES = 2
# How far a row is taken to be from its component's centre, of `max_norm`.
_RADIUS = 0.45
# Of the variance of a label, how far its centres are expected to move.
_EXPECTED_MOVE = 0.25
_SPLIT_SAMPLES = 4000


class Labels(NamedTuple):
    """What is known of labels: means `(labels, dim)`, factors `(labels, dim, dim)`."""

    means: np.ndarray
    factors: np.ndarray


def split(parts, labels, components, moves_noise, covariances_noise):
    """Splits each label into components, by the releases of three mechanisms.

    Args:
        parts: Private rows and labels, part by part, each time it is iterated.
        labels: `Labels`, released before.
        components: Int, for each label.
        moves_noise: Float, the noise multiplier of each of the two releases that
            move the centres.
        covariances_noise: Float, that of the release of covariances.

    Returns:
        Weights of shape `(labels, components)`, means `(labels, components, dim)`
        and factors `(labels, components, dim, dim)`.
    """
    num_classes, dim = labels.means.shape
    shape = (num_classes, components)
    centres = np.stack(
        [
            _centres(mean, factor, components)
            for mean, factor in zip(*labels, strict=True)
        ]
    )
    for _ in range(_MOVES):
        sums = moments.GroupSums(num_classes * components, dim, _RADIUS)
        for rows, y in parts:
            groups, residuals = _around(centres, rows, y)
            sums.add(residuals, groups)
        counts, moves = sums.released(moves_noise)
        spread = moments.mean_noise(counts, moves_noise, _RADIUS)
        centres = centres + _without_noise(
            moves.reshape(*shape, dim), spread.reshape(shape), labels.factors
        )
    squares = moments.GroupSquares(num_classes * components, dim, _RADIUS)
    for rows, y in parts:
        groups, residuals = _around(centres, rows, y)
        squares.add(residuals, groups)
    covariances = squares.released(counts, covariances_noise)
    own = _factors(covariances, counts, num_classes, covariances_noise)
    weights = counts.reshape(shape)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return weights, centres, own.reshape(*shape, dim, dim)


def _around(centres, rows, y):
    """Each row's group, of the nearest centre of its label, and what is left of it."""
    nearest = _nearest(rows, centres[y])
    return y * centres.shape[1] + nearest, rows - centres[y, nearest]


def _without_noise(moves, spread, label_factors):
    """Moves of centres, shortened where they may be noise."""
    moved = np.empty_like(moves)
    for label, label_factor in enumerate(label_factors):
        deviations, directions = factors.principal_axes(label_factor)
        variances = _EXPECTED_MOVE * deviations**2
        trust = variances / (variances + spread[label][:, None] ** 2)
        moved[label] = (trust * (moves[label] @ directions.T)) @ directions
    return moved


def _factors(covariances, counts, num_classes, noise_multiplier):
    """A factor of each component, drawn towards the mean of its label's."""
    spread = moments.covariance_noise(counts, noise_multiplier, _RADIUS)
    own = []
    for mine, weights, noise in zip(
        np.split(covariances, num_classes),
        np.split(counts, num_classes),
        np.split(spread, num_classes),
        strict=True,
    ):
        weights = weights / weights.sum()
        pooled = factors.factor(
            np.tensordot(weights, mine, 1), np.linalg.norm(weights * noise)
        )
        own += [
            factors.component_factor(pooled, covariance, entry_noise)
            for covariance, entry_noise in zip(mine, noise, strict=True)
        ]
    return np.stack(own)


def _centres(mean, factor, components):
    """Where k-means puts centres among rows drawn from one Gaussian: public."""
    from sklearn import cluster

    rng = np.random.default_rng(0)
    rows = mean + rng.standard_normal((_SPLIT_SAMPLES, len(factor))) @ factor
    means = cluster.KMeans(components, n_init=1, random_state=0).fit(rows)
    return means.cluster_centers_


def _nearest(rows, centres):
    """The index of the nearest of each row's own centres."""
    return np.stack(
        [np.sum((rows - centres[:, i]) ** 2, axis=1) for i in range(centres.shape[1])]
    ).argmin(axis=0)
