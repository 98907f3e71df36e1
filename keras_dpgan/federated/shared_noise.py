"""Updates as integers, with each client's share of the noise."""

import collections.abc
import dataclasses
import math

import numpy as np

from keras_dpgan._utils import old_names
from keras_dpgan._utils import validate
from keras_dpgan.federated import vectors
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.discrete_gaussian import discrete_gaussian
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy.history_entry import HistoryEntry

# How far beyond the clip the sum of noises may lie before it wraps around.
_NOISE_REACH = 9.0


@dataclasses.dataclass(frozen=True)
class SharedNoise:
    """Clips, rounds and noises a client's update for a sum that hides it.

    Each client clips its update in L2, rounds it to a public grid and adds a
    share of discrete Gaussian noise, modulo `modulus`. Whoever sees the sum
    alone learns it with the noise of all; `num_honest` shares, which are sure to
    be in it, have the whole noise together. The unit of privacy is a client:
    one's update is replaced by zero, which moves the sum by the clip and what
    rounding adds. Source: Kairouz, Liu and Steinke 2021, "The Distributed
    Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation",
    proposition 14; there is no rotation here, since the modulus is large.

    Examples:
        >>> import numpy as np
        >>> cohort = dpgan.federated.Cohort(10, max_dropouts=3, max_colluders=1)
        >>> mechanism = dpgan.federated.SharedNoise(
        ...     cohort, l2_norm_clip=1.0, noise_multiplier=1.0, num_parameters=6
        ... )
        >>> mechanism.privatize([np.ones((3, 2), "float32")]).shape
        (6,)

    Args:
        cohort: A `Cohort`.
        l2_norm_clip: Positive float.
        noise_multiplier: Positive float: the standard deviation of the noise of
            `cohort.num_honest` clients, in units of the (rounded) clip.
        num_parameters: Int, the size of an update.
        modulus: Int, the number of values of a coordinate. Defaults to `2**32`.
        growth: Float in (0, 1]: how much rounding may add to the clip. Defaults
            to 0.01.

    Raises:
        ValueError: If an argument is wrong, or sums would wrap around.
    """

    cohort: Cohort
    l2_norm_clip: float
    noise_multiplier: float
    num_parameters: int
    modulus: int = 2**32
    growth: float = 0.01

    def __post_init__(self):
        validate.check_positive("l2_norm_clip", self.l2_norm_clip)
        validate.check_positive("noise_multiplier", self.noise_multiplier)
        validate.check_int("num_parameters", self.num_parameters, minimum=1)
        validate.check_int("modulus", self.modulus, minimum=2, maximum=2**32)
        validate.check_probability("growth", self.growth)
        secure_noise.check_installed()
        # What the accounting holds for.
        if self.share_stddev < 0.5:
            raise ValueError(
                "One client's noise must have a standard deviation of at least half "
                "a step. Give a larger `noise_multiplier` or a smaller `growth`. "
                f"Received: {self.share_stddev:.3g} steps"
            )
        largest = self.cohort.num_clients * (self.largest_norm / self.step + 1)
        shares = math.sqrt(self.cohort.num_clients)
        largest += _NOISE_REACH * self.share_stddev * shares
        if 2 * largest >= self.modulus:
            raise ValueError(
                "The sum of all updates must fit in `modulus`, or it wraps around. "
                "Give a larger `growth` or `modulus`, or fewer clients. Received: "
                f"modulus={self.modulus} for sums up to {largest:.3g} on either side"
            )

    @property
    def largest_norm(self) -> float:
        """The largest norm of what one client hands in."""
        return self.l2_norm_clip

    @property
    def step(self) -> float:
        """The step of the grid, a power of two."""
        largest = 2 * self.growth * self.l2_norm_clip / math.sqrt(self.num_parameters)
        return 2.0 ** math.floor(math.log2(largest))

    @property
    def sensitivity(self) -> float:
        """The largest L2 norm of a rounded update, in steps."""
        return self.l2_norm_clip / self.step + math.sqrt(self.num_parameters) / 2

    @property
    def share_stddev(self) -> float:
        """The standard deviation of one client's noise, in steps."""
        whole = self.noise_multiplier * self.sensitivity
        return whole / math.sqrt(self.cohort.num_honest)

    @property
    def total_noise(self) -> float:
        """The standard deviation of the noise of all clients, in the sum's own units.

        It is what the sum has where nobody drops out. The guarantee counts on less.
        """
        return self.step * self.share_stddev * math.sqrt(self.cohort.num_clients)

    def integers(self, arrays: collections.abc.Sequence[np.ndarray]) -> np.ndarray:
        """The clipped and rounded update, not noised.

        Args:
            arrays: List of float arrays; zeros are sent if one is not finite.

        Returns:
            int64 array of shape `(num_parameters,)`.
        """
        vector = vectors.clip(vectors.flatten(arrays), self.l2_norm_clip, order=2)
        return np.rint(vector / self.step).astype(np.int64)

    def privatize(self, arrays: collections.abc.Sequence[np.ndarray]) -> np.ndarray:
        """What a client hands to the sum.

        Args:
            arrays: List of float arrays, its update.

        Returns:
            int64 array of shape `(num_parameters,)` in [0, modulus).
        """
        noise = discrete_gaussian(self.num_parameters, self.share_stddev)
        return (self.integers(arrays) + noise) % self.modulus

    privatise = old_names.function("privatise", privatize)  # The name of 0.1.

    def open(
        self, total: np.ndarray, like: collections.abc.Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """The sum of updates that a sum of `privatize` stands for.

        Args:
            total: Integer array of shape `(num_parameters,)`, modulo `modulus`.
            like: List of arrays, of whose shapes and dtypes the result is.

        Returns:
            List of arrays.
        """
        return vectors.unflatten(self.step * self._signed(total), like)

    def is_possible(self, total: np.ndarray) -> bool:
        """Whether a sum can be that of `privatize` of clients of the cohort.

        A sum whose masks were not all taken off is uniform, and far too long. Of
        sums that clients have made as agreed, less than one in 10**17 is not
        possible.

        Args:
            total: As in `open`.

        Returns:
            Bool.
        """
        signed = self._signed(total).astype(np.float64)
        num_clients, root = self.cohort.num_clients, math.sqrt(self.num_parameters)
        longest = num_clients * (self.largest_norm / self.step + root / 2)
        noise = self.share_stddev * math.sqrt(num_clients) * (root + _NOISE_REACH)
        return bool(np.linalg.norm(signed) <= longest + noise)

    def _signed(self, total):
        total = np.asarray(total, np.int64) % self.modulus
        return np.where(total >= (self.modulus + 1) // 2, total - self.modulus, total)

    @property
    def excess_divergence(self) -> float:
        """What the sum of the shares lacks of a Gaussian: a Renyi divergence."""
        k = np.arange(1, self.cohort.num_honest)
        tau = np.exp(-2 * (np.pi * self.share_stddev) ** 2 * k / (k + 1))
        return 10 * float(np.sum(tau)) * self.num_parameters

    @property
    def entry(self) -> HistoryEntry:
        """One round as a `privacy.HistoryEntry`, for a client whose update is zero."""
        return HistoryEntry(
            mechanism="discrete_gaussian",
            noise_multiplier=self.noise_multiplier,
            excess_divergence=self.excess_divergence,
            unit="client",
            count=1,
        )

    def renyi_divergence(self, orders: np.ndarray) -> np.ndarray:
        """One round's Renyi divergence, for a client whose update becomes zero.

        Args:
            orders: Float array, each at least 1.

        Returns:
            Float array of the same shape.
        """
        return orders / (2 * self.noise_multiplier**2) + self.excess_divergence
