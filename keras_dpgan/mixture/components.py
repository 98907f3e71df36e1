"""Several Gaussians for each label, where one was released before."""

from typing import NamedTuple

import numpy as np

from keras_dpgan.mixture import factors

# Of the variance of a label, how far its centres are expected to move.
_EXPECTED_MOVE = 0.25
_SPLIT_SAMPLES = 4000


class Labels(NamedTuple):
    """What is known of labels: means `(labels, dim)`, factors `(labels, dim, dim)`."""

    means: np.ndarray
    factors: np.ndarray


def split(released, labels, components, basis):
    """Splits each label into components, by three releases.

    Args:
        released: Function of the name of a step, centres and the basis, which gives
            the step's `GroupMoments`.
        labels: `Labels`, released before.
        components: Int, for each label.
        basis: Float array of shape `(row size, dim)`.

    Returns:
        Weights of shape `(labels, components)`, means `(labels, components, dim)`
        and factors `(labels, components, dim, dim)`.
    """
    num_classes, dim = labels.means.shape
    shape = (num_classes, components)
    # Of the same covariance, with rows at right angles.
    along_axes = [factors.factor(own.T @ own, 0.0) for own in labels.factors]
    centres = np.stack(
        [
            _centres(mean, factor, components)
            for mean, factor in zip(*labels, strict=True)
        ]
    )
    for name in ("first moves", "second moves"):
        moves = released(name, centres, basis)
        counts = factors.counts(moves)
        spread = moves.noise / counts
        centres = centres + _without_noise(
            (moves.sums / counts[:, None]).reshape(*shape, dim),
            spread.reshape(shape),
            along_axes,
        )
    squares = released("components", centres, basis)
    counts = factors.counts_now(counts, squares)
    by_label = [
        factors.group_factors(mine, own_counts)
        for mine, own_counts in zip(
            factors.split(squares, num_classes),
            np.split(counts, num_classes),
            strict=True,
        )
    ]
    weights = counts.reshape(shape)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return weights, centres, np.stack(by_label)


def _without_noise(moves, spread, label_factors):
    """Moves of centres, shortened where they may be noise."""
    moved = np.empty_like(moves)
    for label, label_factor in enumerate(label_factors):
        deviations, directions = factors.principal_axes(label_factor)
        variances = _EXPECTED_MOVE * deviations**2
        trust = variances / (variances + spread[label][:, None] ** 2)
        moved[label] = (trust * (moves[label] @ directions.T)) @ directions
    return moved


def _centres(mean, factor, components):
    """Where k-means puts centres among rows drawn from one Gaussian: public."""
    from sklearn import cluster

    rng = np.random.default_rng(0)
    rows = mean + rng.standard_normal((_SPLIT_SAMPLES, len(factor))) @ factor
    means = cluster.KMeans(components, n_init=1, random_state=0).fit(rows)
    return means.cluster_centers_
