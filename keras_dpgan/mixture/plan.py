"""What is public about a mixture of Gaussians, and the sums that it takes."""

import collections.abc
import dataclasses
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.mixture import frequencies
from keras_dpgan.mixture.moment_sums import MomentSums

BASES = ("private", "dct")
COVARIANCES = ("label", "shared")


class Step(typing.NamedTuple):
    """One of the sums that a mixture is made of.

    Attributes:
        name: String.
        share: Float: of the budget (of `1 / noise_multiplier**2`, in which Gaussian
            mechanisms add up), what this step has.
        degree: As in `MomentSums`, and so is `pooled`.
        radius: Float: how far a row is taken to be from its centre, of `max_norm`.
        pooled: Bool.
        diagonal: Bool.
    """

    name: str
    share: float
    degree: int
    radius: float
    pooled: bool = False
    diagonal: bool = False


# The sum of the absolute values of a row is taken to be at most this share of what it
# can be for its length.
_SHARE_OF_LARGEST_L1_NORM = 0.6
# The weight of counts, where norms are sums of absolute values.
_COUNT_WEIGHTS = {1: 0.15, 2: 0.25}
# Each is centred on those before it, so that what is left of a row is short.
_STEPS_OF_ONE = (
    Step("mean", 0.02, 1, 1.0, pooled=True),
    Step("covariance", 0.1, 2, 0.6, pooled=True),
    Step("means", 0.38, 1, 0.55),
    Step("labels", 0.5, 2, 0.4),
)
_STEPS_OF_SHARED = (
    Step("mean", 0.05, 1, 1.0, pooled=True),
    Step("variances", 0.1, 2, 0.6, pooled=True, diagonal=True),
    Step("means", 0.85, 1, 0.55),
)
_STEPS_OF_MANY = (
    Step("mean", 0.01, 1, 1.0, pooled=True),
    Step("covariance", 0.12, 2, 0.6, pooled=True),
    Step("means", 0.03, 1, 0.6),
    Step("labels", 0.15, 2, 0.6),
    Step("first moves", 0.04, 1, 0.45),
    Step("second moves", 0.04, 1, 0.45),
    Step("components", 0.61, 2, 0.45),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixturePlan:
    """The public side of a mixture: everything but the rows and the noise.

    Examples:
        >>> plan = dpgan.mixture.MixturePlan(shape=(8, 8, 1), num_classes=10)
        >>> [step.name for step in plan.steps]
        ['mean', 'covariance', 'means', 'labels']
        >>> sum(step.share for step in plan.steps)
        1.0

    Args:
        shape: Tuple of ints, the shape of one row.
        num_classes: Int.
        rank: Int, directions of a Gaussian at most. Defaults to `None`: 64, or as many
            as a row has numbers.
        components: Int, Gaussians per label. Defaults to 1.
        covariances: `"label"`, or `"shared"`: one for all labels, which has a variance
            for each of the `rank` lowest frequencies and no other numbers; those
            beyond get a public guess. That asks for so little that it is for noise
            in which a label's own covariance could not be seen: owners or clients that
            each add their own. It takes one component and the basis `"dct"`. Defaults
            to `"label"`.
        basis: `"private"`, which finds directions in the rows, or `"dct"`: rows are
            first reduced to the `rank` lowest frequencies of a cosine transform, which
            is public. That is for images, where a covariance of all pixels is too much
            to send or to pay for. Defaults to `"private"`.
        max_norm: Positive float: longer rows, measured from black, are shortened to
            it; what is left of them around a centre, to shares of it. It must not
            depend on the rows. Defaults to `None`: half the norm of a row that is
            white throughout.
        pixel_range: Pair of floats, black and white. Defaults to `(-1.0, 1.0)`.

    Raises:
        ValueError: If an argument does not fit.
    """

    shape: tuple[int, ...]
    num_classes: int
    rank: int | None = None
    components: int = 1
    covariances: str = "label"
    basis: str = "private"
    max_norm: float | None = None
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0)

    def __post_init__(self):
        size = int(np.prod(self.shape))
        rank = min(64, size) if self.rank is None else self.rank
        low, high = (float(edge) for edge in self.pixel_range)
        max_norm = self.max_norm
        if max_norm is None:
            max_norm = 0.5 * (high - low) * np.sqrt(size)
        checked = {
            "shape": tuple(int(side) for side in self.shape),
            "num_classes": validate.check_int(
                "num_classes", self.num_classes, minimum=1
            ),
            "rank": validate.check_int("rank", rank, minimum=1, maximum=size),
            "components": validate.check_int("components", self.components, minimum=1),
            "covariances": validate.check_choice(
                "covariances", self.covariances, COVARIANCES
            ),
            "basis": validate.check_choice("basis", self.basis, BASES),
            "max_norm": validate.check_positive("max_norm", max_norm),
            "pixel_range": (low, high),
        }
        if self.covariances == "shared" and (self.components, self.basis) != (1, "dct"):
            raise ValueError(
                '`components` must be 1 and `basis` "dct" with covariances="shared". '
                f"Received: components={self.components}, basis={self.basis!r}"
            )
        if self.basis == "dct" and len(self.shape) not in (2, 3):
            raise ValueError(
                '`basis="dct"` is for images of shape (height, width) or (height, '
                f'width, channels). Use "private". Received: shape={self.shape}'
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The sums that the mixture takes, in their order."""
        if self.covariances == "shared":
            return _STEPS_OF_SHARED
        return _STEPS_OF_ONE if self.components == 1 else _STEPS_OF_MANY

    @property
    def size(self) -> int:
        """The numbers in a row."""
        return int(np.prod(self.shape))

    def public_basis(self) -> np.ndarray:
        """What rows are multiplied with first, of shape `(size, dim)`."""
        if self.basis == "dct":
            return frequencies.lowest(self.shape, self.rank)
        return np.eye(self.size)

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Rows in units of `max_norm`, with black at zero.

        Args:
            x: Float array of shape `(n, *shape)`.

        Returns:
            Float64 array of shape `(n, size)`.

        Raises:
            ValueError: If the shape is another.
        """
        if np.shape(x)[1:] != self.shape:
            raise ValueError(
                f"`x` must have rows of shape {self.shape}. Received: an array of "
                f"shape {np.shape(x)}"
            )
        rows = np.reshape(x, (len(x), -1)).astype(np.float64)
        return (rows - self.pixel_range[0]) / typing.cast(float, self.max_norm)

    def labels(self, y: np.ndarray, num_rows: int) -> np.ndarray:
        """Labels, checked.

        Args:
            y: Int array of shape `(num_rows,)`.
            num_rows: Int.

        Returns:
            Int64 array.

        Raises:
            ValueError: If they do not fit.
        """
        labels = check_labels("y", y, num_rows, self.num_classes)
        return labels.astype(np.int64)

    def sums(
        self,
        number: int,
        centres: np.ndarray,
        basis: np.ndarray,
        order: int = 2,
    ) -> MomentSums:
        """What rows are turned into in one of the steps.

        Args:
            number: Int, the place of the step.
            centres: As in `MomentSums`; its shape must fit the step.
            basis: As in `MomentSums`.
            order: As in `MomentSums`. Defaults to 2.

        Returns:
            A `MomentSums`.

        Raises:
            ValueError: If the shapes do not fit.
        """
        step = self.steps[number]
        centres = np.asarray(centres, np.float64)
        basis = np.asarray(basis, np.float64)
        dim = self.dims[number]
        components = self.components if number >= len(_STEPS_OF_ONE) else 1
        expected = (self.num_classes, components, dim), (self.size, dim)
        if (centres.shape, basis.shape) != expected:
            raise ValueError(
                f"`centres` and `basis` of the step {step.name!r} must have the shapes "
                f"{expected}. Received: {(centres.shape, basis.shape)}"
            )
        radius = step.radius
        if order == 1 and not step.diagonal:
            radius *= _SHARE_OF_LARGEST_L1_NORM * np.sqrt(dim)
        return MomentSums(
            centres,
            step.degree,
            radius,
            basis,
            step.pooled,
            _COUNT_WEIGHTS[order],
            order,
            step.diagonal,
        )

    @property
    def dims(self) -> tuple[int, ...]:
        """The coordinates of a row in each step."""
        whole = self.rank if self.basis == "dct" else self.size
        rank = typing.cast(int, self.rank)
        return (typing.cast(int, whole),) * 2 + (rank,) * (len(self.steps) - 2)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers that are summed up in each step."""
        return tuple(self._empty_sums(number).size for number in range(len(self.steps)))

    def _empty_sums(self, number):
        step, dim = self.steps[number], self.dims[number]
        components = self.components if number >= len(_STEPS_OF_ONE) else 1
        # No memory is taken: only its shape matters.
        centres = np.broadcast_to(0.0, (self.num_classes, components, dim))
        return MomentSums(
            centres,
            step.degree,
            step.radius,
            pooled=step.pooled,
            diagonal=step.diagonal,
        )
