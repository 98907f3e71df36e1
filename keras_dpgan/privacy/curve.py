"""Epsilon as a function of the number of updates, for the progress bar."""

import typing

import numpy as np

from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.composition import compose

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history import PrivacyHistory
    from keras_dpgan.privacy.history_entry import HistoryEntry

_LARGEST = np.finfo(np.float64).max


class EpsilonCurve:
    """An upper bound of epsilon that a training graph evaluates at no cost.

    After `count` updates of the entry in use it is, over Renyi orders a,

        min_a(base[a] + charged(count) * per_update[a] + offset[a])

    or 0 where that is negative. `charged(count)` is `count`, or `max_count` if that is
    less; under random allocation it is how often rows were allocated, which is
    `count / allocation_batches`, rounded up. Its value is that of dp_accounting's
    `RdpAccountant`.

    Source: Mironov 2017, "Renyi Differential Privacy"; Canonne, Kamath and Steinke
    2020, "The Discrete Gaussian for Differential Privacy", proposition 12, for the
    offset.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> curve = dpgan.privacy.EpsilonCurve(
        ...     dpgan.privacy.PrivacyHistory(), entry, delta=1e-5
        ... )
        >>> round(curve.epsilon(500), 2)
        1.65
        >>> curve.max_updates(target_epsilon=2.0)
        881

    Args:
        history: `PrivacyHistory` of the entries that are closed.
        entry: The `HistoryEntry` in use. Its own count does not matter.
        delta: Float in (0, 1).

    Attributes:
        orders: Float64 array, the Renyi orders.
        base: Float64 array, the divergence of the closed entries.
        per_update: Float64 array, the divergence of one update, or of one
            allocation. Without noise it is the largest float, so that no updates
            still cost nothing.
        offset: Float64 array, from divergence to epsilon at `delta`.
        max_count: Int, the number of updates beyond which further ones cost
            nothing (`entry.max_participations`); `None` where there is none.
        allocation_batches: Int, the updates of one allocation; 1 for other sampling.
        negligible: Float: where any order's divergence is below this, epsilon
            is 0. The graph may leave it out: the bound is then a little larger.
    """

    def __init__(
        self, history: "PrivacyHistory", entry: "HistoryEntry", delta: float
    ) -> None:
        self.orders, per_update = rdp.rdp_curve(entry)
        self.base = rdp.composition_rdp(compose(history))
        self.per_update = np.minimum(per_update, _LARGEST)
        self.offset = rdp.conversion_offsets(delta)
        self.negligible = rdp.negligible_divergence(delta)
        self.allocation_batches = entry.allocation_batches or 1
        self.max_count = None if entry.is_amplified else entry.max_participations

    def epsilon(self, count: int) -> float:
        """Epsilon after `count` updates of the entry in use.

        Args:
            count: Non-negative int.

        Returns:
            Float.
        """
        if self.max_count is not None:
            count = min(count, self.max_count)
        count = -(-count // self.allocation_batches)
        with np.errstate(over="ignore"):
            total = self.base + count * self.per_update
            if np.min(total) < self.negligible:
                return 0.0
            bound = float(np.min(total + self.offset))
        return max(0.0, bound) if bound < _LARGEST else float("inf")

    def max_updates(self, target_epsilon: float) -> int | None:
        """The largest count at which this bound is within `target_epsilon`.

        Args:
            target_epsilon: Positive float.

        Returns:
            Int; 0 if nothing fits, `None` if every count does.
        """
        if (
            self.max_count is not None
            and self.epsilon(self.max_count) <= target_epsilon
        ):
            return None
        if np.isinf(self.base).all():
            return 0
        room = np.maximum(target_epsilon - self.offset, self.negligible) - self.base
        step = self.allocation_batches
        count = step * max(0, int(np.max(room / self.per_update)))
        while self.epsilon(count + step) <= target_epsilon:
            count += step
        while count and self.epsilon(count) > target_epsilon:
            count -= step
        return count
