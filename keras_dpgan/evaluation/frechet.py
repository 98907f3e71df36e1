"""The Frechet distance between real and generated features."""

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan.evaluation import rows as row_checks

# Chong and Forsyth's own number of points on the line.
_NUM_POINTS = 15

# The share of the samples in the smallest subset.
_SMALLEST_SHARE = 0.25


def frechet_distance(real: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of features.

    `|m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))` in float64, with unbiased
    covariances. On the features of Inception this is FID. Source: Heusel et al.
    2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium". It is biased upwards, by an amount that falls with the number of
    rows. Only compare figures of equally many rows, or use
    `frechet_distance_infinity`.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> dpgan.evaluation.frechet_distance(real, real) < 1e-6
        True

    Args:
        real: Features of real rows, of shape `(n, d)`.
        generated: Features of generated rows, of shape `(m, d)`.

    Returns:
        Float of at least 0. It was computed on real rows, so it is not private.

    Raises:
        ValueError: If the features do not fit each other or are not finite, or if
            there are too few: the covariance of `d` or fewer rows has no full rank.
    """
    real, generated = _checked_pair(real, generated)
    return _distance(_Gaussian(real), generated)


def frechet_distance_infinity(
    real: npt.ArrayLike, generated: npt.ArrayLike, seed: int = 0
) -> float:
    """Frechet distance extrapolated to infinitely many generated rows.

    The distance is computed on random subsets of `generated` of 15 sizes. It is linear
    in the reciprocal of the size, and the value of the line at 0 is free of the bias
    that comes from few samples (FID-infinity). Source: Chong and Forsyth 2020,
    "Effectively Unbiased FID and Inception Score and Where to Find Them". The bias that
    comes from the number of real rows remains; it is the same for all generators
    compared on them. The value also has a random error, and near 0 may be negative.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> distance = dpgan.evaluation.frechet_distance_infinity(real, generated)
        >>> type(distance)
        <class 'float'>

    Args:
        real: Features of real rows, of shape `(n, d)`.
        generated: Features of generated rows, of shape `(m, d)`.
        seed: Int, for the choice of the subsets. Defaults to 0.

    Returns:
        Float. It was computed on real rows, so it is not private.

    Raises:
        ValueError: As `frechet_distance`; the smallest subset, a quarter of
            `generated`, has to have more than `d` rows too.
    """
    validate.check_int("seed", seed, minimum=0)
    real, generated = _checked_pair(real, generated)
    smallest = max(int(_SMALLEST_SHARE * len(generated)), generated.shape[1] + 1)
    if smallest > len(generated) / 2:
        raise ValueError(
            "`generated` must have more than twice as many rows as features, because "
            "the extrapolation needs subsets of several sizes. Received: generated "
            f"of shape {generated.shape}"
        )
    gaussian = _Gaussian(real)
    rng = np.random.default_rng(seed)
    sizes = np.linspace(smallest, len(generated), _NUM_POINTS).astype(int)
    distances = [
        _distance(gaussian, generated[rng.permutation(len(generated))[:size]])
        for size in sizes
    ]
    _, intercept = np.polyfit(1.0 / sizes, distances, 1)
    return float(intercept)


def _checked_pair(real, generated) -> tuple[np.ndarray, np.ndarray]:
    num_features = np.shape(real)[1] if np.ndim(real) == 2 else 0
    return row_checks.check_features(
        real, generated, num_features + 1, "a covariance of full rank"
    )


class _Gaussian:
    """Mean and covariance of real features, and the root that each use needs."""

    def __init__(self, features):
        self.mean = features.mean(axis=0)
        self.covariance = _covariance(features)
        values, vectors = np.linalg.eigh(self.covariance)
        self.root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _distance(gaussian, features):
    shift = gaussian.mean - features.mean(axis=0)
    covariance = _covariance(features)
    # The eigenvalues of C1 C2 are those of this symmetric product, whose roots
    # need neither complex numbers nor an offset on the diagonal.
    values = np.linalg.eigvalsh(gaussian.root @ covariance @ gaussian.root)
    cross = np.sqrt(np.maximum(values, 0.0)).sum()
    trace = np.trace(gaussian.covariance) + np.trace(covariance) - 2 * cross
    return float(max(shift @ shift + trace, 0.0))


def _covariance(features):
    return np.atleast_2d(np.cov(features, rowvar=False))
