"""A client's discriminator, trained on the client's own records."""

import collections.abc
import copy
import secrets
import typing

import numpy as np
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import check_records
from keras_dpgan.mechanisms import noise
from keras_dpgan.models import output_range
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.gan.dpgan import DPGAN
    from keras_dpgan.privacy.history_entry import HistoryEntry


class LocalTraining:
    """Trains the shared discriminator for a few updates on one client's records.

    The generator stays as the server sent it, and so nothing of the optimizer
    is left from one round to the next: what a client sends is a function of what
    it got, of its records and of fresh randomness.

    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data".

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
        >>> training = dpgan.federated.LocalTraining(
        ...     gan, x, np.arange(20) % 3, expected_batch_size=10, updates=1
        ... )
        >>> d_weights = [v.numpy() for v in gan.discriminator.trainable_variables]
        >>> after = training.weights_after(d_weights, gan.generator.get_weights())
        >>> [w.shape for w in after]
        [(5, 8), (8,), (8, 1), (1,)]

    Args:
        gan: A compiled `DPGAN`, private or (`private=False`) not. Its weights are
            overwritten.
        x: Records of shape `(n, ...)`.
        y: Int labels of shape `(n,)` for a conditional model.
        expected_batch_size: Positive float; `n` where there are fewer records.
        updates: Int, the updates of one round.

    Raises:
        ValueError: If the records do not fit the model.
    """

    def __init__(
        self,
        gan: "DPGAN",
        x: "IndexedRows",
        y: "IndexedRows | None",
        expected_batch_size: float,
        updates: int,
    ) -> None:
        self._gan = gan
        self._expected_batch_size, self._updates = expected_batch_size, updates
        self._traces: dict = {}
        self._optimizer = [v.numpy() for v in gan.d_optimizer.variables]
        self._use(x, y)

    def with_records(
        self, x: "IndexedRows", y: "IndexedRows | None"
    ) -> "LocalTraining":
        """The same training of another client, in the same process.

        Tracing takes the most of a short training: a simulation of a thousand
        clients does it once.

        Args:
            x: As in the constructor.
            y: As in the constructor.

        Returns:
            A `LocalTraining`, whose model is this one's.
        """
        other = copy.copy(self)
        other._use(x, y)
        return other

    def _use(self, x, y):
        gan = self._gan
        check_records(x, y, gan.row_shape, gan.num_classes, output_range(gan.generator))
        self._num_examples = len(x)
        size = min(self._expected_batch_size, self._num_examples)
        self._data = PoissonDataset(
            x, y, expected_batch_size=size, steps_per_epoch=self._updates
        )
        if size not in self._traces:
            self._traces[size] = self._traced_update(size, with_labels=y is not None)
        self._update = self._traces[size]

    def _traced_update(self, size, with_labels):
        rows = tf.TensorSpec((None, *self._gan.row_shape), tf.float32)
        labels = [tf.TensorSpec((None,), tf.int32)] if with_labels else []
        seed = secrets.randbelow(2**31)

        @tf.function(input_signature=[tf.TensorSpec((), tf.int64), rows, *labels])
        def update(number, rows, labels=None):
            draws = PublicDraws(seed, number, randomness.DISCRIMINATOR)
            step = self._gan.training_step
            step.update_discriminator(rows, labels, None, size, draws)

        return update

    @property
    def num_examples(self) -> int:
        """The number of records, an int. It counts as public."""
        return self._num_examples

    @property
    def entry(self) -> "HistoryEntry":
        """What one round costs, as a `privacy.HistoryEntry`.

        Raises:
            ValueError: If the model is not private.
        """
        if not self._gan.private:
            raise ValueError(
                "Local training without noise has no guarantee of its own: the "
                "update must be noised before it leaves."
            )
        return entry_of(
            self._gan.d_optimizer, self._data.sampling_probability, self._updates
        )

    def weights_after(
        self,
        d_weights: collections.abc.Sequence[np.ndarray],
        g_weights: collections.abc.Sequence[np.ndarray],
    ) -> list[np.ndarray]:
        """Trains for one round.

        Args:
            d_weights: List of arrays, the discriminator's trainable weights.
            g_weights: List of arrays, all weights of the generator.

        Returns:
            List of arrays, the discriminator's trainable weights afterwards.
        """
        variables = self._gan.discriminator.trainable_variables
        _assign(variables, d_weights)
        self._gan.generator.set_weights(g_weights)
        _assign(self._gan.d_optimizer.variables, self._optimizer)
        noise.renew_after_fork()
        for _ in range(self._updates):
            rows, *labels = self._data[0]
            self._update(
                tf.constant(secrets.randbelow(2**62), tf.int64),
                tf.constant(rows, tf.float32),
                *(tf.constant(array, tf.int32) for array in labels),
            )
        return [v.numpy() for v in variables]


def entry_of(d_optimizer, sampling_probability, updates):
    """What updates on secret Poisson samples cost, as a `privacy.HistoryEntry`.

    Args:
        d_optimizer: A `DPOptimizer`.
        sampling_probability: Float in (0, 1].
        updates: Int.
    """
    return privacy.HistoryEntry(
        mechanism=d_optimizer.mechanism.name,
        noise_multiplier=d_optimizer.noise_multiplier,
        clipped_count_stddev=d_optimizer.mechanism.clipped_count_stddev,
        sampling_probability=sampling_probability,
        insecure_noise=d_optimizer.has_insecure_noise,
        count=updates,
    )


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
