"""Fits a mixture of Gaussians per label, paid for from the privacy budget."""

import collections.abc
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.mixture import components as component_releases
from keras_dpgan.mixture import factors
from keras_dpgan.mixture import moments
from keras_dpgan.mixture.class_mixture import ClassMixture
from keras_dpgan.mixture.parts import Parts
from keras_dpgan.mixture.parts import records_of
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.history_entry import one_gaussian

if typing.TYPE_CHECKING:
    from keras_dpgan.data.poisson import PoissonDataset
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.privacy.ledger.ledger import Ledger

# Of the budget (of `1 / noise_multiplier**2`, in which Gaussian mechanisms add up),
# what each release has: means of labels, basis, covariances of labels, and where
# there are components, each of two moves of their centres and their covariances.
_SHARES_OF_ONE = {"means": 0.02, "basis": 0.28, "labels": 0.7}
_SHARES_OF_MANY = {
    "means": 0.01,
    "basis": 0.15,
    "labels": 0.15,
    "moves": 0.04,  # Twice.
    "components": 0.61,
}
# How far a row is taken to be from its label's mean, of `max_norm`.
_LABEL_RADIUS = 0.6


def private_class_mixture(
    x: "IndexedRows | PoissonDataset",
    y: "IndexedRows | None" = None,
    num_classes: int = 1,
    *,
    noise_multiplier: float,
    rank: int = 64,
    components: int = 1,
    max_norm: float | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    ledger: "Ledger | None" = None,
) -> tuple[ClassMixture, HistoryEntry]:
    """Fits Gaussians to the rows of each label.

    Each release is centred on the one before it, so that what is left of a row is
    short, and the noise with it: the mean of each label; a basis of the `rank`
    largest directions around these means; each label's covariance in it. Several
    components begin at centres that k-means finds in rows drawn from these
    Gaussians, which is free. Two more releases move them to the mean of the rows
    that are nearest, and one gives each a covariance, drawn towards its label's as
    far as it is noisy. All together are one Gaussian mechanism at
    `noise_multiplier`, since Gaussian mechanisms add up by the inverse square of
    theirs (Dong, Roth and Su 2022).

    With a `ledger` the releases are entered there before they are made. A `DPGAN` of
    which a network has these very numbers (`models.mixture_generator`), in the same
    process, counts them once, with a ledger or without.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
        >>> y = np.arange(60) % 3
        >>> mixture, entry = dpgan.mixture.private_class_mixture(
        ...     x, y, num_classes=3, noise_multiplier=2.0, rank=4
        ... )
        >>> mixture.means.shape, mixture.factors.shape
        ((3, 1, 64), (3, 1, 4, 64))

    Args:
        x: Rows of shape `(n, ...)`, in anything that `data.PoissonDataset` reads:
            arrays, memory maps, lists, data sources. Or a `PoissonDataset`, whose
            records are read by themselves. They are read in parts, up to eight
            times, so that memory does not grow with their number.
        y: Int labels of shape `(n,)` in `[0, num_classes)`. Defaults to `None`,
            for a `PoissonDataset`, which has them.
        num_classes: Int. Defaults to 1.
        noise_multiplier: Positive float.
        rank: Int, directions of a Gaussian at most, those between labels among
            them. Defaults to 64.
        components: Int, Gaussians per label. Defaults to 1.
        max_norm: Positive float: longer rows, measured from black, are shortened
            to it; what is left of them around a mean, to shares of it. It must not
            depend on the rows. Defaults to `None`: half the norm of a row that is
            white throughout.
        pixel_range: Pair of floats, black and white. Defaults to `(-1.0, 1.0)`.
        ledger: A `keras_dpgan.privacy.Ledger` of the data. Defaults to `None`.

    Returns:
        `(mixture, entry)`: a `ClassMixture` and the `HistoryEntry` of it.

    Raises:
        ValueError: If an argument does not fit.
    """
    noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
    validate.check_int("num_classes", num_classes, minimum=1)
    records = _checked_records(x, y, num_classes)
    dim = int(np.prod(records.shapes[0]))
    validate.check_int("rank", rank, minimum=1, maximum=dim)
    validate.check_int("components", components, minimum=1)
    low, high = pixel_range
    if max_norm is None:
        max_norm = 0.5 * (high - low) * np.sqrt(dim)
    max_norm = validate.check_positive("max_norm", max_norm)
    entry = mixture_entry(noise_multiplier)
    if ledger is not None:
        ledger.spend(entry, "class mixture")
    parts = Parts(records, lambda rows: (rows - low) / max_norm)
    weights, means, spreads, basis = _fit(
        parts, num_classes, components, rank, noise_multiplier
    )
    mixture = ClassMixture(
        weights.astype(np.float32),
        (low + max_norm * means @ basis.T).astype(np.float32),
        (max_norm * spreads @ basis.T).astype(np.float32),
    )
    origins.release(entry, [mixture.means, mixture.factors], ledger)
    return mixture, entry


