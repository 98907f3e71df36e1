"""Our own recipe: a private mixture of Gaussians, and a GAN from there."""

import collections.abc

import keras
import numpy as np

from keras_dpgan import critics
from keras_dpgan import features
from keras_dpgan import mixture
from keras_dpgan import models
from keras_dpgan import optimizers
from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.gan.dpgan import DPGAN
from keras_dpgan.privacy import calibration
from keras_dpgan.privacy.history_entry import one_gaussian
from keras_dpgan.recipes.recipe import Recipe
from keras_dpgan.recipes.recipe import planned_noise

# Of epsilon, for what is released once, where updates of a discriminator follow. The
# two compose to less than their sum, and training hardly feels the little more noise.
_RELEASES_SHARE = 0.5
# Of what is released once (of `1 / noise_multiplier**2`, in which Gaussian mechanisms
# add up), for the mixture, where a critic is released, too.
_MIXTURE_SHARE = 0.6
_MOST_COMPONENTS = 8
_ROWS_PER_NOISE = 500


def best(
    x: np.ndarray,
    y: np.ndarray,
    num_classes: int,
    *,
    epsilon: float,
    delta: float,
    critic_steps: int = 0,
    updates: int = 0,
    batch_size: int = 128,
    components: int | None = None,
    rank: int = 128,
    width: int = 32,
    max_norm: float | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
) -> Recipe:
    """The recipe with the most useful samples that we have found for a laptop.

    The generator starts at a mixture of Gaussians for each label, released from the
    budget in seconds (`mixture.private_class_mixture`), and a convolutional network
    refines its samples: by steps against a critic whose scattering features were
    released once, by label and component (`critics.release_critic`), and if asked for
    by updates of a discriminator: Adam at 5e-4 and 2e-4 with beta_1 0.5, five updates
    per generator step, an average of the generator's weights at 0.99. What
    helped and what did not, and on which data it was found out, is in
    `docs/recipes.md`; with few updates such training costs more accuracy than it
    gains, so that there are none unless asked for.

    Mixture and critic are released by this call: each further call spends as much
    again. Steps against the critic are free, as many as there are.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
        >>> y = np.arange(60) % 3
        >>> recipe = dpgan.recipes.best(
        ...     x, y, 3, epsilon=10.0, delta=1e-3, rank=4, width=4
        ... )
        >>> recipe.updates
        0
        >>> recipe.gan.sample(5)[0].shape
        (5, 8, 8, 1)

    Args:
        x: Float images of shape `(n, height, width, channels)` in `pixel_range`,
            with sides divisible by 4.
        y: Int labels of shape `(n,)`.
        num_classes: Int.
        epsilon: Positive float, for all releases and training together.
        delta: Float in (0, 1).
        critic_steps: Int, generator steps against the released critic, which has 40%
            of what the releases have; 300 is a beginning. Defaults to 0: there is no
            critic, and the mixture has all of it.
        updates: Int, discriminator updates. Defaults to 0: the releases have all of
            the budget, otherwise half of epsilon.
        batch_size: Int. Defaults to 128.
        components: Int, Gaussians per label. Defaults to `None`: as many, up to 8,
            as leave each of them 500 rows for each unit of the noise multiplier.
        rank: Int, directions of a Gaussian at most. Defaults to 128.
        width: Int, of discriminator and refining network. Defaults to 32.
        max_norm: As in `mixture.private_class_mixture`.
        pixel_range: Pair of floats; only `(-1.0, 1.0)`, tanh's.

    Returns:
        A `Recipe`, whose model counts the releases.
    """
    validate.check_int("critic_steps", critic_steps, minimum=0)
    shape = x.shape[1:]
    released_noise = _released_noise(
        _RELEASES_SHARE * epsilon if updates else epsilon, delta
    )
    share = _MIXTURE_SHARE if critic_steps else 1.0
    mixture_noise = released_noise / np.sqrt(share)
    if components is None:
        affordable = len(x) / (num_classes * _ROWS_PER_NOISE * mixture_noise)
        components = min(max(int(affordable), 1), _MOST_COMPONENTS)
    start, _ = mixture.private_class_mixture(
        x,
        y,
        num_classes,
        noise_multiplier=mixture_noise,
        rank=min(rank, x[0].size),
        components=components,
        max_norm=max_norm,
        pixel_range=pixel_range,
    )
    gan = DPGAN(
        models.image_discriminator(shape, num_classes, width=width),
        models.mixture_generator(shape, start, width=width),
    )
    critic = None
    if critic_steps:
        critic = critics.release_critic(
            gan,
            x,
            y,
            features=features.Scattering(),
            noise_multiplier=released_noise / np.sqrt(1 - share),
            groups_per_label=components,
        )
    noise_multiplier = released_noise
    if updates:
        noise_multiplier = planned_noise(
            len(x), batch_size, updates, epsilon, delta, [one_gaussian(released_noise)]
        )
    return Recipe(
        gan=gan,
        compile_arguments={
            "d_optimizer": optimizers.DPKerasAdamOptimizer(
                l2_norm_clip=1.0,
                noise_multiplier=noise_multiplier,
                learning_rate=5e-4,
                beta_1=0.5,
            ),
            "g_optimizer": keras.optimizers.Adam(
                2e-4, beta_1=0.5, use_ema=True, ema_momentum=0.99
            ),
            "loss": "non_saturating",
            "discriminator_steps": 5,
        },
        batch_size=batch_size,
        updates=updates,
        noise_multiplier=noise_multiplier,
        critic=critic,
        critic_steps=critic_steps,
    )


def _released_noise(epsilon, delta):
    """The least noise at which all that is released once costs at most `epsilon`."""

    def history_of(noise_multiplier):
        return privacy.PrivacyHistory([one_gaussian(noise_multiplier)])

    return calibration.least_noise(history_of, epsilon, delta)
