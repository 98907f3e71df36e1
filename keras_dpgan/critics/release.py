"""Sums the records up once, for a critic that needs no record afterwards."""

import pathlib
import tempfile
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.critics import standards
from keras_dpgan.critics.released_critic import ReleasedCritic
from keras_dpgan.data.checks import check_records
from keras_dpgan.distribution import workers
from keras_dpgan.mechanisms import noise as noise_source
from keras_dpgan.mixture import parts
from keras_dpgan.mixture.moment_sums import MomentSums
from keras_dpgan.models.output_range import output_range
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history_entry import one_gaussian

if typing.TYPE_CHECKING:
    from keras_dpgan.data.poisson import PoissonDataset
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.privacy.ledger.ledger import Ledger

# Of the budget, for means where second moments are released, too.
_MEANS_SHARE = 0.4
_ROWS_AT_ONCE = 512
# A group is never taken to have fewer rows: what is divided by it stays finite.
_SMALLEST_COUNT = 1.0
# How far means and mean products of records are expected to be from those of generated
# rows, in units of the spread. Groups whose noise is larger count less.
_EXPECTED_SHIFT = 0.25
_EXPECTED_PRODUCT = 0.35


def release_critic(
    gan: typing.Any,
    x: "IndexedRows | PoissonDataset",
    y: "IndexedRows | None" = None,
    *,
    features: keras.layers.Layer,
    noise_multiplier: float,
    groups_per_label: int = 1,
    second_moments: int = 0,
    max_norm: float | None = None,
    num_reference: int = 10_000,
    ledger: "Ledger | None" = None,
) -> ReleasedCritic:
    """Releases means of fixed features, from which a generator can learn for free.

    A critic that is linear in features of the rows sees of the records the mean of
    these features alone. So the records are read once: their features are summed up
    by label, or by several groups of each label, and the sums are released with
    noise, as one Gaussian mechanism of sensitivity one. `gan.compile(critic=...)` and
    `gan.fit()` then train the generator until its rows have the same means; no step
    of it reads a record, so that as many as one likes, restarts and other settings
    of the generator cost nothing more.

    Everything that is not private comes from the features, which must be public, and
    from rows that `gan` generates: where the features are centered and how they are
    scaled, how long a row's may be, and which groups there are (k-means among the
    generated rows of each label; a row belongs to the nearest of its label). So start
    at a generator that makes something like the records (`models.mixture_generator`).

    A row enters its group's sum as `(1, u / max_norm) / sqrt(2)`, of norm at most
    one, where `u` are its standardized features. With `second_moments=k` the products
    `v v^T` of `k` whitened directions are summed by label, too. Source: Harder,
    Adamczewski and Park 2021, "DP-MERF", for means of features that are released
    once; the noise multipliers of the two sums add up to `noise_multiplier` (Dong,
    Roth and Su 2022).

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
        >>> y = np.arange(60) % 3
        >>> mixture, _ = dpgan.mixture.private_class_mixture(
        ...     x, y, num_classes=3, noise_multiplier=2.0, rank=4
        ... )
        >>> gan = dpgan.DPGAN(
        ...     None, dpgan.models.mixture_generator((8, 8, 1), mixture, width=4)
        ... )
        >>> critic = dpgan.critics.release_critic(
        ...     gan,
        ...     x,
        ...     y,
        ...     features=dpgan.features.Scattering(angles=2),
        ...     noise_multiplier=2.0,
        ...     num_reference=300,
        ... )
        >>> gan.compile(critic=critic, g_optimizer="adam")
        >>> history = gan.fit(steps_per_epoch=2, batch_size=30, verbose=0)
        >>> [entry.count for entry in gan.privacy_history.entries]
        [2]

    Args:
        gan: The `DPGAN` that is to learn, or one that makes similar rows.
        x: Rows of shape `(n, ...)` in the generator's range, in anything that
            `data.PoissonDataset` reads: arrays, memory maps, lists, data sources. Or
            a `PoissonDataset`, whose records are read once each. They are read in
            parts, so that memory does not grow with their number.
        y: Int labels of shape `(n,)`, for a `gan` with labels. Defaults to `None`.
        features: A layer or model from rows to numbers: `features.Scattering`,
            `features.RandomFeatures`, or any that is public. It must compute each
            row from that row alone, and none of its weights may ever have seen the
            private records.
        noise_multiplier: Positive float, of the one Gaussian mechanism.
        groups_per_label: Int. Defaults to 1.
        second_moments: Int, the directions, largest first, whose products are
            released. Defaults to 0: none are.
        max_norm: Positive float: longer standardized features are shortened to it.
            Defaults to `None`: 1.8 times the median of those of generated rows.
        num_reference: Int, the rows that `gan` generates. Defaults to 10,000.
        ledger: A `privacy.Ledger` of the data, where the release is entered before
            its noise is drawn. Of several workers, each of which makes this call with
            the same data, the chief alone reads them, draws noise and has the ledger.
            Defaults to `None`.

    Returns:
        A `ReleasedCritic`, which carries what was spent on it.

    Raises:
        ValueError: If an argument does not fit, before anything is spent.
    """
    noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
    if max_norm is not None:
        max_norm = validate.check_positive("max_norm", max_norm)
    validate.check_int("groups_per_label", groups_per_label, minimum=1)
    validate.check_int("second_moments", second_moments, minimum=0)
    validate.check_int("num_reference", num_reference, minimum=100)
    _check_gan(gan)
    records = _checked_records(gan, x, y)
    fixed = standards.frozen(features, gan.row_shape)
    critic = ReleasedCritic(
        fixed,
        gan.row_shape,
        gan.num_classes,
        groups_per_label,
        num_features=int(np.prod(fixed.output_shape[1:])),
        second_moments=second_moments,
        num_examples=len(records),
    )
    standards.check_keeps_rows_apart(critic.features, gan.row_shape, _ROWS_AT_ONCE)
    standards.set_by(critic, gan, num_reference, max_norm)
    # What the features and the generated rows cost, if they were made privately.
    critic.privacy_record.watch([critic.features])
    for origin in gan.privacy_record.parts():
        critic.privacy_record.absorb(origin)
    strategy = gan.distribute_strategy
    if workers.is_chief(strategy):
        _sum_and_release(critic, records, noise_multiplier, ledger)
    return _of_chief(critic, strategy) if workers.are_several(strategy) else critic


