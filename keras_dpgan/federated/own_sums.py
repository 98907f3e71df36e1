"""Sums of which everyone has noise of its own, put together."""

import numpy as np

from keras_dpgan.mixture import GroupMoments
from keras_dpgan.mixture import factors


def by_inverse_variance(parts):
    """Moments of owners who differ in size, each with as much noise as the others.

    The mean of an owner with twice the rows has half the noise. So owners are weighted,
    in each group, by their noisy counts: that is by the inverse variance of the noise
    in their means. The sum of weighted counts is that of the counts.

    Args:
        parts: List of `GroupMoments`, one of each owner.

    Returns:
        A `GroupMoments`.
    """
    stacked = GroupMoments(*map(np.stack, zip(*parts, strict=True)))
    counts = np.stack([factors.counts(part) for part in parts])
    weights = counts * counts.sum(axis=0) / np.sum(counts**2, axis=0)

    def weighted(values):
        shape = weights.shape + (1,) * (values.ndim - 2)
        return np.sum(weights.reshape(shape) * values, axis=0)

    def weighted_noise(deviations):
        return np.linalg.norm(weights * deviations, axis=0)

    return GroupMoments(
        weighted(stacked.counts),
        weighted(stacked.sums),
        weighted_noise(stacked.count_noise),
        weighted_noise(stacked.noise),
    )
