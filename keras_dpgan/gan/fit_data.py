"""The data that `fit` was given, and which sampling may be claimed for them."""

import dataclasses
import math
import typing
import weakref

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.data import sharded
from keras_dpgan.data.allocation import AllocationDataset
from keras_dpgan.data.batches import check_first_batch
from keras_dpgan.data.checks import check_records
from keras_dpgan.data.padding import PaddedDataset
from keras_dpgan.data.poisson import PoissonDataset
from keras_dpgan.data.records import as_array
from keras_dpgan.data.records import refuse_kind
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.distribution import workers

DEFAULT_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Batches, and the public facts about them.

    Attributes:
        batches: What Keras iterates over.
        expected_batch_size: Positive float: what a noised sum is divided by.
        sampling_probability: The Poisson rate q, or `None` where sampling is not
            Poisson.
        allocation_batches: Under random allocation the batches among which each row
            is in one, or `None`.
        num_examples: The number of rows, or `None` where it is not known.
        seeded: Whether someone who knows a seed can repeat the draws.
        max_participations: For sampling that is neither, the declared most updates
            that one record takes part in; `None` means every one.
        hidden: The `PoissonDataset` that replicas draw `batches` from, which Keras
            does not see.
        steps_per_epoch: Int, the batches that make an epoch; `None` for all.
    """

    batches: typing.Any
    expected_batch_size: float
    sampling_probability: float | None = None
    num_examples: int | None = None
    seeded: bool = False
    max_participations: int | None = None
    hidden: PoissonDataset | None = None
    steps_per_epoch: int | None = None
    allocation_batches: int | None = None

    @property
    def is_drawn_here(self):
        """Whether all records were looked at, and batches are drawn from them here."""
        drawn = (self.sampling_probability, self.allocation_batches)
        return drawn != (None, None)

    def pass_over(self, epochs):
        """Leaves out the draws of the first epochs, where they are seeded."""
        if self.seeded:
            dataset = self.hidden or self.batches
            if isinstance(dataset, PaddedDataset):
                dataset = dataset.dataset
            dataset.epoch += epochs


def from_fit_arguments(
    x,
    y,
    batch_size,
    steps_per_epoch,
    row_shape,
    num_classes,
    value_range,
    expected_batch_size,
    max_participations,
    condition=None,
):
    """Turns the data arguments of `DPGAN.fit` into `TrainingData`.

    Args:
        x: Arrays, a `PoissonDataset`, or any other data that Keras takes.
        y: Labels, with arrays only.
        batch_size: Int, with arrays only: the expected batch size. Defaults to
            256, or to the number of rows if that is less.
        steps_per_epoch: Int, the updates that make an epoch. Defaults to `None`:
            1/q with arrays, the batches of other data.
        row_shape: The shape of a row that the discriminator takes.
        num_classes: Int or `None`.
        value_range: `(low, high)` of the generator's output, or `None`.
        expected_batch_size: For other data, where it cannot be read off.
        max_participations: For other data; see `TrainingData`.
        condition: The model's `VectorCondition`. Defaults to `None`: it takes labels,
            or rows alone.

    Raises:
        ValueError: For data that does not fit; names the argument.
    """
    for name, value in (
        ("batch_size", batch_size),
        ("steps_per_epoch", steps_per_epoch),
    ):
        if value is not None:
            validate.check_int(name, value, minimum=1)
    if is_array(x):
        _refuse(
            "arrays, from which `fit` draws Poisson batches",
            expected_batch_size=expected_batch_size,
            max_participations=max_participations,
        )
        x, y = as_array(x, "x"), None if y is None else as_array(y, "y")
        check_records(x, y, row_shape, num_classes, value_range, condition)
        if condition is not None:
            condition.check_public(y)
        size = batch_size or min(DEFAULT_BATCH_SIZE, len(x))
        if size > len(x):
            raise ValueError(
                f"`batch_size` must be at most the number of records, {len(x)}. "
                f"Received: batch_size={batch_size}"
            )
        x = PoissonDataset(
            x, y, expected_batch_size=size, steps_per_epoch=steps_per_epoch
        )
        steps_per_epoch = None
    else:
        refuse_kind(x, "x")
        _refuse(
            "a data set, which has its own labels and batches",
            y=y,
            batch_size=batch_size,
        )
        if isinstance(x, PoissonDataset | AllocationDataset):
            _check_once(x, row_shape, num_classes, value_range, condition)
    if isinstance(x, RemoteRecords) and condition is not None:
        raise ValueError(
            "Records that stay with their owners have one label each, or none: the "
            "model must not take other conditions. Received: a model that takes "
            f"vectors of shape {condition.shape}"
        )
    # A subclass may draw in another way, so it is treated as any other data.
    if type(x) is PoissonDataset or isinstance(x, RemoteRecords):
        _refuse(
            f"a `{type(x).__name__}`, which states both itself",
            expected_batch_size=expected_batch_size,
            max_participations=max_participations,
        )
        return TrainingData(
            x,
            float(x.expected_batch_size),
            x.sampling_probability,
            x.num_examples,
            x.seeded,
            steps_per_epoch=steps_per_epoch,
        )
    if type(x) is AllocationDataset:
        _refuse(
            "an `AllocationDataset`, which states them itself",
            expected_batch_size=expected_batch_size,
            max_participations=max_participations,
            steps_per_epoch=steps_per_epoch,
        )
        return TrainingData(
            x,
            x.expected_batch_size,
            num_examples=x.num_examples,
            allocation_batches=len(x),
        )
    if max_participations is not None:
        validate.check_int("max_participations", max_participations, minimum=1)
    size = _static_batch_size(x) if expected_batch_size is None else expected_batch_size
    validate.check_positive("expected_batch_size", size)
    x = check_first_batch(x, row_shape, num_classes, value_range, condition)
    return TrainingData(
        x,
        float(size),
        max_participations=max_participations,
        steps_per_epoch=steps_per_epoch,
    )


def for_devices(data, strategy, row_multiple):
    """The same data in the form that replicas and XLA need.

    Args:
        data: `TrainingData`.
        strategy: The `tf.distribute.Strategy` that trains.
        row_multiple: Int, what XLA needs the rows of a batch to be a multiple of;
            1 without XLA.

    Raises:
        ValueError: If the data cannot be brought into that form.
    """
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas == 1 and row_multiple == 1:
        return data
    given = type(data.batches).__name__
    if isinstance(data.batches, RemoteRecords):
        raise ValueError(
            "Records that stay with their owners arrive as sums, which works on one "
            "replica and without XLA. Use no strategy and no `jit_compile`. "
            "Received: x of "
            f"type {given}"
        )
    if num_replicas > 1 and data.sampling_probability is not None:
        steps = data.steps_per_epoch or len(data.batches)
        batches = sharded.distribute(data.batches, strategy, steps)
        return dataclasses.replace(
            data, batches=batches, hidden=data.batches, steps_per_epoch=steps
        )
    if workers.are_several(strategy):
        raise ValueError(
            "Several workers need records that can be split among them: arrays or "
            f"a `PoissonDataset`, the same in each worker. Received: {given}"
        )
    if not isinstance(data.batches, keras.utils.PyDataset):
        raise ValueError(
            "Several replicas and XLA need batches of even size, which `fit` can "
            "give to arrays and to a `keras.utils.PyDataset` only. Received: "
            f"{given}"
        )
    multiple = math.lcm(num_replicas, row_multiple)
    return dataclasses.replace(data, batches=PaddedDataset(data.batches, multiple))


_checked: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _check_once(dataset, *expected):
    """Checks all records of a data set, which may be large, in its first `fit`."""
    if _checked.get(dataset) != expected:
        check_records(dataset, None, *expected)
        _checked[dataset] = expected


def is_array(x):
    """Whether Keras' `fit` would take `x` as an array."""
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor | np.lib.npyio.NpzFile):
        return False
    return isinstance(x, np.ndarray | list | tf.Tensor | tf.Variable) or hasattr(
        x, "__array__"
    )


def _refuse(given, **arguments):
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out with {given}. Received: "
                f"{name}={value!r:.80}"
            )


def _static_batch_size(x):
    if isinstance(x, PoissonDataset | AllocationDataset):
        return x.expected_batch_size
    if isinstance(x, tf.data.Dataset):
        shape = getattr(tf.nest.flatten(x.element_spec)[0], "shape", None)
        if shape is not None and shape.rank and shape[0] is not None:
            return shape[0]
    of_one_size = (
        "`.batch(batch_size, drop_remainder=True)` has one; or give `fit` the "
        if isinstance(x, tf.data.Dataset)
        else "Give `fit` the "
    )
    raise ValueError(
        f"The batch size of this data cannot be read off it. {of_one_size}"
        "`expected_batch_size`, a number that does not depend on the records; or "
        "give it arrays or a `PoissonDataset`, which also makes epsilon far smaller. "
        f"Received: x of type {type(x).__name__}"
    )
