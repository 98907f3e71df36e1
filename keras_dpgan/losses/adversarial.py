"""Adversarial losses in pairs, with one value per record; lower is better."""

import typing

import keras
import tensorflow as tf

from keras_dpgan._utils.keras_internals import last_activation


class AdversarialLoss:
    """A discriminator loss and the generator loss that belongs to it.

    A subclass defines its methods for the discriminator's raw scores. Each value may
    depend only on its own record, so a loss must not take a mean over the batch.

    Examples:
        >>> import tensorflow as tf
        >>> class Quadratic(dpgan.losses.AdversarialLoss):
        ...     def on_real(self, scores):
        ...         return tf.square(scores - 1.0)
        ...     def on_fake(self, scores):
        ...         return tf.square(scores)
        ...     def generator(self, fake_scores):
        ...         return tf.square(fake_scores - 1.0)
        >>> Quadratic().generator(tf.constant([0.0, 1.0])).numpy()
        array([1., 0.], dtype=float32)

    Attributes:
        takes_probabilities: Whether the loss is defined by probabilities, so that a
            discriminator that ends in a sigmoid needs `from_logits`.
        boundary: Float, the score below which the discriminator regards a row as
            generated; `None` if there is no such score.
    """

    takes_probabilities = False
    boundary: typing.Any = None  # A float or `None`; some losses compute it.
    from_logits: bool | None

    def discriminator(
        self, real_scores: tf.Tensor, fake_scores: tf.Tensor
    ) -> tf.Tensor:
        """The discriminator's loss.

        Args:
            real_scores: Float tensor of shape `(n,)`.
            fake_scores: Float tensor of shape `(n,)`; entry `i` belongs to
                record `i`.

        Returns:
            Tensor of shape `(n,)`.
        """
        return self.on_real(real_scores) + self.on_fake(fake_scores)

    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        """The part of the discriminator's loss that depends on a real row."""
        raise NotImplementedError

    def on_fake(self, scores: tf.Tensor) -> tf.Tensor:
        """The part of the discriminator's loss that depends on a fake row."""
        raise NotImplementedError

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        """The generator's loss, of shape `(n,)`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, typing.Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, typing.Any]) -> typing.Self:
        return cls(**config)


class _LogLoss(AdversarialLoss):
    takes_probabilities = True

    def __init__(self, from_logits: bool | None = None) -> None:
        self.from_logits = from_logits

    @property
    def boundary(self) -> float:
        return 0.5 if self.from_logits is False else 0.0

    def _log_sigmoid(self, scores):
        if self.from_logits is False:
            return tf.math.log(_open_interval(scores))
        return tf.math.log_sigmoid(scores)

    def _log_one_minus_sigmoid(self, scores):
        if self.from_logits is False:
            return tf.math.log1p(-_open_interval(scores))
        return tf.math.log_sigmoid(-scores)

    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        return -self._log_sigmoid(scores)

    def on_fake(self, scores: tf.Tensor) -> tf.Tensor:
        return -self._log_one_minus_sigmoid(scores)

    def get_config(self) -> dict[str, typing.Any]:
        return {"from_logits": self.from_logits}


@keras.saving.register_keras_serializable(package="keras_dpgan")
class Minimax(_LogLoss):
    """The original log loss: the generator minimizes `log(1 - D(G(z)))`.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", equation 1.

    Examples:
        >>> import tensorflow as tf
        >>> loss = dpgan.losses.Minimax(from_logits=True)
        >>> loss.generator(tf.constant([0.0])).numpy().round(3)  # log(1 - 1/2)
        array([-0.693], dtype=float32)

    Args:
        from_logits: `True` when the discriminator returns logits, `False` when
            it returns probabilities. Defaults to `None`: determined from the
            discriminator's last activation.
    """

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return self._log_one_minus_sigmoid(fake_scores)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class NonSaturating(_LogLoss):
    """The log loss whose generator maximizes `log D(G(z))` instead.

    Source: Goodfellow et al. 2014, "Generative Adversarial Nets", section 3.

    Examples:
        >>> import tensorflow as tf
        >>> loss = dpgan.losses.NonSaturating(from_logits=True)
        >>> loss.generator(tf.constant([0.0])).numpy().round(3)  # -log(1/2)
        array([0.693], dtype=float32)

    Args:
        from_logits: As in `Minimax`.
    """

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return -self._log_sigmoid(fake_scores)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class Wasserstein(AdversarialLoss):
    """The Wasserstein critic's loss. It needs a penalty or a clip to bound its slope.

    Source: Arjovsky et al. 2017, "Wasserstein GAN".

    Examples:
        >>> import tensorflow as tf
        >>> loss = dpgan.losses.Wasserstein()
        >>> loss.generator(tf.constant([2.0])).numpy()
        array([-2.], dtype=float32)
    """

    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        return -scores

    def on_fake(self, scores: tf.Tensor) -> tf.Tensor:
        return scores

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return -fake_scores


@keras.saving.register_keras_serializable(package="keras_dpgan")
class Hinge(AdversarialLoss):
    """The hinge loss. Source: Lim and Ye 2017, "Geometric GAN".

    Examples:
        >>> import tensorflow as tf
        >>> loss = dpgan.losses.Hinge()
        >>> loss.on_real(tf.constant([0.5, 2.0])).numpy()
        array([0.5, 0. ], dtype=float32)
    """

    boundary = 0.0

    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1.0 - scores)

    def on_fake(self, scores: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1.0 + scores)

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return -fake_scores


@keras.saving.register_keras_serializable(package="keras_dpgan")
class LeastSquares(AdversarialLoss):
    """The least-squares loss with targets 1 for real and 0 for fake.

    Source: Mao et al. 2017, "Least Squares Generative Adversarial Networks".

    Examples:
        >>> import tensorflow as tf
        >>> loss = dpgan.losses.LeastSquares()
        >>> loss.on_real(tf.constant([0.0, 1.0])).numpy()
        array([0.5, 0. ], dtype=float32)
    """

    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.square(scores - 1.0)

    def on_fake(self, scores: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.square(scores)

    def generator(self, fake_scores: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.square(fake_scores - 1.0)


_BY_NAME = {
    "minimax": Minimax,
    "non_saturating": NonSaturating,
    "wasserstein": Wasserstein,
    "hinge": Hinge,
    "least_squares": LeastSquares,
}


def get(identifier: AdversarialLoss | str | dict[str, typing.Any]) -> AdversarialLoss:
    """The adversarial loss that a name or an object stands for.

    Examples:
        >>> type(dpgan.losses.get("hinge")).__name__
        'Hinge'

    Args:
        identifier: One of `"minimax"`, `"non_saturating"`, `"wasserstein"`,
            `"hinge"`, `"least_squares"`, or an `AdversarialLoss`.

    Returns:
        An `AdversarialLoss`.

    Raises:
        ValueError: For anything else.
    """
    if isinstance(identifier, AdversarialLoss):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    raise ValueError(
        "`loss` must be an `AdversarialLoss` or one of "
        f"{sorted(_BY_NAME)}: it gives each record a loss of its own, and the "
        "generator one of its rows. Binary cross-entropy on scores is "
        f"'non_saturating'. Received: loss={identifier!r:.80}"
    )


def resolve(loss: AdversarialLoss, discriminator: keras.Model) -> AdversarialLoss:
    """The loss, adapted to the output of the discriminator.

    Examples:
        >>> loss = dpgan.losses.get("non_saturating")
        >>> discriminator = dpgan.models.vector_discriminator(4)
        >>> dpgan.losses.resolve(loss, discriminator).from_logits
        True

    Args:
        loss: An `AdversarialLoss`.
        discriminator: A `keras.Model`.

    Returns:
        An `AdversarialLoss` whose `from_logits`, if it has one, is not `None`.

    Raises:
        ValueError: If the discriminator ends in a sigmoid and the loss expects raw
            scores, or if `from_logits` contradicts the last activation or cannot be
            determined from it.
    """
    activation = last_activation(discriminator)
    if not loss.takes_probabilities:
        if activation == "sigmoid":
            raise ValueError(
                f"`loss` {type(loss).__name__} takes raw scores, but the "
                "discriminator ends in a sigmoid. Remove the sigmoid, or use "
                '`loss="non_saturating"`.'
            )
        return loss
    if loss.from_logits is not None:
        if loss.from_logits and activation == "sigmoid":
            raise ValueError(
                "`from_logits=True`, but the discriminator ends in a sigmoid. "
                "Use `from_logits=False`, or remove the sigmoid."
            )
        if not loss.from_logits and activation == "linear":
            raise ValueError(
                "`from_logits=False`, but the discriminator's last layer has no "
                "sigmoid. Use `from_logits=True`, or add one."
            )
        return loss
    if activation not in ("sigmoid", "linear"):
        raise ValueError(
            "Whether the discriminator returns logits or probabilities cannot "
            f"be read off its last layer (activation: {activation}). Give the "
            f"loss as an object: `keras_dpgan.losses.{type(loss).__name__}"
            "(from_logits=True)` or `(from_logits=False)`."
        )
    kind: typing.Any = type(loss)
    return kind(from_logits=activation == "linear")


def _open_interval(probabilities):
    epsilon = keras.backend.epsilon()
    return tf.clip_by_value(probabilities, epsilon, 1.0 - epsilon)
