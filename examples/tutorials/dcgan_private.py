"""The GAN of `dcgan.py`, trained privately: its class is not needed."""

import keras
from keras import layers

import keras_dpgan as dpgan

LATENT_DIM = 16
ADAM = {"learning_rate": 1e-3, "beta_1": 0.5}


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
gan = dpgan.DPGAN(discriminator, generator, LATENT_DIM)
gan.compile(
    d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(1.0, 0.6, **ADAM),
    g_optimizer=keras.optimizers.Adam(**ADAM),
)
gan.fit(images, batch_size=128, epochs=2, verbose=2)
print(gan.privacy_statement())
