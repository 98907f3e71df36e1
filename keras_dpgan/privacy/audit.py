"""A lower bound on epsilon from one run: an audit of the implementation.

Source: Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training
Run", theorem 5.2. A fair coin decides for each canary whether it goes into the data.
The audit guesses the coins from the result. Differential privacy bounds how many
guesses can be right, so that more right guesses refute the claim. `gaussian_audit` does
the same for the whole curve of errors, by its mu.

An audit is a separate run with canaries that are not private. Never use the real run:
its result would be audited with coins that someone knows. An audit can refute a claim
and never prove one.
"""

import dataclasses
import math
import os

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan.privacy import gaussian_audit

_BISECTIONS = 40
_LARGEST = 100.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Audit:
    """The result of an audit, returned by `audit`.

    Examples:
        >>> included = dpgan.privacy.audit.flip_coins(100)
        >>> result = dpgan.privacy.audit.audit(
        ...     1.0 * included, included, claimed_epsilon=1.0, delta=1e-5
        ... )
        >>> result.num_correct, result.num_guesses, result.refutes_claim
        (50, 50, True)

    Attributes:
        claimed_epsilon: Float, the claim that was tested.
        delta: Float.
        epsilon_lower_bound: Float: with `confidence`, the true epsilon at `delta` is
            at least this.
        largest_bound: Float, the lower bound if every guess had been right. So few
            canaries cannot test a claim above it.
        mu_lower_bound: Float: with `confidence`, the mu of Gaussian differential
            privacy that covers the mechanism is at least this.
        confidence: Float.
        num_canaries: Int.
        num_guesses: Int.
        num_correct: Int, the number of right guesses.
    """

    claimed_epsilon: float
    delta: float
    epsilon_lower_bound: float
    largest_bound: float
    mu_lower_bound: float
    confidence: float
    num_canaries: int
    num_guesses: int
    num_correct: int

    @property
    def refutes_claim(self) -> bool:
        """Whether the implementation is shown to be broken."""
        return self.epsilon_lower_bound > self.claimed_epsilon

    @property
    def gaussian_epsilon_lower_bound(self) -> float:
        """Epsilon at `delta` of a Gaussian mechanism with `mu_lower_bound`.

        It holds with `confidence` if the curve of errors is that of a Gaussian
        mechanism, as for noised sums over all records; then it is far above
        `epsilon_lower_bound`. It does not hold for sums over samples of the records;
        compare mu in that case.
        """
        return gaussian_audit.epsilon_of(self.mu_lower_bound, self.delta)

    def __str__(self):
        verdict = "REFUTED" if self.refutes_claim else "not refuted"
        return (
            f"claimed: epsilon = {self.claimed_epsilon:.3g} at delta = "
            f"{self.delta:g}: {verdict}\n"
            f"shown: epsilon >= {self.epsilon_lower_bound:.3g} with "
            f"{self.confidence:.4g} confidence ({self.num_correct} of "
            f"{self.num_guesses} guesses right, {self.num_canaries} canaries)\n"
            f"could have shown: epsilon >= {self.largest_bound:.3g} at most\n"
            f"as Gaussian differential privacy: mu >= {self.mu_lower_bound:.3g}, which "
            f"is epsilon >= {self.gaussian_epsilon_lower_bound:.3g} without sampling"
        )


