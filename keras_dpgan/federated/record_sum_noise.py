"""Sums over sampled records as integers, with each client's share of the noise."""

import collections.abc
import dataclasses
import math

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.federated import vectors
from keras_dpgan.federated.shared_noise import SharedNoise
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.sampled_divergence import sampled_divergence


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordSumNoise(SharedNoise):
    """Rounds and noises a client's clipped gradient sum for a sum that hides it.

    Each client hands in the sum, over its own secret Poisson sample, of gradients
    clipped record by record; the unit of privacy is a record. In steps of the
    grid, with `C` the clip of a record and `d` the number of parameters:

    1. A record is one client's. With it or without it, that client's sum moves by
       at most `C`, and no other's moves.
    2. The sum is shrunk to a norm of at most `largest_sum`. That is the projection
       onto a ball, which is convex, so that it takes no two points farther apart.
    3. Rounding moves a coordinate by at most 1/2, and not the same way in both
       cases: the two integer vectors are at most `C + sqrt(d)` apart, twice what
       the rounding of an update costs that is replaced by zero.
    4. Let `v` be their difference, fixed by what the other records drew. Then the
       opened sum has the law of `X` or of `X + v`, with `X` the shares of noise of
       `cohort.num_honest` clients or of more, about an integer vector. That law is
       symmetric, so `x -> v - x` takes each of the two to the other, and with the
       record present with probability q alone the divergence of one order in one
       direction bounds the other direction's (Mironov, Talwar and Zhang 2019,
       theorem 5, whose proof asks for no more than that exchange). For the whole
       orders it is a binomial sum over the unsampled divergences; see
       `sampled_divergence`. Renyi divergence is quasi-convex, so that it does not
       matter what the other records drew.

    What it does not cover: the client's sum is added up in float32, where rounding
    moves with the records, as in `mechanisms.secure_noise`.

    Examples:
        >>> mechanism = dpgan.federated.RecordSumNoise(
        ...     dpgan.federated.Cohort(10, max_dropouts=3, max_colluders=1),
        ...     l2_norm_clip=1.0,
        ...     noise_multiplier=1.0,
        ...     num_parameters=100,
        ...     sampling_probability=0.05,
        ...     largest_sum=50.0,
        ... )
        >>> mechanism.entry.mechanism
        'discrete_gaussian'

    Args:
        l2_norm_clip: Positive float, of one record.
        noise_multiplier: As in `SharedNoise`, in units of the rounded clip.
        sampling_probability: Float in (0, 1]: q, common to all clients.
        largest_sum: Float of at least `l2_norm_clip`: the norm to which a
            client's sum is shrunk, so that the sum of all fits in `modulus`.
    """

    sampling_probability: float
    largest_sum: float

    def __post_init__(self):
        validate.check_probability("sampling_probability", self.sampling_probability)
        validate.check_positive("largest_sum", self.largest_sum)
        if self.largest_sum < self.l2_norm_clip:
            raise ValueError(
                "`largest_sum` must be at least `l2_norm_clip`, or even a "
                f"single record is shrunk. Received: largest_sum={self.largest_sum}, "
                f"l2_norm_clip={self.l2_norm_clip}"
            )
        super().__post_init__()

    @property
    def largest_norm(self) -> float:
        return self.largest_sum

    @property
    def step(self) -> float:
        """The step of the grid, a power of two."""
        largest = self.growth * self.l2_norm_clip / math.sqrt(self.num_parameters)
        return 2.0 ** math.floor(math.log2(largest))

    @property
    def sensitivity(self) -> float:
        """How far one record moves a rounded sum, in steps."""
        return self.l2_norm_clip / self.step + math.sqrt(self.num_parameters)

    def integers(self, arrays: collections.abc.Sequence[np.ndarray]) -> np.ndarray:
        """The rounded sum, not noised.

        Args:
            arrays: List of float arrays, a sum of clipped gradients. One that is
                not finite is an error of the engine, which masks such records:
                to send zeros instead would move with a record by the whole sum.

        Returns:
            int64 array of shape `(num_parameters,)`.

        Raises:
            ValueError: If the sum is not finite.
        """
        vector = vectors.flatten(arrays)
        if not np.isfinite(vector).all():
            raise ValueError("A sum of clipped gradients must be finite.")
        vector = vectors.clip(vector, self.largest_sum, order=2)
        return np.rint(vector / self.step).astype(np.int64)

    @property
    def entry(self) -> HistoryEntry:
        """The `HistoryEntry` of such updates."""
        return HistoryEntry(
            mechanism="discrete_gaussian",
            noise_multiplier=self.noise_multiplier,
            excess_divergence=self.excess_divergence,
            sampling_probability=self.sampling_probability,
        )

    def renyi_divergence(self, orders: np.ndarray) -> np.ndarray:
        """One update's Renyi divergence, for a record that is there or is not.

        Args:
            orders: Float array, each above 1.

        Returns:
            Float array of the same shape.
        """
        return sampled_divergence(
            super().renyi_divergence, self.sampling_probability, orders
        )
