"""Calls the two networks of a GAN: for rows, scores, class heads and slopes."""

import random
import typing

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import validate
from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.clipping.recording import InputGradientTape
from keras_dpgan.gan import network_inputs
from keras_dpgan.sampling import sampler


class Heads(typing.NamedTuple):
    """What a discriminator returns for a batch of rows.

    Attributes:
        scores: Float tensor of shape `(n,)`.
        classes: Float tensor of shape `(n, num_classes)`, how likely each label is;
            `None` for a discriminator that returns scores alone.
    """

    scores: tf.Tensor
    classes: tf.Tensor | None


def call(model, rows, labels, training):
    """Calls a network on rows (or latents), with labels if it takes any."""
    if labels is None or not network_inputs.takes_condition(model):
        return model(rows, training=training)
    return model([rows, labels], training=training)


def heads(discriminator, rows, labels, training):
    """Calls a discriminator; see `Heads`."""
    outputs = call(discriminator, rows, labels, training)
    scores, classes = outputs if isinstance(outputs, list | tuple) else (outputs, None)
    return Heads(
        at_least_float32(tf.reshape(scores, [-1])),
        None if classes is None else at_least_float32(classes),
    )


def build_and_check(discriminator, generator, latent_shape, condition):
    """Runs both networks once on two rows, so that errors show at once.

    Args:
        discriminator: A `keras.Model`, or `None` where there is none.
        generator: A `keras.Model`.
        latent_shape: Tuple of ints.
        condition: A `LabelCondition`, a `VectorCondition`, or `None`.

    Returns:
        The shape of one generated row, a tuple of ints.

    Raises:
        ValueError: If the discriminator cannot read what the generator makes,
            or does not give one score per row.
    """
    labels = None
    if condition is not None:
        labels = tf.zeros((2, *condition.shape), condition.dtype)
    if discriminator is not None:
        network_inputs.check_not_swapped(discriminator, generator)
    rows = call(generator, tf.zeros((2, *latent_shape)), labels, training=False)
    if not tf.is_tensor(rows) or rows.shape[0] != 2:
        raise ValueError(
            "`generator` must return one tensor with a row per latent. Received: "
            f"{_described(rows)}"
        )
    if discriminator is None:
        return tuple(rows.shape[1:])
    network_inputs.check_discriminator(discriminator, rows.shape[1:], condition)
    outputs = call(discriminator, rows, labels, training=False)
    _check_outputs(outputs, condition)
    if condition is not None and not isinstance(outputs, list | tuple):
        network_inputs.check_takes_condition(discriminator, condition)
    return tuple(rows.shape[1:])


def _check_outputs(outputs, condition):
    """Raises unless they are one score per row, or these and class logits."""
    many = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    num_classes = getattr(condition, "num_classes", None)
    fits = (
        all(tf.is_tensor(tensor) for tensor in many)
        and many[0].shape in ((2,), (2, 1))
        and (len(many) == 1 or [tuple(t.shape) for t in many[1:]] == [(2, num_classes)])
    )
    if fits:
        return
    with_classes = (
        ", or (with an auxiliary class head) the list of that and of class logits of "
        f"shape (n, {num_classes}), in this order"
        if num_classes is not None
        else "; a class head besides needs a conditional generator, with labels"
    )
    raise ValueError(
        "`discriminator` must return one score per row, of shape (n, 1)"
        f"{with_classes}. Received for two rows: {_described(outputs)}"
    )


def _described(outputs):
    """The shapes of what a network returned, in words."""
    if tf.is_tensor(outputs):
        return f"an output of shape {tuple(outputs.shape)}"
    if isinstance(outputs, list | tuple):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in outputs)
        return f"{len(outputs)} outputs of shapes {shapes}"
    if isinstance(outputs, dict):
        return f"a dict of outputs {sorted(outputs)}"
    return repr(outputs)


# Keeps the logarithm finite where a probability is zero.
_SMALLEST = 1e-7


class ClassLoss:
    """The cross-entropy of each row's label.

    Args:
        from_logits: Whether the class head gives logits rather than probabilities.
    """

    def __init__(self, from_logits):
        self.from_logits = from_logits

    def __call__(self, heads, labels):
        """One value per row, from that row alone.

        Args:
            heads: `networks.Heads` of `n` rows.
            labels: Int tensor of shape `(n,)`, or `None`.

        Returns:
            Float tensor of shape `(n,)`; zeros without a class head.
        """
        if heads.classes is None:
            return tf.zeros_like(heads.scores)
        if self.from_logits:
            logs = tf.nn.log_softmax(heads.classes)
        else:
            logs = tf.math.log(tf.maximum(heads.classes, _SMALLEST))
        one_hot = tf.one_hot(labels, heads.classes.shape[-1], dtype=logs.dtype)
        return -tf.reduce_sum(one_hot * logs, axis=-1)


