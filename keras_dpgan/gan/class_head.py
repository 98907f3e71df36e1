"""The auxiliary class loss of a discriminator that also predicts labels.

Source: Odena, Olah and Shlens 2017, "Conditional Image Synthesis with Auxiliary
Classifier GANs".
"""

import tensorflow as tf

from keras_dpgan._utils import keras_internals

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