def _sum_and_release(critic, records, noise_multiplier, ledger):
    """Reads the records, enters the release in the ledger, and draws its noise."""
    entry = one_gaussian(noise_multiplier)
    sums = _sums(critic, records)
    if ledger is not None:
        ledger.spend(entry, "critic")
    _release(critic, sums, noise_multiplier)
    released = [critic.means.numpy(), critic.squares.numpy()]
    critic.privacy_record.absorb(origins.release(entry, released, ledger))


def _of_chief(critic, strategy):
    """The chief's critic, in each worker.

    With noise of its own in each, the records would be released several times.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "critic.keras"
        critic.save(path)
        path.write_bytes(workers.broadcast(strategy, path.read_bytes()))
        return keras.saving.load_model(path)


def _check_gan(gan):
    if not hasattr(gan, "generation") or not hasattr(gan, "privacy_record"):
        raise ValueError(
            "`gan` must be a `DPGAN`, whose generated rows say how features are "
            f"scaled. Received: gan={gan!r:.80}"
        )
    if gan.condition_shape is not None:
        raise ValueError(
            "`gan` must take labels, or nothing besides latents: a critic is released "
            "by label. Received: a generator that takes vectors of shape "
            f"{gan.condition_shape}"
        )


def _checked_records(gan, x, y):
    """The records, all of which were looked at."""
    records = parts.records_of(x, y)
    value_range = output_range(gan.generator)
    check_records(x, y, gan.row_shape, gan.num_classes, value_range)
    return records


def _moment_sums(critic):
    """What rows are turned into: features by group, and main products by label."""
    means = MomentSums(
        centres=np.zeros((critic.num_groups, 1, critic.num_features)),
        degree=1,
        radius=float(critic.max_norm.numpy()),
        count_weight=np.sqrt(0.5),
    )
    squares = MomentSums(
        centres=np.zeros((critic.num_labels, 1, critic.second_moments)),
        degree=2,
        radius=float(critic.max_square_norm.numpy()),
    )
    return (means, squares) if critic.second_moments else (means,)


def _sums(critic, records):
    """The sums over all records: private, and without noise."""
    embed = tf.function(critic, reduce_retracing=True)
    kinds = _moment_sums(critic)
    sums = [np.zeros(kind.size) for kind in kinds]
    for rows, labels in parts.of(records, _ROWS_AT_ONCE):
        rows = np.asarray(rows, np.float32)
        groups, found, main = (t.numpy() for t in embed([rows, labels]))
        features = ((found, groups), (main, labels))
        for total, kind, of_rows in zip(sums, kinds, features, strict=False):
            total += kind.of(*of_rows)
    return sums


def _release(critic, sums, noise_multiplier):
    """Draws the noise, of which the critic keeps what comes out."""
    shares = (_MEANS_SHARE, 1 - _MEANS_SHARE) if len(sums) > 1 else (1.0,)
    released = []
    for kind, total, share in zip(_moment_sums(critic), sums, shares, strict=True):
        noise = noise_multiplier / np.sqrt(share)
        released.append(
            kind.read(total + noise * noise_source.standard_normals(total.shape), noise)
        )
    _assign(critic.means, critic.means_trust, released[0], _EXPECTED_SHIFT)
    if len(sums) > 1:
        _assign(critic.squares, critic.squares_trust, released[1], _EXPECTED_PRODUCT)


def _assign(means, trust, moments, expected):
    """Keeps what was released of groups, and how much of each is no noise."""
    counts = np.maximum(moments.counts, _SMALLEST_COUNT)
    means.assign(moments.sums / np.reshape(counts, (-1, *[1] * (len(means.shape) - 1))))
    trust.assign(_trust(moments.noise / counts, expected))


def _trust(noise, expected):
    """What is left of a number with noise, of which that much was expected."""
    return expected**2 / (expected**2 + noise**2)
