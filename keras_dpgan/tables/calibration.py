"""How much noise keeps a budget."""

import math

from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.privacy.history_entry import one_gaussian


def table_noise(
    epsilon: float,
    delta: float,
    max_records_per_person: int = 1,
    released: list | tuple = (),
) -> float:
    """The noise multiplier, for one row, by which `recipes.table` keeps a budget.

    Args:
        epsilon: Positive float.
        delta: Float in (0, 1).
        max_records_per_person: Positive int: epsilon is for so many rows together.
            Defaults to 1.
        released: The `privacy.HistoryEntry`s of what was bought before, such as by
            `tables.private_bounds`: epsilon is for all together. Defaults to none.

    Returns:
        Float.

    Raises:
        ValueError: If an argument does not fit, or what was released leaves nothing.

    Examples:
        >>> round(dpgan.recipes.table_noise(epsilon=1.0, delta=1e-5), 3)
        3.732
    """
    epsilon = validate.check_positive("epsilon", epsilon)
    delta = validate.check_delta(delta)
    # One release that every row is in, whatever their number.
    plan = privacy.plan(
        num_examples=1,
        expected_batch_size=1,
        epochs=1,
        epsilon=epsilon,
        delta=delta,
        max_records_per_person=max_records_per_person,
    )
    # Gaussian mechanisms add up by the inverse squares of their noise multipliers.
    left = plan.noise_multiplier**-2.0
    for bought in released:
        if bought.with_count(1) != entry(bought.noise_multiplier):
            raise ValueError(
                "`released` must have the entries of `tables.private_bounds`. "
                f"Received: {bought!r:.120}."
            )
        left -= bought.count * bought.noise_multiplier**-2.0
    if left <= 0:
        raise ValueError(
            "`epsilon` must be above what was released before it. Received: "
            f"epsilon={epsilon}, released={released!r:.120}."
        )
    return 1.0 / math.sqrt(left)


def entry(noise_multiplier) -> privacy.HistoryEntry:
    """What one release of a table's counts costs, a `privacy.HistoryEntry`."""
    return one_gaussian(noise_multiplier)


def exponential_epsilon(noise_multiplier) -> float:
    """The epsilon at which an exponential mechanism tells no more than a Gaussian one.

    Between neighbours the probabilities of all answers change by factors whose
    logarithms lie in a range of length epsilon. Of such pairs those of two answers are
    told apart best, best of all where the range is symmetric: randomized response of
    epsilon / 2, whose errors are both 1 / (1 + exp(epsilon / 2)). A Gaussian mechanism
    that has these errors at this point has no larger ones elsewhere, as its curve of
    errors is convex (Dong, Roth and Su 2022, "Gaussian Differential Privacy"; Dong,
    Durfee and Rogers 2020, "Optimal Differential Privacy Composition for Exponential
    Mechanisms").

    Args:
        noise_multiplier: Positive float, of the Gaussian mechanism.

    Returns:
        Float.
    """
    from scipy import special

    half = 0.5 / noise_multiplier
    return 2.0 * float(special.log_ndtr(half) - special.log_ndtr(-half))
