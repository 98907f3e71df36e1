"""Fits a mixture of Gaussians per label, paid for from the privacy budget."""

import numpy as np

from keras_dpgan import _validate
from keras_dpgan.mixture.class_mixture import ClassMixture
from keras_dpgan.mixture.moments import noise_edge
from keras_dpgan.mixture.moments import private_moments
from keras_dpgan.privacy.history_entry import HistoryEntry

# Directions whose variance is below this share of the noise are left out: they
# would be noise more than data.
_KEPT_SHARE_OF_NOISE = 0.5
_SPLIT_SAMPLES = 2000


def private_class_mixture(
    x,
    y,
    num_classes,
    *,
    noise_multiplier,
    rank=64,
    components=1,
    max_norm=None,
    pixel_range=(-1.0, 1.0),
    ledger=None,
):
    """Fits Gaussians to the rows of each label.

    Two releases, or three with several components: a basis of the `rank` largest
    directions of all rows together; each label's Gaussian in it; and, within each
    label, Gaussians of the rows that are nearest to each of `components` centres,
    which k-means finds in rows drawn from the second release. Each is one Gaussian
    mechanism at `noise_multiplier`; see `private_moments`.

    With a `ledger` the releases are entered there before they are made. Without
    one give the entry to `DPGAN.count_release`.

    Args:
        x: Float array of shape `(n, ...)`.
        y: Int labels of shape `(n,)` in `[0, num_classes)`.
        num_classes: Int.
        noise_multiplier: Positive float.
        rank: Int. Defaults to 64.
        components: Int, Gaussians per label. Defaults to 1.
        max_norm: Positive float: longer rows, measured from black, are shortened
            to it. It must not depend on the rows. Defaults to `None`: half the
            norm of a row that is white throughout.
        pixel_range: Pair of floats, black and white. Defaults to `(-1.0, 1.0)`.
        ledger: A `keras_dpgan.privacy.Ledger` of the data. Defaults to `None`.

    Returns:
        `(mixture, entry)`: a `ClassMixture` and the `HistoryEntry` of it.

    Raises:
        ValueError: If an argument does not fit.
    """
    noise_multiplier = _validate.check_positive("noise_multiplier", noise_multiplier)
    rows = np.reshape(x, (len(x), -1)).astype(np.float64)
    _validate.check_int("rank", rank, minimum=1, maximum=rows.shape[1])
    _validate.check_int("components", components, minimum=1)
    y = _checked_labels(y, num_classes, len(rows))
    low, high = pixel_range
    if max_norm is None:
        max_norm = 0.5 * (high - low) * np.sqrt(rows.shape[1])
    max_norm = _validate.check_positive("max_norm", max_norm)
    entry = mixture_entry(noise_multiplier, components)
    if ledger is not None:
        ledger.spend(entry, "class mixture")
    rows = (rows - low) / max_norm
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0)
    basis = _basis(rows, rank, noise_multiplier)
    weights, means, factors = _gaussians(
        rows @ basis, y, num_classes, components, noise_multiplier
    )
    mixture = ClassMixture(
        weights.astype(np.float32),
        (low + max_norm * means @ basis.T).astype(np.float32),
        (max_norm * factors @ basis.T).astype(np.float32),
    )
    return mixture, entry


def mixture_entry(noise_multiplier, components):
    """What `private_class_mixture` costs.

    Args:
        noise_multiplier: Positive float.
        components: Int, Gaussians per label.

    Returns:
        A `privacy.HistoryEntry`.
    """
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=1.0,
        count=2 if components == 1 else 3,
    )


def _checked_labels(y, num_classes, n):
    _validate.check_int("num_classes", num_classes, minimum=1)
    y = np.asarray(y)
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(
            f"`y` must be int labels of shape ({n},). Received: an array of shape "
            f"{y.shape} and dtype {y.dtype}"
        )
    if n and (y.min() < 0 or y.max() >= num_classes):
        raise ValueError(
            f"`y` must lie in [0, {num_classes}). Received: labels from {y.min()} "
            f"to {y.max()}"
        )
    return y.astype(np.int64)


def _basis(rows, rank, noise_multiplier):
    """The largest directions of all rows, their mean's among them."""
    everyone = np.zeros(len(rows), np.int64)
    moments = private_moments(rows, everyone, 1, noise_multiplier)
    mean = moments.means[0]
    _, vectors = np.linalg.eigh(moments.covariances[0] + np.outer(mean, mean))
    return vectors[:, ::-1][:, :rank]


def _gaussians(rows, y, num_classes, components, noise_multiplier):
    """Weights, means and factors in the basis, by label and component."""
    rank = rows.shape[1]
    moments = private_moments(rows, y, num_classes, noise_multiplier)
    factors = _factors(moments, noise_multiplier)
    if components > 1:
        centres = np.stack(
            [
                _centres(mean, factor, components)
                for mean, factor in zip(moments.means, factors, strict=True)
            ]
        )
        groups = y * components + _nearest(rows, centres[y])
        groups_in_all = num_classes * components
        moments = private_moments(rows, groups, groups_in_all, noise_multiplier)
        factors = _factors(moments, noise_multiplier)
    shape = (num_classes, components)
    counts = moments.counts.reshape(shape)
    return (
        counts / counts.sum(axis=1, keepdims=True),
        moments.means.reshape(*shape, rank),
        factors.reshape(*shape, rank, rank),
    )


def _factors(moments, noise_multiplier):
    """A factor of each covariance: its directions that stand out of the noise."""
    values, vectors = np.linalg.eigh(moments.covariances)
    dim = values.shape[1]
    edges = noise_edge(moments.counts, dim, noise_multiplier)[:, None]
    kept = np.where(values > _KEPT_SHARE_OF_NOISE * edges, values, 0.0)
    # Largest first.
    factors = np.sqrt(kept)[:, :, None] * vectors.transpose(0, 2, 1)
    return factors[:, ::-1]


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
