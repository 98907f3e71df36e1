"""Client-level local privacy by the Laplace mechanism."""

import collections.abc
import dataclasses
import math

import numpy as np

from keras_dpgan._utils import old_names
from keras_dpgan._utils import validate
from keras_dpgan.federated import vectors
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy.history_entry import HistoryEntry

_LARGEST_GROWTH = 0.01


@dataclasses.dataclass(frozen=True)
class LaplaceUpdate:
    """Clips a client's update in L1 and adds Laplace noise, at the client.

    Two clipped updates are up to twice the clip apart; see `GaussianUpdate`.
    Source: Dwork et al. 2006, "Calibrating Noise to Sensitivity in Private Data
    Analysis". Update and noise are integers in units of a public grid, the noise
    a difference of two geometric numbers (Ghosh et al. 2009), since the gaps of
    floating-point Laplace noise give secrets away (Mironov 2012). Rounding moves
    each coordinate by up to half a unit; the scale is at most 1% larger for it.

    Examples:
        >>> import numpy as np
        >>> mechanism = dpgan.federated.LaplaceUpdate(1.0, noise_multiplier=4.0)
        >>> mechanism.privatize([np.ones((3, 2), "float32")])[0].shape
        (3, 2)
        >>> round(dpgan.federated.rounds_epsilon(mechanism, rounds=1, delta=1e-9), 2)
        0.5

    Args:
        l1_norm_clip: Positive float.
        noise_multiplier: Positive float: the noise's scale in units of the clip.
            One round has epsilon `2 / noise_multiplier`.
    """

    l1_norm_clip: float
    noise_multiplier: float

    def __post_init__(self):
        validate.check_positive("l1_norm_clip", self.l1_norm_clip)
        validate.check_positive("noise_multiplier", self.noise_multiplier)
        secure_noise.check_installed()

    @property
    def entry(self) -> HistoryEntry:
        """One round as a `privacy.HistoryEntry`, for replacing a client's data."""
        return HistoryEntry(
            mechanism="laplace",
            noise_multiplier=self.noise_multiplier / 2,
            unit="client",
            count=1,
        )

    @staticmethod
    def grid_step(l1_norm_clip: float, size: int) -> float:
        """The step of the public grid for updates of a size, a power of two."""
        return 2.0 ** math.floor(math.log2(_LARGEST_GROWTH * l1_norm_clip / size))

    def privatize(
        self, arrays: collections.abc.Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """What may leave the client instead of an update.

        Args:
            arrays: List of float arrays.

        Returns:
            List of arrays of the same shapes and dtypes.
        """
        vector = vectors.clip(vectors.flatten(arrays), self.l1_norm_clip, order=1)
        size = max(1, vector.size)
        step = self.grid_step(self.l1_norm_clip, size)
        # Rounded, two updates are at most 2 * clip + step * size apart.
        scale = self.noise_multiplier * (self.l1_norm_clip / step + size / 2)
        noised = step * (np.rint(vector / step) + discrete_laplace(size, scale))
        return vectors.unflatten(noised[: vector.size], arrays)

    privatise = old_names.function("privatise", privatize)  # The name of 0.1.


def discrete_laplace(size, scale):
    """Integers k with probability proportional to `exp(-|k| / scale)`.

    Args:
        size: Int.
        scale: Positive float.

    Returns:
        Float64 array of shape `(size,)`, of integers, keyed by the operating
        system.
    """
    words = np.frombuffer(secure_noise.chacha20_bytes(16 * size), np.uint64)
    exponentials = -scale * np.log((words + 0.5) * 2.0**-64)
    geometric = np.floor(exponentials).reshape(2, size)
    return geometric[0] - geometric[1]
