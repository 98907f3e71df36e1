"""A conditional GAN in stock Keras; `conditional_gan_private.py` is private."""

import keras
import tensorflow as tf
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
NUM_CLASSES = 10
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5}


class ConditionalGAN(keras.Model):
    """A GAN both of whose networks are told the digit."""

    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, data):
        images, labels = data
        latents = tf.random.normal((tf.shape(images)[0], self.latent_dim))
        with tf.GradientTape() as tape:
            fakes = self.generator([latents, labels])
            real = self.discriminator([images, labels], training=True)
            fake = self.discriminator([fakes, labels], training=True)
            d_loss = self.cross_entropy(tf.ones_like(real), real)
            d_loss += self.cross_entropy(tf.zeros_like(fake), fake)
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            fakes = self.generator([latents, labels], training=True)
            fake = self.discriminator([fakes, labels])
            g_loss = self.cross_entropy(tf.ones_like(fake), fake)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


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
gan = ConditionalGAN(make_discriminator(), make_generator(), LATENT_DIM)
gan.compile(
    d_optimizer=keras.optimizers.Adam(**ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
)
gan.fit(images, labels, batch_size=128, epochs=2, verbose=2)
