"""The networks and losses that are timed."""

import keras

from keras_dpgan import GradientPenalty
from keras_dpgan import losses

SHAPES = {
    "conv28": (28, 28, 1),
    "conv32": (32, 32, 3),
    "conv64": (64, 64, 3),
    "conv128": (128, 128, 3),
    "mlp": (784,),
    "lstm": (32, 16),
    "gru": (32, 16),
    "attention": (32, 16),
}

LOSSES = ("wasserstein", "non_saturating", "wasserstein_gp")


def make_critic(name, width=64, depth=2):
    """A discriminator: `depth` strided convolutions, or dense layers of 512.

    Or of a sequence: one layer that goes through it, or lets its steps look at each
    other.
    """
    if len(SHAPES[name]) == 2:
        return make_sequence_critic(name, width)
    network = keras.Sequential([keras.Input(SHAPES[name])])
    for i in range(depth):
        if name == "mlp":
            network.add(keras.layers.Dense(8 * width))
        else:
            channels = width * 2**i
            network.add(keras.layers.Conv2D(channels, 5, strides=2, padding="same"))
        network.add(keras.layers.LeakyReLU(0.2))
    if name != "mlp":
        network.add(keras.layers.Flatten())
    network.add(keras.layers.Dense(1))
    return network


def make_sequence_critic(name, width):
    """A recurrent layer of `width` units, or attention with heads of 16."""
    inputs = keras.Input(SHAPES[name])
    if name == "attention":
        attention = keras.layers.MultiHeadAttention(max(1, width // 16), 16)
        hidden = keras.layers.GlobalAveragePooling1D()(attention(inputs, inputs))
    else:
        layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[name]
        hidden = layer(width)(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))


def make_loss(name):
    """The adversarial loss and the penalty of a loss' name."""
    if name == "wasserstein_gp":
        return losses.Wasserstein(), GradientPenalty(10.0)
    loss = losses.get(name)
    if loss.takes_probabilities:
        loss = type(loss)(from_logits=True)
    return loss, None
