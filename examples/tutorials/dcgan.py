"""A DCGAN of handwritten digits in stock Keras; `dcgan_private.py` is private."""

import keras
import tensorflow as tf
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5}


class GAN(keras.Model):
    """Two networks that are trained against each other with binary cross-entropy."""

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

    def train_step(self, images):
        n = tf.shape(images)[0]
        latents = tf.random.normal((n, self.latent_dim))
        with tf.GradientTape() as tape:
            real = self.discriminator(images, training=True)
            fake = self.discriminator(self.generator(latents), training=True)
            d_loss = self.cross_entropy(tf.ones_like(real), real)
            d_loss += self.cross_entropy(tf.zeros_like(fake), fake)
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(latents, training=True))
            g_loss = self.cross_entropy(tf.ones_like(fake), fake)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


discriminator = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(16, 4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(32, 4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(1),
    ]
)
generator = keras.Sequential(
    [
        keras.Input((LATENT_DIM,)),
        layers.Dense(2 * 2 * 32),
        layers.Reshape((2, 2, 32)),
        layers.Conv2DTranspose(32, 4, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
    ]
)

(images, _), _ = dpgan.data.load_digits()
gan = GAN(discriminator, generator, LATENT_DIM)
gan.compile(
    d_optimizer=keras.optimizers.Adam(**ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
)
gan.fit(images, batch_size=128, epochs=2, verbose=2)
