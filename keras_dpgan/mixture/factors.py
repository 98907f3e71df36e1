"""What noisy counts and moments say, and how much of it is noise."""

import numpy as np

from keras_dpgan.mixture.moment_sums import GroupMoments

# A group is never taken to have fewer rows: what is divided by it stays finite.
_SMALLEST_COUNT = 1.0
# How far counts of groups are expected to differ at least, of their mean.
_LEAST_DIFFERENCE = 0.05
# How many of the rows may be missing in a later release: owners that dropped out.
_EXPECTED_LOSS = 0.1
# Directions whose variance is below this share of the noise's largest are left
# out: they would be noise more than data.
_KEPT_SHARE_OF_NOISE = 0.5
# Of the variance around the mean of all rows, what lies between labels.
_SHARE_BETWEEN_LABELS = 0.5
# Of that variance, what lies within labels at least.
_LEAST_WITHIN = 0.3
# The least variance of a frequency, of the largest.
_LEAST_SPECTRUM = 0.002
# No direction is taken to have no variance at all.
_SMALLEST_VARIANCE = 1e-9
# How far the covariance of a group is expected to lie from what it is drawn towards,
# as a standard deviation of entries where the latter is the identity.
_EXPECTED_SPREAD = 0.35
# A group is never thinner than this share of what it is drawn towards.
_LEAST_SHARE = 0.02


def counts(moments):
    """The rows of each group.

    Where groups differ by no more than the noise does, they are taken to be alike.

    Args:
        moments: A `GroupMoments`.

    Returns:
        Float array of shape `(groups,)`, positive.
    """
    found, noise = moments.counts, moments.count_noise
    mean = max(found.mean(), _SMALLEST_COUNT)
    variance = max(np.var(found) - np.mean(noise**2), (_LEAST_DIFFERENCE * mean) ** 2)
    shrunk = mean + variance / (variance + noise**2) * (found - mean)
    return np.maximum(shrunk, np.maximum(_SMALLEST_COUNT, np.minimum(noise, mean)))


def counts_now(before, moments):
    """Counts of an earlier release, for one in which owners may have dropped out."""
    found, noise = moments.counts.sum(), np.linalg.norm(moments.count_noise)
    trust = _EXPECTED_LOSS**2 / (_EXPECTED_LOSS**2 + (noise / before.sum()) ** 2)
    left = 1.0 + trust * (found / before.sum() - 1.0)
    return np.maximum(before * max(left, 0.0), _SMALLEST_COUNT)


def means(moments):
    """The mean of each group, `(groups, dim)`, with the noise that it has."""
    return moments.sums / np.maximum(moments.counts, _SMALLEST_COUNT)[:, None]


def shrunk_means(moments, group_counts, variances):
    """The mean of each group, drawn towards zero where it may be noise.

    Args:
        moments: A `GroupMoments` of degree one, around a mean of all.
        group_counts: Float array of shape `(groups,)`.
        variances: Float array of shape `(dim,)`: of all rows, along each coordinate.

    Returns:
        Float array of shape `(groups, dim)`.
    """
    between = _SHARE_BETWEEN_LABELS * variances
    spread = moments.noise / group_counts
    trust = between / (between + spread[:, None] ** 2)
    return trust * moments.sums / group_counts[:, None]


def principal_variances(moments, rank):
    """The largest directions of all rows, and the variances along them.

    Args:
        moments: A `GroupMoments` of degree two and one group.
        rank: Int.

    Returns:
        `(directions, variances)`: orthonormal columns of shape `(dim, rank)`, and a
        positive array of shape `(rank,)`. Where variances do not stand out from the
        noise, all have their mean.
    """
    count = max(moments.counts[0], _SMALLEST_COUNT)
    values, vectors = np.linalg.eigh(moments.sums[0] / count)
    edge = noise_edge(moments.noise[0] / count, len(values))
    seen = values > _KEPT_SHARE_OF_NOISE * edge
    rest = values[~seen].mean() if not seen.all() else 0.0
    values = np.where(seen, values, rest)
    values = np.maximum(values, _SMALLEST_VARIANCE)[::-1]
    return vectors[:, ::-1][:, :rank], values[:rank]


