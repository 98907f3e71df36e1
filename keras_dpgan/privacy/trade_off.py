"""Bounds on what an attacker on membership can find out."""

import math
import typing

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan.privacy import pld
from keras_dpgan.privacy.accountant import ACCOUNTANTS
from keras_dpgan.privacy.accountant import group_epsilon
from keras_dpgan.privacy.history import compose

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history import PrivacyHistory

# The search for mu uses rates that are so close, as normal quantiles, that rounding the
# curve up from each to the next adds at most 0.002.
_STEP = 1e-3

# If privacy loss distributions are not known, Renyi differential privacy gives epsilons
# for these deltas.
_DELTAS = np.geomspace(1e-12, 0.99, 120)

# A larger epsilon bounds no rate that a float can distinguish from one.
_LARGEST_EPSILON = 100.0


class TradeOff:
    """The errors that an attacker on membership must make, returned by `trade_off`.

    An attacker sees everything that is published and decides whether a row was in the
    data. Of rows that were not in the data, a share is accused wrongly (false
    positives). Of rows that were, a share is recognized (true positives). Differential
    privacy bounds the second share by the first.

    All figures are upper bounds, which no attack can exceed. If the unit is a client,
    they hold for a client. Source: Dong, Roth and Su 2022, "Gaussian Differential
    Privacy", proposition 2.5.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> curve = dpgan.privacy.trade_off(history)
        >>> round(curve.true_positive_rate(0.01), 3)
        0.022

    Args:
        epsilons: Float64 array of shape `(n,)`, not negative.
        deltas: Float64 array of shape `(n,)`: the history is
            `(epsilons[i], deltas[i])`-private for each i.
        mu: Non-negative float if the history is exactly one Gaussian mechanism.
            Defaults to `None`.
    """

    def __init__(
        self, epsilons: npt.ArrayLike, deltas: npt.ArrayLike, mu: float | None = None
    ) -> None:
        self._epsilons = np.asarray(epsilons, np.float64)
        self._deltas = np.asarray(deltas, np.float64)
        self._mu = mu

    def true_positive_rate(self, false_positive_rate: npt.ArrayLike) -> typing.Any:
        """The largest share of members that can be recognized.

        Args:
            false_positive_rate: Float in [0, 1], or an array of such floats: the share
                of others who are accused wrongly.

        Returns:
            Float, or float64 array of the same shape: upper bounds.
        """
        rates = np.asarray(false_positive_rate, np.float64)
        if not np.all((rates >= 0) & (rates <= 1)):
            raise ValueError(
                "`false_positive_rate` must be in [0, 1]. Received: "
                f"false_positive_rate={false_positive_rate!r:.80}"
            )
        found = self._rates(rates.ravel()).reshape(rates.shape)
        return found if found.ndim else float(found)

    def _rates(self, rates):
        from scipy import special

        if self._mu is not None:
            return special.ndtr(special.ndtri(rates) + self._mu)
        best = np.ones_like(rates)
        for epsilon, delta in zip(self._epsilons, self._deltas, strict=True):
            few = delta + math.exp(epsilon) * rates
            many = 1 - math.exp(-epsilon) * (1 - delta - rates)
            np.minimum(best, np.minimum(few, many), out=best)
        return np.maximum(best, rates)

    @property
    def advantage(self) -> float:
        """The largest difference of the two rates, an upper bound.

        It is delta at epsilon zero, the total variation distance.
        """
        from scipy import special

        if self._mu is not None:
            return float(2 * special.ndtr(self._mu / 2) - 1)
        # For each pair, the rate at which both kinds of errors are equal.
        tanh = np.tanh(self._epsilons / 2)
        return float(min(1.0, np.min(self._deltas * (1 - tanh) + tanh)))

    def gdp_mu(self, smallest_rate: float) -> float:
        """The mu of Gaussian differential privacy that covers the curve.

        As long as the rates of both errors are at least `smallest_rate`, an attacker
        does no better than one who must distinguish a normal number with mean mu from
        one with mean zero. (Without such a limit there is no finite mu: rarer events of
        a sampled mechanism have a larger mu.)

        Args:
            smallest_rate: Float in (0, 0.5), such as delta.

        Returns:
            Float, an upper bound; infinite if there is no such mu.
        """
        from scipy import special

        if self._mu is not None:
            return self._mu
        if not 0 < smallest_rate < 0.5:
            raise ValueError(
                "`smallest_rate` must be in (0, 0.5). Received: "
                f"smallest_rate={smallest_rate}"
            )
        # The curve is symmetric. If the false positives are above one half, the two
        # errors have changed places.
        start = special.ndtri(smallest_rate)
        quantiles = np.append(np.arange(start, _STEP, _STEP), _STEP)
        reached = special.ndtri(self._rates(special.ndtr(quantiles)))
        # Between two rates the bound is below that of the larger.
        return max(0.0, float(np.max(reached[1:] - quantiles[:-1])))


def trade_off(
    history: "PrivacyHistory", accountant: str = "pld", group_size: int = 1
) -> TradeOff:
    """Bounds what an attacker can find out from everything in a history.

    Source: Dong, Roth and Su 2022, "Gaussian Differential Privacy", proposition 2.5.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> round(dpgan.privacy.trade_off(history).advantage, 3)
        0.114

    Args:
        history: A `PrivacyHistory`.
        accountant: `"pld"` or `"rdp"`, as in `epsilon`. Defaults to `"pld"`.
        group_size: Positive int, the number of rows about which the attacker asks
            together, such as those of one person. Defaults to 1.

    Returns:
        A `TradeOff`. Without noise the attacker can find out everything.

    Raises:
        ValueError: If an argument is wrong.
    """
    validate.check_choice("accountant", accountant, ACCOUNTANTS)
    group_size = validate.check_int("group_size", group_size, minimum=1)
    total = compose(history, group_size)
    if total.is_noiseless:
        return TradeOff([0.0], [1.0])
    if total.is_gaussian:
        return TradeOff([], [], mu=math.sqrt(total.squared_shift))
    curve = None
    if accountant == "pld" and not total.bounded:
        curve = pld.pld_curve(total, group_size)
    return TradeOff(*(curve or _rdp_curve(history, group_size)))


def _rdp_curve(history, group_size):
    epsilons = [group_epsilon(history, d, group_size, "rdp") for d in _DELTAS]
    known = np.array(epsilons) < _LARGEST_EPSILON
    # Delta = 1 always holds.
    return np.append(np.array(epsilons)[known], 0.0), np.append(_DELTAS[known], 1.0)