def class_loss(discriminator):
    """The `ClassLoss` that fits a discriminator's second output, if it has one.

    A head whose activation cannot be read, as in a subclassed model, gives logits.

    Args:
        discriminator: A `keras.Model`.

    Raises:
        ValueError: If the class head ends in something else than a softmax or
            nothing.
    """
    if len(getattr(discriminator, "outputs", None) or []) < 2:
        return ClassLoss(from_logits=True)
    activation = keras_internals.last_activation(discriminator, 1)
    if activation not in ("linear", "softmax", None):
        raise ValueError(
            "The class head of `discriminator`, its second output, must give logits or "
            "end in a softmax. Remove the activation. Received: an activation "
            f"{activation!r}"
        )
    return ClassLoss(from_logits=activation != "softmax")


def scores_and_penalty(discriminator, real, fake, labels, mixing, penalty):
    """As `heads_and_penalty`, with scores of shape `(n,)` in the place of heads."""
    real, fake, penalties = heads_and_penalty(
        discriminator, real, fake, labels, labels, mixing, penalty
    )
    return real.scores, fake.scores, penalties


def heads_and_penalty(discriminator, real, fake, labels, fake_labels, mixing, penalty):
    """The discriminator's outputs for each record, and the penalty on its slope.

    Args:
        discriminator: Callable on a batch of rows, or on `[rows, labels]`.
        real: Float tensor of shape `(n, ...)`.
        fake: Float tensor of the same shape.
        labels: Labels or conditions of the real rows, of shape `(n,)` or `(n, d)`,
            or `None`. Slopes between a real row and its fake are taken at these.
        fake_labels: Those of the fake rows, of the same shape, or `None`.
        mixing: Float tensor of shape `(n,)` with values in [0, 1].
        penalty: A `GradientPenalty`, or `None`.

    Returns:
        `(real, fake, penalties)`: two `Heads` of `n` rows, and a tensor of
        shape `(n,)`, zero without a penalty.
    """
    both = _heads(discriminator, [real, fake], [labels, fake_labels])
    real_heads, fake_heads = _halves(both)
    if penalty is None:
        return real_heads, fake_heads, tf.zeros_like(real_heads.scores)
    points = penalty.points(real, fake, mixing)
    with InputGradientTape() as tape:
        for block in points:
            tape.watch(block)
        # A call of their own: real and fake rows beside them would cost half
        # as much again, since the backward pass goes through all rows of a call.
        slopes = _heads(discriminator, points, [labels] * len(points))
        total = tf.reduce_sum(slopes.scores)
        if slopes.classes is not None:
            # Slopes are those of the scores alone. This term lets a gradient reach the
            # class head, without which the ghost engine would go record by record.
            total += 0.0 * tf.reduce_sum(slopes.classes)
    gradients = tape.gradient(total, points)
    penalties = tf.add_n([penalty(g) for g in gradients])
    return real_heads, fake_heads, penalties


def _heads(discriminator, blocks, labels):
    rows = tf.concat(blocks, 0)
    labels = None if labels[0] is None else tf.concat(labels, 0)
    return heads(discriminator, rows, labels, training=True)


def _halves(heads):
    """The heads of the first half of the rows, and those of the second."""
    scores = tf.split(heads.scores, 2)
    classes = [None] * 2 if heads.classes is None else tf.split(heads.classes, 2)
    return [Heads(*half) for half in zip(scores, classes, strict=True)]


_ROWS = 2


