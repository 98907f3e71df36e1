"""The GAN of `wgan_gp.py`, trained privately: its class is not needed."""

import keras
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.9}


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
gan = dpgan.DPGAN(discriminator, generator, LATENT_DIM)
gan.compile(
    d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(1.0, 0.6, **ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
    loss="wasserstein",
    gradient_penalty=10.0,
    discriminator_steps=3,
)
gan.fit(images, batch_size=128, epochs=2, verbose=2)
print(gan.privacy_statement())