def flip_coins(num_canaries: int) -> np.ndarray:
    """Decides which canaries go into the data, by fair coins of the operating system.

    Examples:
        >>> dpgan.privacy.audit.flip_coins(100).shape
        (100,)

    Args:
        num_canaries: Positive int.

    Returns:
        Bool array of shape `(num_canaries,)`.
    """
    validate.check_int("num_canaries", num_canaries, minimum=1)
    bits = np.unpackbits(np.frombuffer(os.urandom(-(-num_canaries // 8)), np.uint8))
    return bits[:num_canaries].astype(bool)


def audit(
    scores: npt.ArrayLike,
    included: npt.ArrayLike,
    claimed_epsilon: float,
    delta: float,
    num_guesses: int | None = None,
    confidence: float = 0.999,
) -> Audit:
    """Guesses from scores which canaries went into the data, and evaluates the guesses.

    It guesses that the canaries with the `num_guesses / 2` highest scores are in the
    data, and that equally many with the lowest scores are not.

    Source: Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training
    Run".

    Examples:
        >>> included = dpgan.privacy.audit.flip_coins(100)
        >>> scores = 1.0 * included  # A model that tells everything.
        >>> result = dpgan.privacy.audit.audit(
        ...     scores, included, claimed_epsilon=1.0, delta=1e-5
        ... )
        >>> round(result.epsilon_lower_bound, 1)
        1.9

    Args:
        scores: Floats of shape `(num_canaries,)`, computed only from what is published.
            A high score means that the canary seems to be in the data.
        included: The coins, from `flip_coins`.
        claimed_epsilon: Non-negative float; infinite if nothing is claimed.
        delta: Float in (0, 1).
        num_guesses: Positive even int, chosen before the scores are known. Defaults to
            `None`: half the number of canaries.
        confidence: Float in (0, 1). Defaults to 0.999.

    Returns:
        An `Audit`.

    Raises:
        ValueError: If an argument is wrong.
    """
    scores, included = validate.check_scores(scores, included, "included", "canary")
    if claimed_epsilon != math.inf:
        validate.check_non_negative("claimed_epsilon", claimed_epsilon)
    half = len(scores) // 4 if num_guesses is None else num_guesses // 2
    num_guesses = validate.check_int(
        "num_guesses", 2 * half, minimum=2, maximum=len(scores)
    )
    # Ties are broken at random, because the order of the canaries could reveal them.
    order = np.random.default_rng().permutation(len(scores))
    order = order[np.argsort(scores[order], kind="stable")]
    num_correct = int(np.sum(~included[order[:half]]) + np.sum(included[order[-half:]]))

    def bound(correct):
        return epsilon_lower_bound(len(scores), num_guesses, correct, delta, confidence)

    return Audit(
        claimed_epsilon=claimed_epsilon,
        delta=delta,
        epsilon_lower_bound=bound(num_correct),
        largest_bound=bound(num_guesses),
        mu_lower_bound=gaussian_audit.mu_lower_bound(
            len(scores), num_guesses, num_correct, confidence
        ),
        confidence=confidence,
        num_canaries=len(scores),
        num_guesses=num_guesses,
        num_correct=num_correct,
    )


def epsilon_lower_bound(
    num_canaries: int,
    num_guesses: int,
    num_correct: int,
    delta: float,
    confidence: float,
) -> float:
    """The largest epsilon that this number of right guesses refutes.

    Source: Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training
    Run", theorem 5.2.

    Examples:
        >>> bound = dpgan.privacy.audit.epsilon_lower_bound(
        ...     num_canaries=100, num_guesses=50, num_correct=45, delta=1e-5,
        ...     confidence=0.95,
        ... )
        >>> round(bound, 2)
        1.39

    Args:
        num_canaries: Positive int.
        num_guesses: Int, at most `num_canaries`.
        num_correct: Int, at most `num_guesses`.
        delta: Float in (0, 1).
        confidence: Float in (0, 1).

    Returns:
        Float, at least 0.
    """
    validate.check_int("num_canaries", num_canaries, minimum=1)
    validate.check_int("num_guesses", num_guesses, 1, num_canaries)
    validate.check_int("num_correct", num_correct, 0, num_guesses)
    delta = validate.check_delta(delta)
    if not 0 < confidence < 1:
        raise ValueError(
            f"`confidence` must be in (0, 1). Received: confidence={confidence}"
        )

    def is_refuted(epsilon):
        probability = _probability_of_as_many(
            num_canaries, num_guesses, num_correct, epsilon, delta
        )
        return probability < 1 - confidence

    low, high = 0.0, _LARGEST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_refuted(middle) else (low, middle)
    return low


def _probability_of_as_many(num_canaries, num_guesses, num_correct, epsilon, delta):
    """Bound on the probability of so many right guesses under (epsilon, delta).

    Under pure epsilon each guess is right with probability at most
    `1 / (1 + exp(-epsilon))`. Delta adds, for the worst i, `2 m delta / i` times the
    probability of at most i right guesses too few.
    """
    from scipy import stats

    binomial = stats.binom(num_guesses, 1 / (1 + np.exp(-epsilon)))
    as_many = binomial.sf(num_correct - 1)
    short_by = np.arange(1, num_correct + 1)
    falling_short = np.cumsum(binomial.pmf(num_correct - short_by))
    worst = np.max(falling_short / short_by, initial=0.0)
    return min(1.0, as_many + 2 * num_canaries * delta * worst)
