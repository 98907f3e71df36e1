"""Published private GANs, on the networks and the mechanism of this package.

Optimizers, losses, clips, batches and schedules are those of the papers; the
networks are `models.image_discriminator` and `models.image_generator`, and pairs of
one label are clipped together, as everywhere here. What the original did
otherwise, each recipe says.
"""

import typing

import keras

from keras_dpgan import models
from keras_dpgan import optimizers
from keras_dpgan.gan.dpgan import DPGAN
from keras_dpgan.recipes.recipe import Recipe
from keras_dpgan.recipes.recipe import planned_noise

if typing.TYPE_CHECKING:
    from keras_dpgan.gan.discriminator_steps import AdaptiveDiscriminatorSteps


def dpgan(
    shape: tuple[int, ...],
    num_classes: int | None,
    num_examples: int,
    *,
    epsilon: float,
    delta: float,
    updates: int = 10000,
    batch_size: int = 64,
    width: int = 32,
) -> Recipe:
    """The first private GAN: a Wasserstein critic with clipped weights.

    RMSprop at 5e-5, weights within 0.02, five updates per generator step. The
    original bounds gradients through the weights alone; here each record's is
    clipped to 1. Source: Xie et al. 2018, "Differentially Private Generative
    Adversarial Network".

    Examples:
        >>> recipe = dpgan.recipes.dpgan(
        ...     (8, 8, 1), 10, 1_000, epsilon=10.0, delta=1e-5, updates=10, width=4
        ... )
        >>> recipe.batch_size, recipe.updates
        (64, 10)

    Args:
        shape: Tuple `(height, width, channels)`.
        num_classes: Int, or `None` for an unconditional GAN.
        num_examples: Int, the rows of the private data.
        epsilon: Positive float.
        delta: Float in (0, 1).
        updates: Int. Defaults to 10,000.
        batch_size: Int. Defaults to 64.
        width: Int, of the discriminator; the generator's is twice that. Defaults
            to 32.

    Returns:
        A `Recipe`.
    """
    budget = (num_examples, batch_size, updates, epsilon, delta)
    return _recipe(
        _networks(shape, num_classes, 100, width),
        budget,
        keras.optimizers.RMSprop(5e-5),
        l2_norm_clip=1.0,
        g_optimizer=keras.optimizers.RMSprop(5e-5),
        loss="wasserstein",
        weight_clip=0.02,
        discriminator_steps=5,
    )


def dp_cgan(
    shape: tuple[int, ...],
    num_classes: int | None,
    num_examples: int,
    *,
    epsilon: float,
    delta: float,
    updates: int = 10000,
    batch_size: int = 600,
    width: int = 32,
) -> Recipe:
    """A conditional GAN with plain descent of the discriminator.

    SGD at 0.1 (the original lets it fall to 0.052), a clip of 1.1, a generator step
    after each update. The original clips real and fake rows apart, adds no noise
    to the fakes' part, and has dense networks. Source: Torkzadehmahani, Kairouz and
    Paten 2019, "DP-CGAN".

    Examples:
        >>> recipe = dpgan.recipes.dp_cgan(
        ...     (8, 8, 1), 10, 1_000, epsilon=10.0, delta=1e-5, updates=10, width=4
        ... )
        >>> recipe.batch_size, recipe.updates
        (600, 10)

    Args:
        shape: As in `dpgan`.
        num_classes: As in `dpgan`.
        num_examples: As in `dpgan`.
        epsilon: As in `dpgan`.
        delta: As in `dpgan`.
        updates: Int. Defaults to 10,000.
        batch_size: Int. Defaults to 600.
        width: As in `dpgan`.

    Returns:
        A `Recipe`.
    """
    budget = (num_examples, batch_size, updates, epsilon, delta)
    return _recipe(
        _networks(shape, num_classes, 100, width),
        budget,
        keras.optimizers.SGD(0.1),
        l2_norm_clip=1.1,
        g_optimizer=keras.optimizers.Adam(1e-3),
        loss="non_saturating",
        discriminator_steps=1,
    )


def dp_wgan_gp(
    shape: tuple[int, ...],
    num_classes: int | None,
    num_examples: int,
    *,
    epsilon: float,
    delta: float,
    updates: int = 20000,
    batch_size: int = 64,
    width: int = 32,
) -> Recipe:
    """A Wasserstein critic with gradient penalty, clipped at 4.

    Adam at 2e-4 with betas 0.5 and 0.9, five updates per generator step. The
    original groups its clips, adapts them on public rows and starts from public
    data; this does not. Source: Zhang, Ji and Wang 2018, "Differentially Private
    Releasing via Deep Generative Model".

    Examples:
        >>> recipe = dpgan.recipes.dp_wgan_gp(
        ...     (8, 8, 1), 10, 1_000, epsilon=10.0, delta=1e-5, updates=10, width=4
        ... )
        >>> recipe.batch_size, recipe.updates
        (64, 10)

    Args:
        shape: As in `dpgan`.
        num_classes: As in `dpgan`.
        num_examples: As in `dpgan`.
        epsilon: As in `dpgan`.
        delta: As in `dpgan`.
        updates: Int. Defaults to 20,000.
        batch_size: Int. Defaults to 64.
        width: As in `dpgan`.

    Returns:
        A `Recipe`.
    """
    budget = (num_examples, batch_size, updates, epsilon, delta)
    return _recipe(
        _networks(shape, num_classes, 128, width),
        budget,
        keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9),
        l2_norm_clip=4.0,
        g_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9),
        loss="wasserstein",
        gradient_penalty=10.0,
        discriminator_steps=5,
    )


