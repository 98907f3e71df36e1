"""What was released of the records for a critic, and what it takes of a row."""

import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan.privacy.privacy_record import PrivacyRecord

_LEAST_SQUARE = 1e-12


@keras.saving.register_keras_serializable(package="keras_dpgan")
class ReleasedCritic(keras.Model):
    """Fixed features of rows, and their noisy means over the private records.

    `release_critic` makes it, `DPGAN.compile(critic=...)` takes it, and
    `critic.save("critic.keras")` keeps it: whoever has it needs the records no more.

    Examples:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
        >>> gan = dpgan.DPGAN(
        ...     None, dpgan.models.vector_generator(4, latent_dim=3, hidden=(8,))
        ... )
        >>> critic = dpgan.critics.release_critic(
        ...     gan,
        ...     x,
        ...     features=dpgan.features.RandomFeatures(20, scale=2.0),
        ...     noise_multiplier=2.0,
        ...     num_reference=100,
        ... )
        >>> groups, features, directions = critic([x, None])
        >>> features.shape
        TensorShape([50, 20])
        >>> round(critic.privacy_record.history().entries[0].noise_multiplier)
        2

    Called on `[rows, labels]` it gives what it compares: the group of each row, int32
    of shape `(n,)`; the standardized features, of shape `(n, num_features)`; and their
    main directions, of shape `(n, second_moments)`. Each row is computed from
    itself alone, and none is longer than `max_norm` or `max_square_norm`.

    Args:
        features: `keras.Model` from rows to features of any shape.
        row_shape: Tuple of ints.
        num_classes: Int, or `None` for rows without labels.
        groups_per_label: Int.
        num_features: Int.
        second_moments: Int, the directions whose products are compared.
        num_examples: Int, the records that it was released from.
        **kwargs: `name` and the other arguments of `keras.Model`.

    Attributes:
        privacy_record: The `PrivacyRecord` with the history of the release.
    """

    def __init__(
        self,
        features: keras.Model,
        row_shape: tuple[int, ...],
        num_classes: int | None,
        groups_per_label: int,
        num_features: int,
        second_moments: int,
        num_examples: int,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(**kwargs)
        features.trainable = False
        self.features = features
        self.row_shape = tuple(row_shape)
        self.num_classes = num_classes
        self.groups_per_label = groups_per_label
        self.num_features = num_features
        self.second_moments = second_moments
        self.num_examples = num_examples
        groups = self.num_groups
        size = int(np.prod(self.row_shape))
        self.group_rows = self._number("group_rows", (groups, size))
        self.center = self._number("center", (groups, num_features))
        self.spread = self._number("spread", (num_features,))
        self.max_norm = self._number("max_norm", ())
        self.basis = self._number("basis", (num_features, second_moments))
        self.max_square_norm = self._number("max_square_norm", ())
        self.means = self._number("means", (groups, num_features))
        self.means_trust = self._number("means_trust", (groups,))
        self.squares_trust = self._number("squares_trust", (self.num_labels,))
        self.squares = self._number(
            "squares", (self.num_labels, second_moments, second_moments)
        )
        self.privacy_record = PrivacyRecord(name="privacy_record")
        self.built = True

    def _number(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            dtype="float32",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @property
    def num_labels(self) -> int:
        """The number of labels, one where rows have none."""
        return self.num_classes or 1

    @property
    def num_groups(self) -> int:
        """The number of groups that rows are compared in."""
        return self.num_labels * self.groups_per_label

    def call(self, inputs: typing.Any, training: bool | None = None) -> typing.Any:
        rows, labels = inputs
        n = tf.shape(rows)[0]
        rows = tf.cast(rows, tf.float32)
        labels = tf.zeros((n,), tf.int32) if labels is None else labels
        labels = tf.cast(labels, tf.int32)
        groups = self._groups(tf.reshape(rows, (n, self.group_rows.shape[1])), labels)
        # In inference, always: no layer of it then looks at the batch.
        found = tf.cast(self.features(rows, training=False), tf.float32)
        found = tf.reshape(found, (n, self.num_features))
        found = (found - tf.gather(self.center.value, groups)) / self.spread
        main = tf.matmul(found, self.basis.value)
        return (
            groups,
            _shortened(found, self.max_norm.value),
            _shortened(main, self.max_square_norm.value),
        )

    def _groups(self, flat, labels):
        """The group of the nearest center of each row's label."""
        first = labels * self.groups_per_label
        if self.groups_per_label == 1:
            return first
        centers = tf.reshape(
            self.group_rows.value, (self.num_labels, self.groups_per_label, -1)
        )
        # |row - center|^2 but for |row|^2, which all centers of a row have in common.
        products = tf.einsum("nd,lcd->nlc", flat, centers)
        distances = tf.reduce_sum(centers**2, axis=-1) - 2.0 * products
        own = tf.gather(distances, labels, axis=1, batch_dims=1)
        return first + tf.argmin(own, axis=1, output_type=tf.int32)

    def get_config(self) -> dict[str, typing.Any]:
        names = (
            "row_shape",
            "num_classes",
            "groups_per_label",
            "num_features",
            "second_moments",
            "num_examples",
        )
        return {
            **super().get_config(),
            "features": keras.saving.serialize_keras_object(self.features),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(
        cls, config: dict, custom_objects: dict | None = None
    ) -> typing.Self:
        features = keras.saving.deserialize_keras_object(
            config["features"], custom_objects=custom_objects
        )
        return cls(**{**config, "features": features})


def _shortened(rows, longest):
    """The rows, none of them longer than that."""
    # The least number keeps the slope finite where a row is zero.
    norms = tf.sqrt(tf.reduce_sum(rows**2, axis=1, keepdims=True) + _LEAST_SQUARE)
    return rows * tf.minimum(1.0, longest / norms)