def falling_variances(moments):
    """Variances that fall from one coordinate to the next, as those of images do.

    Args:
        moments: A `GroupMoments` of the squares of coordinates, of one group.

    Returns:
        Positive float array of shape `(dim,)`.
    """
    from sklearn import isotonic

    found = moments.sums[0] / max(moments.counts[0], _SMALLEST_COUNT)
    places = np.arange(len(found))
    falling = isotonic.IsotonicRegression(increasing=False).fit_transform(places, found)
    least = max(_LEAST_SPECTRUM * falling[0], _SMALLEST_VARIANCE)
    return np.maximum(falling, least)


def within_labels(variances, label_means, label_counts):
    """Variances around the means of labels, from those around the mean of all rows.

    Args:
        variances: Float array of shape `(dim,)`: of all rows, along each coordinate.
        label_means: Float array of shape `(labels, dim)`, around the mean of all.
        label_counts: Float array of shape `(labels,)`.

    Returns:
        Float array of shape `(dim,)`.
    """
    between = np.average(label_means**2, axis=0, weights=label_counts)
    return np.maximum(variances - between, _LEAST_WITHIN * variances)


def group_factors(moments, group_counts):
    """A factor of each group's covariance, drawn towards the mean of all groups'.

    Args:
        moments: A `GroupMoments` of degree two.
        group_counts: Float array of shape `(groups,)`.

    Returns:
        Float array of shape `(groups, dim, dim)`; see `factor`.
    """
    covariances = moments.sums / group_counts[:, None, None]
    spread = moments.noise / group_counts
    weights = group_counts / group_counts.sum()
    pooled = factor(
        np.tensordot(weights, covariances, 1), np.linalg.norm(weights * spread)
    )
    return np.stack(
        [
            component_factor(pooled, covariance, entry_noise)
            for covariance, entry_noise in zip(covariances, spread, strict=True)
        ]
    )


def split(moments, parts):
    """The `GroupMoments` of equal parts of the groups, a list."""
    fields = (np.split(field, parts) for field in moments)
    return [GroupMoments(*part) for part in zip(*fields, strict=True)]


def noise_edge(entry_noise, dim):
    """The largest eigenvalue of symmetric noise: where Wigner's semicircle ends."""
    return 2 * np.sqrt(dim) * entry_noise


def factor(covariance, entry_noise):
    """A factor of a noisy covariance.

    Args:
        covariance: Float array of shape `(dim, dim)`, symmetric.
        entry_noise: Float, the standard deviation of the noise in its entries.

    Returns:
        Float array of shape `(dim, dim)`, largest direction first: `f.T @ f` is the
        covariance without the directions that are mostly noise, whose rows are 0.
    """
    values, vectors = np.linalg.eigh(covariance)
    edge = noise_edge(entry_noise, len(covariance))
    kept = np.where(values > _KEPT_SHARE_OF_NOISE * edge, values, 0.0)
    return (np.sqrt(kept)[:, None] * vectors.T)[::-1]


def principal_axes(factor):
    """The directions of a factor that are not left out.

    Args:
        factor: What `factor` gives, of shape `(dim, dim)`.

    Returns:
        `(deviations, directions)`: standard deviations of shape `(kept,)`, largest
        first, and orthonormal rows of shape `(kept, dim)`.
    """
    deviations = np.linalg.norm(factor, axis=1)
    kept = deviations > 0
    return deviations[kept], factor[kept] / deviations[kept, None]


def component_factor(label_factor, covariance, entry_noise):
    """A factor of a component's covariance, drawn towards that of its label.

    In coordinates where the label's covariance is the identity, each entry is the
    mean of what was released and of the identity, weighted by the variances of
    noise and of what is expected.

    Args:
        label_factor: What `factor` gives for the label.
        covariance: Float array of shape `(dim, dim)`, of the component.
        entry_noise: Float, the standard deviation of the noise in its entries.

    Returns:
        Float array of shape `(dim, dim)`.
    """
    deviations, directions = principal_axes(label_factor)
    kept = len(deviations)
    scales = np.outer(deviations, deviations)
    own = directions @ covariance @ directions.T / scales
    trust = _EXPECTED_SPREAD**2 / (_EXPECTED_SPREAD**2 + (entry_noise / scales) ** 2)
    identity = np.eye(kept)
    values, vectors = np.linalg.eigh(identity + trust * (own - identity))
    root = vectors * np.sqrt(np.maximum(values, _LEAST_SHARE))
    result = np.zeros_like(label_factor)
    result[:kept] = root.T @ label_factor[:kept]
    return result
