"""A private GAN of Fashion-MNIST."""

import experiment

import keras_dpgan as dpgan

# The flags of the GAN were not tuned on Fashion-MNIST.
DEFAULTS = experiment.Settings(
    output_dir="out/fashion_mnist",
    recipe="best",
    updates=8000,
    batch_size=128,
    discriminator_steps=10,
    d_learning_rate=5e-4,
    g_learning_rate=5e-4,
    beta_1=0.5,
    delta=1e-5,
    latent_dim=64,
    d_width=32,
    g_width=64,
    epochs=8,
)


def networks(settings):
    """The discriminator and the generator of the settings."""
    shape = (28, 28, 1)
    return (
        dpgan.models.image_discriminator(shape, num_classes=10, width=settings.d_width),
        dpgan.models.image_generator(
            shape, settings.latent_dim, num_classes=10, width=settings.g_width
        ),
    )


def train(settings, data_dir=None, verbose="auto"):
    """Trains on the 60,000 training images and says where everything is.

    Args:
        settings: `experiment.Settings`.
        data_dir: Folder of the IDX files. Defaults to `None`: as
            `data.load_fashion_mnist` finds them.
        verbose: As in `keras.Model.fit`.

    Returns:
        The trained `DPGAN`.
    """
    (x_train, y_train), _ = dpgan.data.load_fashion_mnist(data_dir)
    gan = experiment.train(settings, x_train, y_train, networks, verbose)
    print(gan.privacy_statement(delta=settings.delta))
    print(f"Written to {settings.output_dir}")
    return gan
