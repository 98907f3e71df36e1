"""Privacy loss distributions of sampled Gaussian mechanisms."""

import math

import numpy as np

# The log of the probability that is cut off at each end and counts as a full breach, as
# in dp_accounting.
_LOG_TAIL = -50.0


def loss_distribution(sampling_probability, noise_multiplier, group_size, interval):
    """The privacy loss of one update when a group of rows is added or removed.

    A separate coin decides for each row of the group whether it enters the batch, so
    the sum moves by at most j clips with the binomial probability of j. The dominating
    pair consists of one Gaussian and a mixture of shifted Gaussians. Source: Ganesh
    2024, "Tight Group-Level DP Guarantees for DP-SGD with Sampling via Mixture of
    Gaussians Mechanisms"; for one row it is the pair of Mironov, Talwar and Zhang 2019.

    dp_accounting computes the same for one row and, from version 0.5 on, which
    TensorFlow Privacy does not support, for several. It computes the losses one by one
    in Python, which takes up to ten seconds. Here the whole grid is computed at once.

    Args:
        sampling_probability: Float in (0, 1).
        noise_multiplier: Positive float.
        group_size: Positive int.
        interval: Positive float, the grid of privacy losses.

    Returns:
        A `PrivacyLossDistribution` of dp_accounting.
    """
    from dp_accounting.pld import privacy_loss_distribution

    mixture = _Mixture(sampling_probability, noise_multiplier, group_size)
    return privacy_loss_distribution.PrivacyLossDistribution(
        _removed(mixture, interval), _added(mixture, interval)
    )


class _Mixture:
    """A Gaussian mixture over the number of rows drawn, in units of the noise.

    Under the mixture and the Gaussian alike, `x` is what is released; the
    privacy loss is the log of their densities' ratio, convex and increasing.
    """

    def __init__(self, sampling_probability, noise_multiplier, group_size):
        from scipy import special
        from scipy import stats

        drawn = np.arange(group_size + 1)
        self._log_weights = stats.binom.logpmf(drawn, group_size, sampling_probability)
        self._shifts = drawn / noise_multiplier
        reach = -special.ndtri_exp(_LOG_TAIL)
        self.low, self.high = -reach, reach + self._shifts[-1]

    def loss(self, x):
        from scipy import special

        return special.logsumexp(self._exponents(x), axis=0)

    def log_above(self, x):
        """The log probabilities that mixture and Gaussian exceed `x`."""
        return self._log_tails(self._shifts[:, np.newaxis] - x)

    def log_below(self, x):
        """The log probabilities that mixture and Gaussian stay below `x`."""
        return self._log_tails(x - self._shifts[:, np.newaxis])

    def _log_tails(self, distances):
        from scipy import special

        tails = special.log_ndtr(distances)
        weighted = self._log_weights[:, np.newaxis] + tails
        return special.logsumexp(weighted, axis=0), tails[0]

    def inverse_loss(self, losses):
        """The `x` in [low, high] at which the privacy loss has given values."""
        from scipy import special

        grid = np.linspace(self.low, self.high, 100_001)
        right = np.searchsorted(self.loss(grid), losses).clip(1, len(grid) - 1)
        x = grid[right]
        # From the right, Newton's method on a convex function never overshoots;
        # on so fine a grid three steps reach the last digit.
        for _ in range(3):
            exponents = self._exponents(x)
            excess = special.logsumexp(exponents, axis=0) - losses
            slope = self._shifts @ special.softmax(exponents, axis=0)
            step = np.divide(excess, slope, out=np.zeros_like(x), where=slope > 0)
            x = np.clip(x - step, grid[right - 1], grid[right])
        return x

    def _exponents(self, x):
        shifts = self._shifts[:, np.newaxis]
        return self._log_weights[:, np.newaxis] + shifts * (x - shifts / 2)


def _removed(mixture, interval):
    """The loss when the group was in the data, as a rounded-up distribution."""
    bottom, top = mixture.loss(np.array([mixture.low, mixture.high]))
    lower, losses = _grid(bottom, top, interval)
    of_mixture, of_gaussian = mixture.log_above(mixture.inverse_loss(losses))
    beyond, _ = mixture.log_above(np.array([mixture.high]))
    deltas = _divergences(of_mixture, of_gaussian, losses)
    return _connect(deltas, np.exp(beyond), interval, lower)


def _added(mixture, interval):
    """The loss when the group was not in the data."""
    bottom, top = -mixture.loss(np.array([mixture.high, mixture.low]))
    lower, losses = _grid(bottom, top, interval)
    of_mixture, of_gaussian = mixture.log_below(mixture.inverse_loss(-losses))
    _, beyond = mixture.log_below(np.array([mixture.low]))
    deltas = _divergences(of_gaussian, of_mixture, losses)
    return _connect(deltas, np.exp(beyond), interval, lower)


def _grid(bottom, top, interval):
    """The multiples of `interval` around [bottom, top], and the first in steps."""
    lower, upper = math.floor(bottom / interval), math.ceil(top / interval)
    return lower, np.arange(lower, upper) * interval


def _divergences(log_upper, log_lower, losses):
    """The hockey-stick divergences, without loss of precision if they are tiny."""
    ratio = np.minimum(losses + log_lower - log_upper, 0.0)
    return -np.exp(log_upper) * np.expm1(ratio)


def _connect(deltas, beyond, interval, lower):
    """Makes a distribution of the divergences on a grid.

    Args:
        deltas: The divergences at all points of the grid except the last.
        beyond: The divergence at the last point: the probability beyond the grid.
        interval: The step of the grid.
        lower: The first point, in steps.
    """
    from dp_accounting.pld import pld_pmf

    deltas = np.concatenate([deltas, beyond]).clip(0.0, 1.0)
    # Rounding errors must not make them increase.
    deltas = np.maximum.accumulate(deltas[::-1])[::-1]
    pmf = pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(
        interval, lower, lower + len(deltas) - 1, deltas
    )
    # In the sparse form, composing many distributions might never end.
    return pmf.to_dense_pmf()
