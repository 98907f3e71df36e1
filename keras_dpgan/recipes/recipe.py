"""What a recipe gives: a model and how to train it."""

import dataclasses
import typing

from keras_dpgan import privacy
from keras_dpgan.gan.dpgan import DPGAN

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows

# How much more noise than needed is good enough, as a share.
_NOISE_TOLERANCE = 2e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A GAN, not yet compiled, and how it is to be trained.

    ```python
    recipe = dpgan.recipes.revisited(
        (28, 28, 1), 10, len(x), epsilon=10.0, delta=1e-5)
    gan = recipe.fit(x, y)
    ```

    Attributes:
        gan: A `DPGAN`.
        compile_arguments: Dict for `gan.compile`.
        batch_size: Int, the expected size of a Poisson batch.
        updates: Int, discriminator updates in all.
        noise_multiplier: Float, what the budget asks for.
    """

    gan: DPGAN
    compile_arguments: dict
    batch_size: int
    updates: int
    noise_multiplier: float

    def fit(
        self,
        x: "IndexedRows",
        y: "IndexedRows | None",
        epochs: int = 1,
        **kwargs: typing.Any,
    ) -> DPGAN:
        """Compiles the model and makes all updates.

        Args:
            x: Array of shape `(n, ...)` in the generator's range, the rows that
                the recipe's noise was planned for.
            y: Int labels of shape `(n,)`.
            epochs: Int, the parts that the updates are made in. Defaults to 1.
            **kwargs: Those of `DPGAN.fit`.

        Returns:
            The trained `DPGAN`.
        """
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
    probability = batch_size / num_examples
    plan = privacy.plan(
        num_examples=num_examples,
        expected_batch_size=batch_size,
        epochs=updates / max(1, round(1 / probability)),
        epsilon=epsilon,
        delta=delta,
    )
    if not released:
        return plan.noise_multiplier
    spent = privacy.epsilon(privacy.PrivacyHistory(released), delta)
    if spent >= epsilon:
        raise ValueError(
            "`epsilon` must be more than what is released before the first update, "
            f"{spent:.3f}. Received: epsilon={epsilon}"
        )

    def total(noise_multiplier):
        training = privacy.HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=noise_multiplier,
            sampling_probability=probability,
            count=updates,
        )
        history = privacy.PrivacyHistory([*released, training])
        return privacy.epsilon(history, delta)

    low = high = plan.noise_multiplier
    while total(high) > epsilon:
        low, high = high, 1.5 * high
    while high - low > _NOISE_TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if total(middle) <= epsilon else (middle, high)
    return high
