"""Noise that an owner of records adds to its own sums, which everyone may see."""

import dataclasses
import math

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.federated.laplace_update import discrete_laplace
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.history_entry import one_gaussian

KINDS = ("gaussian", "laplace")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnNoise:
    """Noises a sum of one vector per record, each of a norm of at most one.

    So far does a record move the sum that is added or removed: the unit is a record,
    and nobody else's noise is needed. Sum and noise lie on a public grid, as in
    `mechanisms.secure_noise` and `LaplaceUpdate`, and noise is larger by what rounding
    may add, 1% at most.

    Source: Dwork and Roth 2014, "The Algorithmic Foundations of Differential Privacy",
    theorem 3.6 and appendix A.

    Examples:
        >>> import numpy as np
        >>> own = dpgan.federated.OwnNoise(
        ...     kind="gaussian", noise_multiplier=2.0, num_parameters=3
        ... )
        >>> own.privatize(np.array([0.6, 0.8, 0.0])).shape
        (3,)

    Args:
        kind: `"gaussian"`, for vectors whose Euclidean norm is at most one, or
            `"laplace"`, for those whose absolute values add up to one at most.
        noise_multiplier: Positive float: the noise's standard deviation, or the scale
            of Laplace noise, whose epsilon is one over it.
        num_parameters: Int, the size of a vector.
    """

    kind: str
    noise_multiplier: float
    num_parameters: int

    def __post_init__(self):
        validate.check_choice("kind", self.kind, KINDS)
        validate.check_positive("noise_multiplier", self.noise_multiplier)
        validate.check_int("num_parameters", self.num_parameters, minimum=1)
        secure_noise.check_installed()

    @property
    def order(self) -> int:
        """Of the norm that is at most one: 2 or 1."""
        return 2 if self.kind == "gaussian" else 1

    @property
    def step(self) -> float:
        """The step of the grid, a power of two."""
        if self.kind == "gaussian":
            return secure_noise.grid_step(1.0, self.num_parameters)
        return 2.0 ** math.floor(math.log2(0.01 / self.num_parameters))

    @property
    def sensitivity(self) -> float:
        """How far a record moves a rounded sum, in steps."""
        rounding = self.num_parameters ** (1 / self.order)
        return 1.0 / self.step + rounding

    @property
    def total_noise(self) -> float:
        """The standard deviation of the noise in each number."""
        scale = self.noise_multiplier * self.sensitivity * self.step
        return scale if self.kind == "gaussian" else math.sqrt(2) * scale

    @property
    def entry(self) -> HistoryEntry:
        """What one sum costs, a `privacy.HistoryEntry`."""
        if self.kind == "gaussian":
            return one_gaussian(self.noise_multiplier)
        return HistoryEntry(
            mechanism="laplace",
            noise_multiplier=self.noise_multiplier,
            sampling_probability=1.0,
            count=1,
        )

    def privatize(self, vector: np.ndarray) -> np.ndarray:
        """What may leave the owner in place of a sum.

        Args:
            vector: Float64 array of shape `(num_parameters,)`.

        Returns:
            Float64 array of the same shape.

        Raises:
            ValueError: If the vector has another size, or is not finite.
        """
        vector = np.asarray(vector, np.float64)
        if vector.shape != (self.num_parameters,) or not np.isfinite(vector).all():
            raise ValueError(
                f"`vector` must have {self.num_parameters} finite numbers. Received: "
                f"an array of shape {vector.shape}"
            )
        scale = self.noise_multiplier * self.sensitivity
        if self.kind == "gaussian":
            noise = secure_noise.rounded_gaussian(self.num_parameters, scale)
        else:
            noise = discrete_laplace(self.num_parameters, scale)
        return self.step * (np.rint(vector / self.step) + noise)
