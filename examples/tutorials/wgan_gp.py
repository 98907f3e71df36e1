"""A WGAN-GP of handwritten digits in stock Keras; `wgan_gp_private.py` is private."""

import keras
import tensorflow as tf
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.9}


class WGAN(keras.Model):
    """A critic with a gradient penalty, and a generator, taught every third step."""

    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim

    def compile(self, d_optimizer, g_optimizer, gradient_penalty, discriminator_steps):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.weight = gradient_penalty
        self.discriminator_steps = discriminator_steps

    def penalty(self, images, fakes):
        mixing = tf.random.uniform((tf.shape(images)[0], 1, 1, 1))
        between = images + mixing * (fakes - images)
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.discriminator(between, training=True)
        slopes = tape.gradient(scores, between)
        norms = tf.sqrt(tf.reduce_sum(slopes**2, axis=[1, 2, 3]) + 1e-12)
        return tf.reduce_mean((norms - 1.0) ** 2)

    def train_step(self, images):
        n = tf.shape(images)[0]
        weights = self.discriminator.trainable_weights
        for _ in range(self.discriminator_steps):
            fakes = self.generator(tf.random.normal((n, self.latent_dim)))
            with tf.GradientTape() as tape:
                real = self.discriminator(images, training=True)
                fake = self.discriminator(fakes, training=True)
                d_loss = tf.reduce_mean(fake) - tf.reduce_mean(real)
                d_loss += self.weight * self.penalty(images, fakes)
            self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        latents = tf.random.normal((n, self.latent_dim))
        with tf.GradientTape() as tape:
            scores = self.discriminator(self.generator(latents, training=True))
            g_loss = -tf.reduce_mean(scores)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


discriminator = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(16, 4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dense(32),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Dense(1),
    ]
)
generator = keras.Sequential(
    [
        keras.Input((LATENT_DIM,)),
        layers.Dense(4 * 4 * 16, use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Reshape((4, 4, 16)),
        layers.UpSampling2D(),
        layers.Conv2D(1, 3, padding="same", activation="tanh"),
    ]
)

(images, _), _ = dpgan.data.load_digits()
gan = WGAN(discriminator, generator, LATENT_DIM)
gan.compile(
    d_optimizer=keras.optimizers.Adam(**ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
    gradient_penalty=10.0,
    discriminator_steps=3,
)
gan.fit(images, batch_size=128, epochs=2, verbose=2)
