"""What a recipe gives: a model and how to train it."""

import dataclasses
import typing

import keras

from keras_dpgan import privacy
from keras_dpgan.gan.dpgan import DPGAN
from keras_dpgan.privacy import calibration

if typing.TYPE_CHECKING:
    from keras_dpgan.critics.released_critic import ReleasedCritic
    from keras_dpgan.data.records import IndexedRows

_CRITIC_LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A GAN, not yet compiled, and how it is to be trained.

    Examples:
        >>> recipe = dpgan.recipes.dp_cgan(
        ...     (8, 8, 1), 10, num_examples=1_000, epsilon=10.0, delta=1e-5, updates=10
        ... )
        >>> recipe.batch_size, recipe.updates
        (600, 10)
        >>> recipe.compile_arguments["loss"]
        'non_saturating'

        `gan = recipe.fit(x, y)` then compiles the model and trains it.

    Attributes:
        gan: A `DPGAN`.
        compile_arguments: Dict for `gan.compile`.
        batch_size: Int, the expected size of a Poisson batch.
        updates: Int, discriminator updates in all.
        noise_multiplier: Float, what the budget asks for.
        critic: A `critics.ReleasedCritic` that the generator learns from first, or
            `None`.
        critic_steps: Int, generator steps against it. They cost nothing.
    """

    gan: DPGAN
    compile_arguments: dict
    batch_size: int
    updates: int
    noise_multiplier: float
    critic: "ReleasedCritic | None" = None
    critic_steps: int = 0

    def fit(
        self,
        x: "IndexedRows",
        y: "IndexedRows | None",
        epochs: int = 1,
        **kwargs: typing.Any,
    ) -> DPGAN:
        """Compiles the model and makes all generator steps and updates.

        Args:
            x: Array of shape `(n, ...)` in the generator's range, the rows that
                the recipe's noise was planned for.
            y: Int labels of shape `(n,)`.
            epochs: Int, the parts that steps and updates are made in. Defaults to 1.
            **kwargs: Those of `DPGAN.fit`.

        Returns:
            The trained `DPGAN`.
        """
        if self.critic_steps:
            self._learn_from_critic(epochs, kwargs)
        self.gan.compile(**self.compile_arguments)
        # Whatever the number of epochs: the noise is for so many and no more.
        self.gan.max_discriminator_updates = self.updates
        if self.updates:
            self.gan.fit(
                x,
                y,
                batch_size=self.batch_size,
                steps_per_epoch=-(-self.updates // epochs),
                epochs=epochs,
                **kwargs,
            )
        return self.gan

    def _learn_from_critic(self, epochs, of_fit):
        """Trains the generator against what was released, at falling steps."""
        steps = -(-self.critic_steps // epochs)
        rate = keras.optimizers.schedules.CosineDecay(
            _CRITIC_LEARNING_RATE, steps * epochs
        )
        self.gan.compile(
            critic=self.critic,
            g_optimizer=keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.99),
        )
        # Its steps read no record, so that there are none for a ledger.
        of_fit = {name: v for name, v in of_fit.items() if name != "ledger"}
        self.gan.fit(steps_per_epoch=steps, epochs=epochs, **of_fit)


def planned_noise(num_examples, batch_size, updates, epsilon, delta, released=()):
    """The noise multiplier by which the updates stay within the budget.

    Args:
        num_examples: Int, the rows of the private data.
        batch_size: Int, the expected size of a Poisson batch.
        updates: Int, discriminator updates in all.
        epsilon: Positive float, for the updates and what was released before.
        delta: Float in (0, 1).
        released: The `privacy.HistoryEntry`s of earlier releases of the same data.
            Defaults to none.

    Returns:
        Float.

    Raises:
        ValueError: If what was released leaves nothing of the budget.
    """
    spent = privacy.epsilon(privacy.PrivacyHistory(released), delta) if released else 0
    if spent >= epsilon:
        raise ValueError(
            "`epsilon` must be more than what is released before the first update, "
            f"{spent:.3f}. Received: epsilon={epsilon}"
        )

    def history_of(noise_multiplier):
        training = privacy.HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=noise_multiplier,
            sampling_probability=batch_size / num_examples,
            count=updates,
        )
        return privacy.PrivacyHistory([*released, training])

    return calibration.least_noise(history_of, epsilon, delta)
