"""Finds out whether samples are copies of training rows, by nearest neighbors."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import old_names
from keras_dpgan._utils import validate
from keras_dpgan.evaluation import neighbours
from keras_dpgan.evaluation import rows as row_checks

# Yoon et al. 2023: a copy is that much nearer to its row than to the second nearest.
_COPY_RATIO = 1 / 3

# A share of the usual distance, below which rows differ only by rounding.
_IDENTICAL = 1e-4

# The closest samples are tested separately, because few copies among many samples would
# not show otherwise.
_CLOSEST_SHARES = (1.0, 0.1, 0.01)

_SIGNIFICANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Memorization:
    """What `memorization` found. None of it is private.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> found = dpgan.evaluation.memorization(generated, real, 0.9 * generated)
        >>> found.identical_samples
        0

    Attributes:
        sample_distances: Float array `(n,)`, from each sample to its nearest
            training row.
        test_distances: The same from each real test row.
        neighbors: Int array `(n,)`, each sample's nearest training row.
        copied_share: Share of samples that are copies: identical to a training
            row, or three times nearer to it than to the second nearest.
        copied_share_of_test: The same share of real test rows.
        identical_samples: Number of samples that are identical to a training row.
        copied_p_value: Probability that chance alone gives so many more copies
            among samples than among test rows.
        train_share: Share of samples that are nearer to a training row than to
            any of as many test rows: about a half if nothing is memorized.
        train_p_value: Bound on the probability that samples of a generator that knows
            no training row come so near to them, even if they are good or much alike.
        memorized: Whether training rows were copied. This is so if a p-value is below
            0.001, or if samples are identical to a training row and no test row is.
    """

    sample_distances: np.ndarray
    test_distances: np.ndarray
    neighbors: np.ndarray
    copied_share: float
    copied_share_of_test: float
    identical_samples: int
    copied_p_value: float
    train_share: float
    train_p_value: float
    memorized: bool

    # The names of 0.1.
    memorised = old_names.attribute("memorised", "memorized")
    neighbours = old_names.attribute("neighbours", "neighbors")


def memorization(
    samples: npt.ArrayLike,
    real_train: npt.ArrayLike,
    real_test: npt.ArrayLike,
    seed: int = 0,
) -> Memorization:
    """Looks for training rows among samples, and compares with real test rows.

    There are two tests, and a generator that never saw a training row passes both.
    *Copies* (Yoon et al. 2023, "Diffusion Probabilistic Models Generalize when They
    Fail to Memorize") are samples that are much nearer to one training row than to all
    others; as many are expected as among test rows. *Nearness* uses that a generator
    which memorizes nothing treats training and test rows alike, so its samples are
    near the one as often as near the other (as in Meehan et al. 2020, "A
    Non-Parametric Test to Detect Data-Copying in Generative Models"). This is tested
    for all samples, for the closest tenth and for the closest hundredth, by a Hoeffding
    bound that allows for samples that share a neighbor.

    A verdict of `False` does not prove privacy; only the accounting does.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> real_test = rng.normal(size=(200, 4))
        >>> dpgan.evaluation.memorization(generated, real, real_test).memorized
        False
        >>> dpgan.evaluation.memorization(real, real, real_test).memorized
        True

    Args:
        samples: Generated rows of shape `(n, ...)`: images, vectors or features.
        real_train: Rows that the generator was trained on.
        real_test: Real rows of the same kind that it was not trained on.
        seed: Int, for the choice of equally many training and test rows. Defaults to 0.

    Returns:
        A `Memorization`.

    Raises:
        ValueError: If the rows are not of one shape, not finite, or fewer than 10
            in any of the sets.
    """
    validate.check_int("seed", seed, minimum=0)
    given = {"samples": samples, "real_train": real_train, "real_test": real_test}
    sets = {name: row_checks.check_rows(name, x, 10) for name, x in given.items()}
    for name, x in sets.items():
        row_checks.check_same_shape(name, x, "real_train", sets["real_train"])
    samples, real_train, real_test = (x.astype(np.float32) for x in sets.values())
    sample_distances, indices = neighbours.nearest(samples, real_train, k=2)
    test_distances, _ = neighbours.nearest(real_test, real_train, k=2)
    rounding = _IDENTICAL * np.median(test_distances[:, 0])
    identical = sample_distances[:, 0] <= rounding
    test_identical = test_distances[:, 0] <= rounding
    copied = identical | _stands_out(sample_distances)
    test_copied = test_identical | _stands_out(test_distances)
    copied_p_value = _excess_p_value(copied, test_copied)
    train_share, train_p_value = _nearness(samples, real_train, real_test, seed)
    return Memorization(
        sample_distances=sample_distances[:, 0],
        test_distances=test_distances[:, 0],
        neighbors=indices[:, 0],
        copied_share=float(copied.mean()),
        copied_share_of_test=float(test_copied.mean()),
        identical_samples=int(identical.sum()),
        copied_p_value=copied_p_value,
        train_share=train_share,
        train_p_value=train_p_value,
        memorized=bool(
            min(copied_p_value, train_p_value) < _SIGNIFICANCE
            or (identical.any() and not test_identical.any())
        ),
    )


memorisation = old_names.function("memorisation", memorization)


def _stands_out(distances):
    return distances[:, 0] < _COPY_RATIO * distances[:, 1]


def _excess_p_value(copied, test_copied):
    """Fisher's exact test that samples are copies more often than test rows."""
    from scipy import stats

    num_copied = int(copied.sum())
    total = num_copied + int(test_copied.sum())
    return float(
        stats.hypergeom.sf(
            num_copied - 1, len(copied) + len(test_copied), total, len(copied)
        )
    )


def _nearness(samples, real_train, real_test, seed):
    """The share of samples nearest to training rows, and its p-value."""
    rng = np.random.default_rng(seed)
    size = min(len(real_train), len(real_test))
    train = real_train[rng.permutation(len(real_train))[:size]]
    test = real_test[rng.permutation(len(real_test))[:size]]
    # The order is random, so that a row in both sets counts for each equally often.
    order = rng.permutation(2 * size)
    pool, in_train = np.concatenate([train, test])[order], order < size
    distances, indices = neighbours.nearest(samples, pool)
    closest = indices[np.argsort(distances[:, 0], kind="stable"), 0]
    p_values = [
        _nearness_p_value(closest[: math.ceil(share * len(closest))], in_train)
        for share in _CLOSEST_SHARES
    ]
    p_value = min(1.0, len(p_values) * min(p_values))
    return float(in_train[closest].mean()), float(p_value)


def _nearness_p_value(indices, in_train):
    """Hoeffding's bound under exchange of training and test rows.

    For a generator that memorizes nothing, it is a random draw which half of the pool
    is the training rows. Such draws are negatively associated, so the bound for
    independent draws holds.
    """
    counts = np.bincount(indices).astype(np.float64)
    excess = in_train[indices].sum() - len(indices) / 2
    if excess <= 0:
        return 1.0
    return math.exp(-2 * excess**2 / (counts @ counts))
