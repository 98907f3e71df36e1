"""A mixture of Gaussians per label, from sums that are released with noise."""

import collections.abc
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_label_form
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.mechanisms import noise as noise_source
from keras_dpgan.mixture import components
from keras_dpgan.mixture import factors
from keras_dpgan.mixture import frequencies
from keras_dpgan.mixture import parts
from keras_dpgan.mixture.class_mixture import ClassMixture
from keras_dpgan.mixture.moment_sums import GroupMoments
from keras_dpgan.mixture.plan import MixturePlan
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.history_entry import one_gaussian

# Frequencies that get a guess, of those that were measured, and their variance, of the
# least of these. Without, a classifier would learn that they are always zero.
_FILLED = 4
_SHARE_BEYOND = 0.5

if typing.TYPE_CHECKING:
    from keras_dpgan.data.poisson import PoissonDataset
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.privacy.ledger.ledger import Ledger


def private_class_mixture(
    x: "IndexedRows | PoissonDataset",
    y: "IndexedRows | None" = None,
    num_classes: int = 1,
    *,
    noise_multiplier: float,
    rank: int = 64,
    components: int = 1,
    basis: str = "private",
    max_norm: float | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    ledger: "Ledger | None" = None,
) -> tuple[ClassMixture, HistoryEntry]:
    """Fits Gaussians to the rows of each label.

    What a mixture is made of are sums over the rows (`MixturePlan`, `MomentSums`), each
    released once with noise and centred on those before it, so that what is left of a
    row is short, and the noise with it: the mean of all rows; their covariance, whose
    largest directions are kept; the mean of each label; each label's covariance.
    Several components begin at centres that k-means finds in rows drawn from these
    Gaussians, which is free. Two more releases move them to the mean of the rows
    that are nearest, and one gives each a covariance. What stands out little from its
    noise is drawn towards what all labels have in common. All together are one Gaussian
    mechanism at `noise_multiplier`, since Gaussian mechanisms add up by the inverse
    square of theirs (Dong, Roth and Su 2022).

    With a `ledger` the releases are entered there before they are made. A `DPGAN` of
    which a network has these very numbers (`models.mixture_generator`), in the same
    process, counts them once, with a ledger or without. Where the rows have several
    owners, `federated` makes the same of the owners' sums.

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
        basis: As in `MixturePlan`. Defaults to `"private"`.
        max_norm: As in `MixturePlan`.
        pixel_range: Pair of floats, black and white. Defaults to `(-1.0, 1.0)`.
        ledger: A `keras_dpgan.privacy.Ledger` of the data. Defaults to `None`.

    Returns:
        `(mixture, entry)`: a `ClassMixture` and the `HistoryEntry` of it.

    Raises:
        ValueError: If an argument does not fit.
    """
    noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
    records = _records(x, y, num_classes)
    plan = MixturePlan(
        shape=records.shapes[0],
        num_classes=num_classes,
        rank=rank,
        components=components,
        basis=basis,
        max_norm=max_norm,
        pixel_range=pixel_range,
    )
    for _, labels in parts.of(records):
        plan.labels(labels, len(labels))
    entry = mixture_entry(noise_multiplier)
    if ledger is not None:
        ledger.spend(entry, "class mixture")

    def release(number, arrays):
        sums = plan.sums(number, *arrays)
        noise = noise_multiplier / np.sqrt(plan.steps[number].share)
        vector = np.zeros(sums.size)
        for rows, labels in parts.of(records):
            vector += sums.of(plan.rows(rows), labels)
        return sums.read(
            vector + noise * noise_source.standard_normals(vector.shape), noise
        )

    mixture = fit(plan, release)
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


def _records(x, y, num_classes):
    """The records, whose labels have the form of labels."""
    records = parts.records_of(x, y)
    n = len(records)
    if len(records.shapes) == 1:
        check_labels("y", None, n, num_classes)
    shape, dtype = (n, *records.shapes[1]), records.dtypes[1]
    check_label_form("y", shape, dtype, n, num_classes)
    return records


def fit(
    plan: MixturePlan,
    release: collections.abc.Callable[[int, list[np.ndarray]], GroupMoments],
) -> ClassMixture:
    """Makes a mixture of what is released of some rows.

    It sees the rows through `release` alone: what is released costs, and the rest is
    free. It is public for those who release sums in a way of their own, as `federated`
    does over several owners.

    Args:
        plan: A `MixturePlan`.
        release: Function of the number of a step and of `[centres, basis]`, what
            `plan.sums` takes, which gives a `GroupMoments`: the noisy sums of rows.

    Returns:
        A `ClassMixture`.
    """
    weights, means, spreads, basis = _fit(plan, release)
    low, scale = plan.pixel_range[0], plan.max_norm
    return ClassMixture(
        weights.astype(np.float32),
        (low + scale * means @ basis.T).astype(np.float32),
        (scale * spreads @ basis.T).astype(np.float32),
    )


def _fit(plan, release):
    """Weights, means and factors by label and component, and their basis."""
    numbers = {step.name: i for i, step in enumerate(plan.steps)}

    def released(name, centres, basis):
        number = numbers[name]
        return release(number, [centres, basis])

    basis = plan.public_basis()
    alike = np.zeros((plan.num_classes, 1, basis.shape[1]))
    overall = factors.means(released("mean", alike, basis))
    overall = _in_range(plan, overall, basis)
    if plan.covariances == "shared":
        total = released("variances", alike + overall, basis)
        variances = factors.falling_variances(total)
    else:
        total = released("covariance", alike + overall, basis)
        directions, variances = factors.principal_variances(total, plan.rank)
        basis, overall = basis @ directions, overall @ directions
    of_labels = released(
        "means", np.broadcast_to(overall, (plan.num_classes, 1, plan.rank)), basis
    )
    counts = factors.counts(of_labels)
    means = factors.shrunk_means(of_labels, counts, variances)
    means = _in_range(plan, overall + means, basis)
    if plan.covariances == "shared":
        within = factors.within_labels(variances, means - overall, counts)
        return _of_frequencies(plan, means, within)
    squares = released("labels", means[:, None], basis)
    counts = factors.counts_now(counts, squares)
    own = factors.group_factors(squares, counts)
    if plan.components == 1:
        return np.ones((plan.num_classes, 1)), means[:, None], own[:, None], basis
    labels = components.Labels(means, own)
    return *components.split(released, labels, plan.components, basis), basis


def _of_frequencies(plan, means, variances):
    """A mixture with variances of frequencies alone, and a guess of those beyond."""
    measured = len(variances)
    filled = min(plan.size, _FILLED * measured)
    spread = np.full(filled, _SHARE_BEYOND * variances.min())
    spread[:measured] = variances
    wider = np.zeros((plan.num_classes, 1, filled))
    wider[:, 0, :measured] = means
    shared = np.broadcast_to(
        np.diag(np.sqrt(spread)), (plan.num_classes, 1, filled, filled)
    )
    basis = frequencies.lowest(plan.shape, filled)
    return np.ones((plan.num_classes, 1)), wider, shared, basis


def _in_range(plan, means, basis):
    """Means of rows that all lie in the range of pixels lie there, too."""
    low, high = plan.pixel_range
    return np.clip(means @ basis.T, 0.0, (high - low) / plan.max_norm) @ basis