def mixture_entry(noise_multiplier: float) -> HistoryEntry:
    """What `private_class_mixture` costs.

    Examples:
        >>> dpgan.mixture.mixture_entry(noise_multiplier=2.0).sampling_probability
        1.0

    Args:
        noise_multiplier: Positive float.

    Returns:
        A `privacy.HistoryEntry`.
    """
    return one_gaussian(noise_multiplier)


def _checked_records(x, y, num_classes):
    """The records, all of whose labels were looked at."""
    records = records_of(x, y)
    if len(records.shapes) == 1:
        raise ValueError(
            "`y` must be int labels, one for each row. Received: y=None, and rows that "
            "bring no labels"
        )
    shape, dtype = records.shapes[1], records.dtypes[1]
    if shape != () or dtype.kind not in "iu":
        raise ValueError(
            "`y` must be int labels, one for each row. Received: labels of shape "
            f"{(len(records), *shape)} and dtype {dtype}"
        )
    for _, labels in Parts(records):
        if labels.min() < 0 or labels.max() >= num_classes:
            raise ValueError(
                f"`y` must lie in [0, {num_classes}). Received: labels from "
                f"{labels.min()} to {labels.max()}"
            )
    return records


def _fit(parts, num_classes, components, rank, noise_multiplier):
    """Weights, means and factors by label and component, and their basis."""
    shares = _SHARES_OF_ONE if components == 1 else _SHARES_OF_MANY
    noise = {name: noise_multiplier / np.sqrt(share) for name, share in shares.items()}
    sums = moments.GroupSums(num_classes, parts.dim, 1.0)
    for rows, y in parts:
        sums.add(rows, y)
    counts, means = sums.released(noise["means"])
    basis = _basis(parts, means, counts.sum(), rank, noise["basis"])
    parts, means = parts.then(lambda rows: rows @ basis), means @ basis
    squares = moments.GroupSquares(num_classes, basis.shape[1], _LABEL_RADIUS)
    for rows, y in parts:
        squares.add(rows - means[y], y)
    covariances = squares.released(counts, noise["labels"])
    spread = moments.covariance_noise(counts, noise["labels"], _LABEL_RADIUS)
    labels = component_releases.Labels(
        means, np.stack(list(map(factors.factor, covariances, spread)))
    )
    if components == 1:
        one = (num_classes, 1)
        return np.ones(one), means[:, None], labels.factors[:, None], basis
    weights, means, own = component_releases.split(
        parts, labels, components, noise["moves"], noise["components"]
    )
    return weights, means, own, basis


def _basis(parts, means, count, rank, noise_multiplier):
    """The largest directions around the means, after those of the means."""
    squares = moments.GroupSquares(1, parts.dim, _LABEL_RADIUS)
    for rows, y in parts:
        squares.add(rows - means[y], np.zeros(len(rows), np.int64))
    (covariance,) = squares.released(np.array([count]), noise_multiplier)
    _, vectors = np.linalg.eigh(covariance)
    between = np.linalg.svd(means, full_matrices=False)[2]
    basis, _ = np.linalg.qr(np.concatenate([between, vectors[:, ::-1].T]).T)
    return basis[:, :rank]
