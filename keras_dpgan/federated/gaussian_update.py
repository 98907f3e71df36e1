"""Client-level local privacy by the Gaussian mechanism."""

import collections.abc
import dataclasses

import numpy as np

from keras_dpgan._utils import old_names
from keras_dpgan._utils import validate
from keras_dpgan.federated import vectors
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy.history_entry import HistoryEntry


@dataclasses.dataclass(frozen=True)
class GaussianUpdate:
    """Clips a client's update in L2 and adds Gaussian noise, at the client.

    In local differential privacy a client's data are replaced by any others, so
    that two clipped updates are up to twice the clip apart: the noise counts for
    half its multiplier. Update and noise lie on a grid; see
    `keras_dpgan.mechanisms.secure_noise`.

    Source: Dwork and Roth 2014, "The Algorithmic Foundations of Differential Privacy",
    appendix A.

    Examples:
        >>> import numpy as np
        >>> mechanism = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0)
        >>> sent = mechanism.privatize([np.ones((3, 2), "float32")])
        >>> sent[0].shape
        (3, 2)
        >>> dpgan.federated.max_rounds(mechanism, epsilon=8.0, delta=1e-5)
        69

    Args:
        l2_norm_clip: Positive float.
        noise_multiplier: Positive float: the noise's standard deviation in units
            of the clip.
    """

    l2_norm_clip: float
    noise_multiplier: float

    def __post_init__(self):
        validate.check_positive("l2_norm_clip", self.l2_norm_clip)
        validate.check_positive("noise_multiplier", self.noise_multiplier)
        secure_noise.check_installed()

    @property
    def entry(self) -> HistoryEntry:
        """One round as a `privacy.HistoryEntry`, for replacing a client's data."""
        return HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=self.noise_multiplier / 2,
            unit="client",
            count=1,
        )

    def privatize(
        self, arrays: collections.abc.Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """What may leave the client instead of an update.

        Args:
            arrays: List of float arrays.

        Returns:
            List of arrays of the same shapes and dtypes.
        """
        vector = vectors.clip(vectors.flatten(arrays), self.l2_norm_clip, order=2)
        noised = secure_noise.noised_on_grid(
            vector, self.l2_norm_clip, self.noise_multiplier
        )
        return vectors.unflatten(noised, arrays)

    privatise = old_names.function("privatise", privatize)  # The name of 0.1.
