"""Precision, recall, density and coverage of generated rows."""

import typing

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan.evaluation import neighbours
from keras_dpgan.evaluation import rows as row_checks


class PRDC(typing.NamedTuple):
    """Fidelity (precision, density) and variety (recall, coverage).

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> scores = dpgan.evaluation.precision_recall_density_coverage(real, real)
        >>> scores.precision, scores.coverage
        (1.0, 1.0)

    Attributes:
        precision: Share of samples that lie within a neighborhood of a real row.
        recall: Share of real rows that lie within a neighborhood of a sample.
        density: Number of real neighborhoods in which a sample lies, divided by
            `nearest_k`. It is about 1 for real rows, and can be above 1.
        coverage: Share of real neighborhoods that contain a sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(
    real: npt.ArrayLike, generated: npt.ArrayLike, nearest_k: int = 5
) -> PRDC:
    """Measures fidelity and variety separately, by neighborhoods in feature space.

    The neighborhood of a row reaches to its `nearest_k`-th nearest other row of the
    same set. Sources: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric
    for Assessing Generative Models"; Naeem et al. 2020, "Reliable Fidelity and
    Diversity Metrics for Generative Models". Memory does not grow with the number of
    pairs. All four depend on the numbers of rows, so only compare figures of equally
    many rows.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> scores = dpgan.evaluation.precision_recall_density_coverage(
        ...     real, real + 100.0
        ... )
        >>> scores.recall
        0.0

    Args:
        real: Features of real rows, of shape `(n, d)`.
        generated: Features of generated rows, of shape `(m, d)`.
        nearest_k: Int, which neighbor limits a neighborhood. Defaults to 5.

    Returns:
        A `PRDC`. It was computed on real rows, so it is not private.

    Raises:
        ValueError: If the features do not fit each other, are not finite, or are
            too few for `nearest_k`.
    """
    validate.check_int("nearest_k", nearest_k, minimum=1)
    real, generated = row_checks.check_features(
        real, generated, nearest_k + 1, f"nearest_k={nearest_k} neighbors"
    )
    # Near the origin, subtracting squares loses less precision.
    centre = real.mean(axis=0)
    real, generated = np.asarray(real - centre), np.asarray(generated - centre)
    real_radii = _squared_radii(real, nearest_k)
    generated_radii = _squared_radii(generated, nearest_k)
    num_containing = np.zeros(len(generated))
    recalled = np.zeros(len(real), np.bool_)
    covered = np.zeros(len(real), np.bool_)
    for chunk in neighbours.chunks(len(real), 8 * len(generated)):
        squares = neighbours.squared_distances(real[chunk], generated)
        inside_real = squares < real_radii[chunk, None]
        num_containing += inside_real.sum(axis=0)
        covered[chunk] = inside_real.any(axis=1)
        recalled[chunk] = (squares < generated_radii).any(axis=1)
    return PRDC(
        precision=float(np.mean(num_containing > 0)),
        recall=float(recalled.mean()),
        density=float(num_containing.mean() / nearest_k),
        coverage=float(covered.mean()),
    )


def _squared_radii(features, k):
    """Squared distance of each row to its k-th nearest other row."""
    radii = np.empty(len(features))
    for chunk in neighbours.chunks(len(features), 8 * len(features)):
        squares = neighbours.squared_distances(features[chunk], features)
        positions = np.arange(chunk.start, chunk.stop)
        squares[positions - chunk.start, positions] = np.inf
        radii[chunk] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return radii