def revisited(
    shape: tuple[int, ...],
    num_classes: int | None,
    num_examples: int,
    *,
    epsilon: float,
    delta: float,
    updates: int = 450000,
    batch_size: int = 128,
    discriminator_steps: "AdaptiveDiscriminatorSteps | int" = 50,
    width: int = 64,
) -> Recipe:
    """Many discriminator updates per generator step, without further ado.

    Both Adams at 2e-4 with beta_1 0.5. The original has networks of 1.7 and 2.3
    million weights, and took eight hours on a large GPU. Source: Bie, Kamath and
    Zhang 2023, "Private GANs, Revisited".

    Examples:
        >>> recipe = dpgan.recipes.revisited(
        ...     (8, 8, 1), 10, 1_000, epsilon=10.0, delta=1e-5, updates=10, width=4
        ... )
        >>> recipe.batch_size, recipe.updates
        (128, 10)

    Args:
        shape: As in `dpgan`.
        num_classes: As in `dpgan`.
        num_examples: As in `dpgan`.
        epsilon: As in `dpgan`.
        delta: As in `dpgan`.
        updates: Int. Defaults to 450,000.
        batch_size: Int. Defaults to 128.
        discriminator_steps: Int, or `AdaptiveDiscriminatorSteps()`, which the paper
            has with batches of 512 and 174,000 updates. Defaults to 50; the paper
            has 100 for Fashion-MNIST at epsilon 10, and 200 at epsilon 1.
        width: As in `dpgan`. Defaults to 64.

    Returns:
        A `Recipe`.
    """
    budget = (num_examples, batch_size, updates, epsilon, delta)
    return _recipe(
        _networks(shape, num_classes, 128, width),
        budget,
        keras.optimizers.Adam(2e-4, beta_1=0.5),
        l2_norm_clip=1.0,
        g_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
        loss="non_saturating",
        discriminator_steps=discriminator_steps,
    )


def large_batch(
    shape: tuple[int, ...],
    num_classes: int | None,
    num_examples: int,
    *,
    epsilon: float,
    delta: float,
    updates: int = 2200,
    batch_size: int = 4096,
    width: int = 64,
    physical_batch_size: int = 256,
) -> Recipe:
    """Large batches, a tiny clip, and the average of the generator's weights.

    Hinge loss, Adam at 5e-4 and 2e-4 with beta_1 0, a clip of 0.001, five updates
    per generator step, an average at 0.999: the DP-GAN of DPImageBench, which has
    BigGAN's networks. Source: Gong et al. 2025, "DPImageBench".

    Examples:
        >>> recipe = dpgan.recipes.large_batch(
        ...     (8, 8, 1), 10, 10_000, epsilon=10.0, delta=1e-5, updates=10, width=4
        ... )
        >>> recipe.batch_size, recipe.updates
        (4096, 10)

    Args:
        shape: As in `dpgan`.
        num_classes: As in `dpgan`.
        num_examples: As in `dpgan`.
        epsilon: As in `dpgan`.
        delta: As in `dpgan`.
        updates: Int. Defaults to 2,200: 150 epochs of 60,000 rows.
        batch_size: Int. Defaults to 4096.
        width: As in `dpgan`. Defaults to 64.
        physical_batch_size: Int, the records worked on at once. Defaults to 256.

    Returns:
        A `Recipe`.
    """
    budget = (num_examples, batch_size, updates, epsilon, delta)
    return _recipe(
        _networks(shape, num_classes, 128, width),
        budget,
        keras.optimizers.Adam(5e-4, beta_1=0.0),
        l2_norm_clip=0.001,
        g_optimizer=keras.optimizers.Adam(
            2e-4, beta_1=0.0, use_ema=True, ema_momentum=0.999
        ),
        loss="hinge",
        discriminator_steps=5,
        physical_batch_size=physical_batch_size,
    )


def _networks(shape, num_classes, latent_dim, width):
    return DPGAN(
        models.image_discriminator(shape, num_classes, width=width),
        models.image_generator(shape, latent_dim, num_classes, width=2 * width),
    )


def _recipe(gan, budget, inner_optimizer, l2_norm_clip, **compile_arguments):
    _, batch_size, updates, _, _ = budget
    noise_multiplier = planned_noise(*budget)
    d_optimizer = optimizers.DPOptimizer(
        inner_optimizer, l2_norm_clip, noise_multiplier
    )
    return Recipe(
        gan=gan,
        compile_arguments={"d_optimizer": d_optimizer, **compile_arguments},
        batch_size=batch_size,
        updates=updates,
        noise_multiplier=noise_multiplier,
    )
