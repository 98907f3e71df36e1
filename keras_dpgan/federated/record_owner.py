"""What an owner of records does with them for record-level training."""

import collections.abc
import typing

import numpy as np
import tensorflow as tf

from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import check_records
from keras_dpgan.mechanisms import noise
from keras_dpgan.models import output_range
from keras_dpgan.sampling.randomness import SecretDraws

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.gan.dpgan import DPGAN


class RecordOwner:
    """Gives clipped gradient sums of its own records, and nothing else.

    The records' own loss, fakes and penalty are those of `DPGAN`; so is the
    engine that clips. What leaves is a sum over a secret Poisson sample,
    clipped record by record and not yet noised.

    Examples:
        >>> import numpy as np

        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, num_classes=3, hidden=(8,)),
        ...     dpgan.models.vector_generator(
        ...         2, latent_dim=3, num_classes=3, hidden=(8,)
        ...     ),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ... )
        >>> x = np.random.normal(size=(20, 2)).astype("float32")
        >>> owner = dpgan.federated.RecordOwner(gan, x, np.arange(20) % 3)
        >>> sums = owner.clipped_sums(
        ...     number=0,
        ...     weights=[v.numpy() for v in gan.discriminator.trainable_variables],
        ...     pool=gan.sample(12)[0],
        ...     l2_norm_clip=1.0,
        ...     sampling_probability=0.5,
        ... )
        >>> [s.shape for s in sums]
        [(5, 8), (8,), (8, 1), (1,)]

    Args:
        gan: A compiled `DPGAN`, with the networks and `compile` arguments that
            all take part with. Its discriminator is overwritten.
        x: Records of shape `(n, ...)`.
        y: Int labels of shape `(n,)` for a conditional model. Defaults to
            `None`.
        seed: Non-negative int that makes the samples repeatable, for tests;
            see `PoissonDataset`. Defaults to `None`.

    Raises:
        ValueError: If the records do not fit the model.
    """

    def __init__(
        self,
        gan: "DPGAN",
        x: "IndexedRows",
        y: "IndexedRows | None" = None,
        seed: int | None = None,
    ) -> None:
        check_records(x, y, gan.row_shape, gan.num_classes, output_range(gan.generator))
        self._step = gan.training_step
        self._x, self._y, self._seed = x, y, seed
        self._samples: dict = {}
        rows = tf.TensorSpec((None, *gan.row_shape), tf.float32)
        labels = [] if y is None else [tf.TensorSpec((None,), tf.int32)]
        # One trace, whatever the sizes of the samples.
        self._sum_of = tf.function(
            self._traced_sum,
            input_signature=[rows, rows, *labels],
        )

    @property
    def num_examples(self) -> int:
        """The number of records, an int. It counts as public."""
        return len(self._x)

    def clipped_sums(
        self,
        number: int,
        weights: collections.abc.Sequence[np.ndarray],
        pool: typing.Any,
        l2_norm_clip: float,
        sampling_probability: float,
    ) -> list[np.ndarray]:
        """Draws a sample and adds up its clipped gradients.

        Args:
            number: Int, the updates made before this one.
            weights: List of arrays, the discriminator's trainable weights.
            pool: Array of public fakes; see `TrainingStep.pool`.
            l2_norm_clip: Float; must be the clip that `gan` was compiled with.
            sampling_probability: Float in (0, 1].

        Returns:
            List of float32 arrays of the weights' shapes; zeros where anything
            in them was not finite.

        Raises:
            ValueError: If the clip is another than agreed upon.
        """
        agreed = float(self._step.d_optimizer.mechanism.initial_l2_norm_clip)
        if l2_norm_clip != agreed:
            raise ValueError(
                f"`l2_norm_clip` must be the one agreed upon, {agreed}. Received: "
                f"l2_norm_clip={l2_norm_clip}"
            )
        variables = self._step.discriminator.trainable_variables
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)
        rows, *labels = self._sample(sampling_probability, number)
        sums = self._sum_of(
            tf.constant(rows, tf.float32),
            tf.constant(pool, tf.float32),
            *(tf.constant(array, tf.int32) for array in labels),
        )
        finite = all(bool(tf.reduce_all(tf.math.is_finite(s))) for s in sums)
        return [s.numpy() if finite else np.zeros_like(s.numpy()) for s in sums]

    def _sample(self, sampling_probability, number):
        dataset = self._samples.get(sampling_probability)
        if dataset is None:
            dataset = PoissonDataset(
                self._x,
                self._y,
                sampling_probability=sampling_probability,
                steps_per_epoch=1,
                seed=self._seed,
            )
            self._samples[sampling_probability] = dataset
        # Matters to seeded samples alone.
        dataset.epoch = number
        return dataset[0]

    def _traced_sum(self, rows, pool, labels=None):
        draws = SecretDraws(noise.process_stream())
        return self._step.clipped_sum(rows, labels, None, pool, draws).sums
