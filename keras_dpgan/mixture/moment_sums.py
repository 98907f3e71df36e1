"""Counts and moments of groups of rows, as sums of one bounded vector per row."""

import dataclasses
import typing

import numpy as np

# What rounding in float64 may add to a norm of one.
_ROUNDING_MARGIN = 1e-12


class GroupMoments(typing.NamedTuple):
    """What was released of groups of rows.

    Examples:
        >>> import numpy as np
        >>> sums = dpgan.mixture.MomentSums(
        ...     centres=np.zeros((2, 1, 3)), degree=1, radius=2.0
        ... )
        >>> moments = sums.read(np.zeros(sums.size), noise=1.0)
        >>> moments.sums.shape, moments.count_noise.tolist()
        ((2, 3), [4.0, 4.0])

    Attributes:
        counts: Float64 array of shape `(groups,)`, noisy numbers of rows.
        sums: Float64 array of shape `(groups, dim)`, or `(groups, dim, dim)` where the
            degree is two: noisy sums of `u` or of `u u^T` over each group's rows `u`.
            It is `(groups, dim)` again for the diagonal of `u u^T` alone.
        count_noise: Float64 array of shape `(groups,)`: the standard deviation of the
            noise in each count.
        noise: Float64 array of shape `(groups,)`: that of the noise in the entries of
            each sum, off the diagonal where the degree is two.
    """

    counts: np.ndarray
    sums: np.ndarray
    count_noise: np.ndarray
    noise: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class MomentSums:
    """What rows are turned into, so that a sum over them is a Gaussian mechanism.

    A row `u`, less the nearest of its label's centres and shortened to `radius`, enters
    as `(a, b u / radius)` with `a^2 + b^2 = 1`, at the place of its group. Where
    `degree` is two it enters as `(a, b s(u u^T) / radius^2)`, where `s` takes the upper
    triangle of a matrix and multiplies what is off its diagonal by the root of two, so
    that its norm is the matrix's. So a row's vector has a norm of at most one, and so
    far does the sum of all move when a row is added or removed, whoever adds it up:
    one place, or several owners of some rows each. Where `order` is one, norms are
    sums of absolute values, `a + b = 1`, and what is off the diagonal is doubled: that
    is for Laplace noise. Where `diagonal` is true there is the diagonal alone, whose
    sum of absolute values is the squared length of `u`: there rows are shortened in
    the usual norm, whatever the `order`.

    Source: Dwork, Talwar, Thakurta and Zhang 2014, "Analyze Gauss"; Biswas et al. 2020,
    "CoinPress", for centring on what was released before.

    Examples:
        >>> import numpy as np
        >>> sums = dpgan.mixture.MomentSums(
        ...     centres=np.zeros((3, 1, 4)), degree=1, radius=2.0
        ... )
        >>> rows, labels = np.ones((6, 4)), np.arange(6) % 3
        >>> vector = sums.of(rows, labels)
        >>> vector.shape
        (15,)
        >>> sums.read(vector, noise=0.0).counts.round(6).tolist()
        [2.0, 2.0, 2.0]

    Attributes:
        centres: Float64 array of shape `(labels, components, dim)`, public.
        degree: 1 for sums of rows, 2 for sums of their squares `u u^T`.
        radius: Positive float, public.
        basis: Float64 array of shape `(row size, dim)`, public: what rows are
            multiplied with first. Defaults to `None`: nothing.
        pooled: Whether all rows are one group, whatever their label. Defaults to
            `False`: there is a group for each centre.
        count_weight: Float in (0, 1), the number `a`. Defaults to 0.25.
        order: 2, or 1. Defaults to 2.
        diagonal: Whether only the squares of coordinates are summed up, where the
            degree is two. Defaults to `False`.
    """

    centres: np.ndarray
    degree: int
    radius: float
    basis: np.ndarray | None = None
    pooled: bool = False
    count_weight: float = 0.25
    order: int = 2
    diagonal: bool = False

    @property
    def num_groups(self) -> int:
        """The number of groups."""
        labels, components, _ = self.centres.shape
        return 1 if self.pooled else labels * components

    @property
    def size(self) -> int:
        """The numbers in the vector."""
        dim = self.centres.shape[2]
        of_group = _triangle(dim) if self._has_matrices else dim
        return self.num_groups * (1 + of_group)

    @property
    def _has_matrices(self):
        return self.degree == 2 and not self.diagonal

    @property
    def _weights(self):
        a = self.count_weight
        return (a, 1 - a) if self.order == 1 else (a, np.sqrt(1 - a * a))

    def of(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The sum of the vectors of some rows.

        Args:
            rows: Float array of shape `(n, row size)`. A row that is not finite counts
                as its centre.
            labels: Int array of shape `(n,)`.

        Returns:
            Float64 array of shape `(size,)`, private.
        """
        groups, left = self._shortened(rows, labels)
        a, b = self._weights
        parts = []
        for group in range(self.num_groups):
            mine = left[groups == group]
            parts += [[a * len(mine)], b * self._sum(mine)]
        return np.concatenate(parts) * (1 - _ROUNDING_MARGIN)

    def each(
        self, rows: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The group and the vector of each row, for those who report them one by one.

        Args:
            rows: As in `of`.
            labels: As in `of`.

        Returns:
            Groups, an int array of shape `(n,)`, and vectors, without counts, of shape
            `(n, dim)`, whose norms are at most one.

        Raises:
            ValueError: If the degree is two and not `diagonal`: one row's matrix is
                too much for a report.
        """
        if self._has_matrices:
            raise ValueError(
                "`diagonal` must be true where the degree is two. Received: "
                f"diagonal={self.diagonal}"
            )
        groups, left = self._shortened(rows, labels)
        return groups, left**self.degree

    def _shortened(self, rows, labels):
        rows = np.asarray(rows, np.float64)
        if self.basis is not None:
            rows = rows @ self.basis
        groups, left = self._around_centres(rows, np.asarray(labels, np.int64))
        order = 2 if self.diagonal else self.order
        return groups, _within_unit_ball(left, self.radius, order)

    def _around_centres(self, rows, labels):
        """Each row's group, and what is left of it around its centre."""
        components = self.centres.shape[1]
        nearest = np.zeros(len(rows), np.int64)
        if components > 1:
            distances = [
                np.sum((rows - self.centres[labels, i]) ** 2, axis=1)
                for i in range(components)
            ]
            nearest = np.argmin(distances, axis=0)
        groups = labels * components + nearest
        left = rows - self.centres[labels, nearest]
        return (np.zeros_like(groups) if self.pooled else groups), left

    @property
    def _off_diagonal(self):
        return 2.0 if self.order == 1 else np.sqrt(2)

    def _sum(self, rows):
        if self.degree == 1:
            return rows.sum(axis=0)
        if self.diagonal:
            return np.sum(rows**2, axis=0)
        dim = rows.shape[1]
        upper = np.triu_indices(dim)
        factors = np.where(upper[0] == upper[1], 1.0, self._off_diagonal)
        return factors * (rows.T @ rows)[upper]

    def read(self, vector: np.ndarray, noise: float | np.ndarray) -> GroupMoments:
        """What a vector says, once it has its noise.

        Args:
            vector: Float64 array of shape `(size,)`: what `of` gives, with noise.
            noise: Float, the standard deviation of the noise in each of its numbers;
                or an array of one float for each group.

        Returns:
            A `GroupMoments`.
        """
        a, b = self._weights
        parts = np.reshape(vector, (self.num_groups, -1))
        noise = np.broadcast_to(np.asarray(noise, np.float64), (self.num_groups,))
        scale = self.radius**self.degree / b
        sums = scale * parts[:, 1:]
        noise_of_sums = scale * noise
        if self._has_matrices:
            sums = self._matrices(sums)
            noise_of_sums = noise_of_sums / self._off_diagonal
        return GroupMoments(parts[:, 0] / a, sums, noise / a, noise_of_sums)

    def _matrices(self, triangles):
        dim = self.centres.shape[2]
        upper = np.triu_indices(dim)
        matrices = np.zeros((len(triangles), dim, dim))
        matrices[:, upper[0], upper[1]] = triangles / self._off_diagonal
        matrices += matrices.transpose(0, 2, 1)
        diagonal = np.arange(dim)
        matrices[:, diagonal, diagonal] = triangles[:, upper[0] == upper[1]]
        return matrices


def _triangle(dim):
    return dim * (dim + 1) // 2


def _within_unit_ball(rows, radius, order):
    rows = rows / radius
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    norms = np.linalg.norm(rows, ord=order, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1.0)