def check(discriminator, generation):
    """Raises if no gradient reaches the rows, or the generator through them.

    Otherwise the error would appear during `fit`, after updates were paid for.

    Args:
        discriminator: A `keras.Model`.
        generation: A `PublicGeneration`.

    Raises:
        ValueError: If a network rounds, looks up or compares what it is given.
    """
    generator = generation.generator
    latents = tf.zeros((_ROWS, *generation.latent_shape))
    condition = generation.condition
    rng = np.random.default_rng(0)
    labels = None if condition is None else condition.random(_ROWS, rng)
    with tf.GradientTape() as tape:
        made = call(generator, latents, labels, training=False)
    rows = tf.stop_gradient(made)
    with tf.GradientTape() as score_tape:
        score_tape.watch(rows)
        scores = heads(discriminator, rows, labels, training=False).scores
    if score_tape.gradient(scores, rows) is None:
        raise ValueError(
            "`discriminator` must have a gradient to its rows, from which the "
            "generator learns, and has none: it turns rows into integers, as an "
            "`Embedding` of token ids does. Give rows as one-hot vectors, "
            "`keras.utils.to_categorical(ids)`, let the generator end in a softmax "
            "over them, and put a `Dense` layer without bias in place of the "
            f"`Embedding`. Received: discriminator={discriminator.name!r}"
        )
    variables = generator.trainable_variables
    if any(isinstance(v.value, tf.distribute.DistributedValues) for v in variables):
        return  # Mirrored weights cannot be differentiated outside of a replica.
    gradients = tape.gradient(made, variables)
    if variables and all(gradient is None for gradient in gradients):
        raise ValueError(
            "`generator` must have a gradient from its rows to its weights, and has "
            "none: it rounds or compares, as an argmax does. Let it end in a softmax "
            "or another continuous activation, and round what `sample` returns. "
            f"Received: generator={generator.name!r}"
        )


class PublicGeneration:
    """Runs a generator on latents and conditions that depend on no record.

    Args:
        generator: A `keras.Model`.
        latent_shape: Tuple of ints, the shape of one row's latents.
        condition: A `LabelCondition`, a `VectorCondition`, or `None` for an
            unconditional generator.
    """

    def __init__(self, generator, latent_shape, condition=None):
        self.generator = generator
        self.condition = condition
        self.num_classes = getattr(condition, "num_classes", None)
        self.label_probabilities = getattr(condition, "probabilities", None)
        self.latent_shape = tuple(latent_shape)
        self._sampler = sampler.Sampler(latent_shape, condition)

    @property
    def vector_condition(self):
        """The condition where it is a vector; `None` for a label or nothing."""
        return self.condition if self.num_classes is None else None

    def rows(self, n, labels, training, draws):
        """Generates `n` rows from the latents of `draws`, a `PublicDraws`."""
        latents = draws.normal((n, *self.latent_shape))
        return call(self.generator, latents, labels, training)

    def labels(self, n, draws):
        """Draws `n` conditions from the prior; `None` for an unconditional model."""
        if self.condition is None:
            return None
        return self.condition.draw(n, draws)

    def pool(self, size_per_label, draws):
        """The same number of rows for each label, in the order of the labels.

        Returns:
            A tensor of rows. Where conditions are no labels, the pair of
            `size_per_label` rows and their conditions, drawn from the prior.
        """
        if self.condition is None:
            return self.rows(size_per_label, None, training=True, draws=draws)
        if self.num_classes is None:
            conditions = self.labels(size_per_label, draws)
            rows = self.rows(size_per_label, conditions, training=True, draws=draws)
            return rows, conditions
        labels = tf.repeat(tf.range(self.num_classes), size_per_label)
        n = self.num_classes * size_per_label
        return self.rows(n, labels, training=True, draws=draws)

    def probe_inputs(self, discriminator, rows):
        """Rows as a discriminator takes them, with random labels if it takes any."""
        if self.condition is None or not network_inputs.takes_condition(discriminator):
            return rows
        rng = np.random.default_rng(0)
        return [rows, self.condition.random(len(rows), rng)]

    def sample(self, n, labels=None, seed=None):
        """Draws rows as NumPy arrays; see `DPGAN.sample`."""
        validate.check_int("n", n, minimum=0)
        labels = self._sampler.check_conditions(labels, n)
        # Keras' own seeds come from there, too: `set_random_seed` fixes them.
        seed = random.randrange(2**63) if seed is None else sampler.check_seed(seed)
        drawn = [
            (self._infer(latents, conditions), conditions)
            for latents, conditions in self._sampler.batches(n, labels, seed)
        ]
        rows, conditions = zip(*drawn, strict=True)
        rows = np.concatenate(rows)
        return rows if self.condition is None else (rows, np.concatenate(conditions))

    def _infer(self, latents, conditions):
        rows = call(self.generator, latents, conditions, training=False)
        return np.asarray(tf.cast(rows, tf.float32))
