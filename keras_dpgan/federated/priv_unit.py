"""Local privacy of a label and a direction: PrivUnit and its label-correlated form."""

import dataclasses
import functools
import math

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy.history_entry import HistoryEntry

# Normal numbers are drawn on a grid of this step.
_STEP = 2.0**-20
# Caps that are tried, as normal quantiles of their lower edge.
_EDGES = np.linspace(-1.0, 9.0, 1001)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivUnit:
    """A randomizer of a label and a vector, for clients that have one record each.

    With probability p a client reports its own label and a direction from a cap around
    its vector, otherwise any other pair of a label and a direction: all are as likely
    as each other. A direction is a vector of independent normal numbers, whose length
    is next to constant; a cap is where its coordinate along the client's vector is
    above an edge. What is in the cap of one client and not in that of another is
    `exp(epsilon)` times as likely for the first, and nothing is more: the guarantee is
    epsilon with a delta of zero, for replacing a client's record by any other. Edge and
    probability are those that tell most for epsilon. With one label it is PrivUnit.

    What it does not cover: normal numbers are rounded to multiples of 2^-20, and their
    product with the client's vector is computed in float64.

    Source: Bhowmick et al. 2018, "Protection Against Reconstruction and Its
    Applications in Private Federated Learning"; Asi, Feldman and Talwar 2022, "Optimal
    Algorithms for Mean Estimation under Local Differential Privacy", for normal
    directions.

    Examples:
        >>> import numpy as np
        >>> randomizer = dpgan.federated.PrivUnit(epsilon=4.0, dim=3, num_labels=10)
        >>> labels, directions = randomizer.reports(
        ...     np.array([2, 7]), np.array([[0.0, 0.6, 0.8], [0.1, 0.0, 0.0]])
        ... )
        >>> labels.shape, directions.shape
        ((2,), (2, 4))

    Args:
        epsilon: Positive float.
        dim: Int, the size of a vector.
        num_labels: Int. Defaults to 1.
    """

    epsilon: float
    dim: int
    num_labels: int = 1

    def __post_init__(self):
        validate.check_positive("epsilon", self.epsilon)
        validate.check_int("dim", self.dim, minimum=1)
        validate.check_int("num_labels", self.num_labels, minimum=1)
        secure_noise.check_installed()

    @property
    def entry(self) -> HistoryEntry:
        """One report as a `privacy.HistoryEntry`, for replacing a client's record."""
        return HistoryEntry(
            mechanism="pure",
            noise_multiplier=1.0 / self.epsilon,
            unit="client",
            count=1,
        )

    @functools.cached_property
    def _cap(self):
        """Edge, mass, probability, and how much of a vector a report tells."""
        from scipy import special

        mass = special.ndtr(-_EDGES)
        odds = np.exp(self.epsilon) * mass / (self.num_labels - mass)
        inside = odds / (1 + odds)
        density = np.exp(-(_EDGES**2) / 2) / math.sqrt(2 * math.pi)
        outside = (1 - inside) / (self.num_labels - mass)
        signal = density * (inside / mass - outside)
        best = np.argmax(signal)
        return _EDGES[best], mass[best], inside[best], signal[best]

    def reports(
        self, labels: np.ndarray, vectors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What clients report, each with randomness of its own.

        Args:
            labels: Int array of shape `(clients,)` in `[0, num_labels)`.
            vectors: Float array of shape `(clients, dim)`, of norms of at most one.

        Returns:
            Labels, an int64 array of shape `(clients,)`, and directions, a float64
            array of shape `(clients, dim + 1)`. The last coordinate makes vectors of
            all lengths directions.

        Raises:
            ValueError: If vectors are longer, or labels out of range.
        """
        labels, vectors = np.asarray(labels, np.int64), np.asarray(vectors, np.float64)
        squares = np.sum(vectors**2, axis=1)
        if vectors.shape != (len(labels), self.dim) or not (squares <= 1 + 1e-9).all():
            raise ValueError(
                f"`vectors` must have shape ({len(labels)}, {self.dim}) and norms of "
                f"at most one. Received: an array of shape {vectors.shape}"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.num_labels:
            raise ValueError(
                f"`labels` must lie in [0, {self.num_labels}). Received: labels from "
                f"{labels.min()} to {labels.max()}"
            )
        last = np.sqrt(np.maximum(1 - squares, 0.0))
        units = np.concatenate([vectors, last[:, None]], axis=1)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        return self._randomized(labels, units)

    def _randomized(self, labels, units):
        from scipy import special

        edge, mass, inside, _ = self._cap
        count = len(labels)
        own, place, which = _uniforms(3 * count).reshape(3, count)
        in_cap = own < inside
        # Outside there is one label with what is left beside the cap, and the others.
        of_own_label = place < (1 - mass) / (self.num_labels - mass)
        others = (labels + 1 + which * (self.num_labels - 1)).astype(np.int64)
        reported = np.where(in_cap | of_own_label, labels, others % self.num_labels)
        normals = _normals(units.shape)
        along = np.sum(normals * units, axis=1)
        # The coordinate along the vector: above the edge, below it, or anything.
        quantile = _uniforms(count)
        above = -special.ndtri(mass * quantile)
        below = -special.ndtri(mass + (1 - mass) * quantile)
        wanted = np.where(in_cap, above, np.where(reported == labels, below, along))
        return reported, normals + (wanted - along)[:, None] * units

    def sums(
        self, labels: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Unbiased counts of the clients of each label, and sums of their vectors.

        Args:
            labels: What `reports` gives.
            directions: What `reports` gives.

        Returns:
            `(counts, sums, count_noise, noise)`, as in `mixture.GroupMoments`.
        """
        _, mass, inside, signal = self._cap
        found = np.bincount(labels, minlength=self.num_labels).astype(np.float64)
        sums = np.zeros((self.num_labels, self.dim))
        np.add.at(sums, labels, directions[:, : self.dim])
        noise = np.sqrt(np.maximum(found, 1.0)) / signal
        if self.num_labels == 1:
            return found, sums / signal, np.zeros(1), noise
        other = (1 - inside) / (self.num_labels - mass)
        own = inside + other * (1 - mass)
        counts = (found - len(labels) * other) / (own - other)
        count_noise = np.sqrt(np.maximum(found, 1.0)) / (own - other)
        return counts, sums / signal, count_noise, noise


def _uniforms(count):
    """Float64 numbers in (0, 1) that cannot be guessed."""
    words = np.frombuffer(secure_noise.chacha20_bytes(8 * count), np.uint64)
    return ((words >> np.uint64(11)) + 0.5) * 2.0**-53


def _normals(shape):
    size = int(np.prod(shape))
    return _STEP * secure_noise.rounded_gaussian(size, 1 / _STEP).reshape(shape)
