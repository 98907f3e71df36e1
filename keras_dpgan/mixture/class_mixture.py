"""A mixture of Gaussians per label."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ClassMixture:
    """Gaussians of low rank, some for each label.

    Examples:
        >>> import numpy as np
        >>> mixture = dpgan.mixture.ClassMixture(
        ...     weights=np.ones((2, 1), "float32"),
        ...     means=np.zeros((2, 1, 4), "float32"),
        ...     factors=np.ones((2, 1, 3, 4), "float32"),
        ... )
        >>> mixture.sample([0, 1, 1], seed=0).shape
        (3, 4)

    Attributes:
        weights: Float32 array of shape `(labels, components)`: the probability of
            each component under its label.
        means: Float32 array of shape `(labels, components, dim)`.
        factors: Float32 array of shape `(labels, components, rank, dim)`: a row is
            `mean + normal(rank) @ factor`.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @property
    def num_classes(self) -> int:
        """The number of labels."""
        return self.weights.shape[0]

    @property
    def rank(self) -> int:
        """The normal numbers that one row takes."""
        return self.factors.shape[2]

    def sample(self, labels: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Draws a row for each label.

        Args:
            labels: Int array of shape `(n,)`.
            seed: Int, to repeat a draw. Defaults to `None`.

        Returns:
            Float32 array of shape `(n, dim)`, not confined to any range.
        """
        rng = np.random.default_rng(seed)
        cumulated = np.cumsum(self.weights, axis=1)[labels]
        drawn = rng.random((len(labels), 1)) * cumulated[:, -1:]
        component = (drawn >= cumulated).sum(axis=1)
        normals = rng.standard_normal((len(labels), self.rank)).astype(np.float32)
        rows = self.means[labels, component]
        for label, index in np.ndindex(self.weights.shape):
            mine = (labels == label) & (component == index)
            rows[mine] += normals[mine] @ self.factors[label, index]
        return rows
