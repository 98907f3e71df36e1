"""A number of discriminator updates per generator step that adapts in training."""

import collections.abc
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import validate

_OPTIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class AdaptiveDiscriminatorSteps(keras.layers.Layer):
    """Gives the discriminator more updates where it falls behind the generator.

    At each generator step the share of generated rows that the discriminator
    recognizes as generated enters a moving average, which begins at one. When the
    average is at or below `threshold`, the next number in `options` is used. Noise
    slows the discriminator down as the generator gets better, and this makes up for
    it. It is computed from generated rows alone, so it costs no privacy. Source:
    Bie, Kamath and Zhang 2023, "Private GANs, Revisited".

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> steps = dpgan.AdaptiveDiscriminatorSteps(threshold=0.6)
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ...     discriminator_steps=steps,
        ... )
        >>> steps.value
        1

    Args:
        threshold: Float in (0, 1), a share of fakes. Defaults to 0.6, the paper's at
            epsilon 10; it has 0.7 at epsilon 1.
        options: Rising positive ints, discriminator updates per generator step; the
            first holds at the beginning. Defaults to the paper's.
        decay: Float in (0, 1), of the moving average. Defaults to 0.99.
        patience: Int, generator steps between two changes at least. Defaults to 200.
        name: String.
    """

    def __init__(
        self,
        threshold: float = 0.6,
        options: collections.abc.Sequence[int] = _OPTIONS,
        decay: float = 0.99,
        patience: int = 200,
        name: str = "adaptive_discriminator_steps",
    ) -> None:
        super().__init__(trainable=False, name=name)
        self.threshold = validate.check_probability("threshold", threshold)
        self.options = _checked_options(options)
        self.decay = validate.check_probability("decay", decay)
        self.patience = validate.check_int("patience", patience, minimum=1)
        self._index = self._number("index", "int64")
        self._share = self._number("share_of_fakes_told", "float32", "ones")
        self._steps_since_change = self._number("steps_since_change", "int64")
        self._last_step = self._number("updates_at_last_step", "int64")
        self.built = True

    def _number(self, name, dtype, initializer="zeros"):
        return self.add_weight(
            name=name,
            shape=(),
            dtype=dtype,
            initializer=initializer,
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    @property
    def value(self) -> int:
        """The discriminator updates per generator step that hold now, an int."""
        return self.options[int(self._index.numpy())]

    def is_due(self, updates: tf.Tensor) -> tf.Tensor:
        """Whether a generator step follows an update.

        Args:
            updates: Int64 scalar tensor, the discriminator updates made so far.

        Returns:
            Bool scalar tensor.
        """
        steps = tf.gather(tf.constant(self.options, tf.int64), self._index)
        return updates - tf.convert_to_tensor(self._last_step) >= steps

    def observe(self, is_told: tf.Tensor, updates: tf.Tensor) -> None:
        """Takes note of a generator step.

        Args:
            is_told: Bool tensor, whether the discriminator tells each generated row.
            updates: As in `is_due`.
        """
        share = tf.reduce_mean(tf.cast(is_told, tf.float32))
        # Replicas that used only their own shares would drift apart.
        context = tf.distribute.get_replica_context()
        share = context.all_reduce(tf.distribute.ReduceOp.MEAN, share)
        share = self.decay * self._share + (1.0 - self.decay) * share
        waited = self._steps_since_change + 1
        is_behind = (waited >= self.patience) & (share <= self.threshold)
        index = self._index + tf.cast(is_behind, tf.int64)
        self._share.assign(share)
        self._index.assign(tf.minimum(index, len(self.options) - 1))
        self._steps_since_change.assign(tf.where(is_behind, 0 * waited, waited))
        self._last_step.assign(updates)

    def get_config(self) -> dict[str, typing.Any]:
        return {
            "threshold": self.threshold,
            "options": list(self.options),
            "decay": self.decay,
            "patience": self.patience,
            "name": self.name,
        }


def _checked_options(options):
    options = tuple(options)
    for option in options:
        validate.check_int("options", option, minimum=1)
    if not options or list(options) != sorted(set(options)):
        raise ValueError(
            "`options` must be positive ints in rising order. Received: "
            f"options={options}"
        )
    return options
