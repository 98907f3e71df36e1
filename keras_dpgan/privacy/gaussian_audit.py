"""A bound from right guesses on the mu of Gaussian differential privacy.

Source: Mahloujifar, Melis and Chaudhuri 2024, "Auditing f-Differential Privacy in One
Run" (arXiv 2410.22235), the numerical auditor. It uses the whole curve of errors that
an attacker must make, while the bound for epsilon and delta uses only one line below
it.
"""

import math

_LARGEST = 100.0
_BISECTIONS = 40


def mu_lower_bound(num_canaries, num_guesses, num_correct, confidence):
    """The largest mu that this number of right guesses refutes.

    Args:
        num_canaries: Positive int.
        num_guesses: Int, at most `num_canaries`.
        num_correct: Int, at most `num_guesses`.
        confidence: Float in (0, 1).

    Returns:
        Float, at least 0. With a mechanism of a smaller mu (of Gaussian differential
        privacy), the probability of so many right guesses is below `1 - confidence`.
    """

    def is_refuted(mu):
        return _is_refuted(num_canaries, num_guesses, num_correct, mu, 1 - confidence)

    return _largest(is_refuted)


def epsilon_of(mu, delta):
    """Epsilon of one Gaussian mechanism.

    Args:
        mu: Non-negative float: by how much one record moves the sum, in standard
            deviations of the noise.
        delta: Float in (0, 1).

    Returns:
        Float.
    """
    from scipy import special

    if mu == 0:
        return 0.0

    def is_exceeded(epsilon):
        tail = special.log_ndtr(-epsilon / mu - mu / 2)
        lost = special.ndtr(-epsilon / mu + mu / 2) - math.exp(epsilon + tail)
        return lost > delta

    # The privacy loss is normal, with mean mu**2 / 2 and standard deviation mu. The
    # probability beyond forty standard deviations is below every float.
    return _largest(is_exceeded, mu * mu / 2 + 40 * mu)


def _is_refuted(num_canaries, num_guesses, num_correct, mu, probability):
    """Whether as many right guesses are less likely than `probability`.

    Let p[i] be the probability of i right guesses, and of a canary chosen at random
    let R[i] be that its guess is right and at least i are, and H[i] that its guess is
    wrong and at least i are right: R[i] is the sum of p[j] j / m over j >= i, and
    H[i] that of p[j] (g - j) / m, for m canaries and g guesses. If the coin of a
    canary whose guess is right is turned over, its guess is wrong and one less is
    right; so an attacker who has to tell the two coins apart shows that
    `R[i] <= power(H[i - 1])`, where `power` gives the true positives for the false
    positives. (It is concave, so it holds for averages over canaries and coins.)

    Suppose that `num_correct` or more are right with `probability` or more. Then
    R[num_correct] has a least value, and each step down gives least values of
    H[i - 1] and R[i - 1]; of the latter, because R[i] is the sum of the H[j] above
    with factors that are not negative. R[i] + H[i] is at most g / m, the chance that
    the canary is guessed at all: if the least values are above, the supposition was
    wrong.
    """
    from scipy import special

    all_guesses = num_guesses / num_canaries
    right = least_right = probability * num_correct / num_canaries
    wrong = probability * (num_guesses - num_correct) / num_canaries
    for i in range(num_correct - 1, -1, -1):
        least_wrong = special.ndtr(special.ndtri(least_right) - mu)
        if i < num_correct - 1:
            # H grows downwards, from the first value that is known to be a least one.
            least_wrong = max(least_wrong, wrong)
        right += i / (num_guesses - i) * (least_wrong - wrong)
        wrong, least_right = least_wrong, max(least_right, right)
        if least_right + wrong > all_guesses:
            return True
    return False


def _largest(holds, high=_LARGEST):
    """The largest number at which a condition holds, if it holds for smaller ones."""
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
