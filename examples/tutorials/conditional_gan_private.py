"""The GAN of `conditional_gan.py`, trained privately: its class is not needed."""

import keras
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
NUM_CLASSES = 10
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5}


def make_discriminator():
    image = keras.Input((8, 8, 1))
    label = keras.Input((), dtype="int32")
    plane = layers.Embedding(NUM_CLASSES, 8 * 8)(label)
    x = layers.Concatenate()([image, layers.Reshape((8, 8, 1))(plane)])
    x = layers.Conv2D(16, 4, strides=2, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Conv2D(32, 4, strides=2, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    return keras.Model([image, label], layers.Dense(1)(layers.Flatten()(x)))


def make_generator():
    latent = keras.Input((LATENT_DIM,))
    label = keras.Input((), dtype="int32")
    x = layers.Concatenate()([latent, layers.Embedding(NUM_CLASSES, 16)(label)])
    x = layers.Reshape((4, 4, 8))(layers.Dense(4 * 4 * 8, activation="relu")(x))
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")(x)
    return keras.Model([latent, label], x)


(images, labels), _ = dpgan.data.load_digits()
gan = dpgan.DPGAN(make_discriminator(), make_generator(), LATENT_DIM)
gan.compile(
    d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(1.0, 0.6, **ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
)
gan.fit(images, labels, batch_size=128, epochs=2, verbose=2)
print(gan.privacy_statement())
