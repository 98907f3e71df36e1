"""Attacks on what is published, which try to find out who was in the training data.

Each attack gives a record a score, which is high if the record seems to have been used
for training. It sees the discriminator or only samples. `membership_inference` measures
how well scores tell members from others. If coins decided who is a member,
`keras_dpgan.privacy.audit` computes what the scores show about epsilon.
"""

import keras
import numpy as np
import numpy.typing as npt

from keras_dpgan.evaluation import neighbours
from keras_dpgan.evaluation import rows as row_checks

_BATCH = 256

# The bandwidth, as a share of the usual distance from a row to its nearest sample.
_BANDWIDTH = 0.25


def discriminator_scores(
    discriminator: keras.Model, rows: np.ndarray, labels: np.ndarray | None = None
) -> np.ndarray:
    """The discriminator's scores, since it was trained to recognize real rows.

    Source: Hayes et al. 2019, "LOGAN: Membership Inference Attacks Against
    Generative Models", the white-box attack.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> discriminator = dpgan.models.vector_discriminator(4, hidden=(8,))
        >>> dpgan.evaluation.discriminator_scores(discriminator, real).shape
        (200,)

    Args:
        discriminator: A `keras.Model` that scores real rows higher.
        rows: Array of shape `(n, ...)`.
        labels: Ints of shape `(n,)` for a conditional one. Defaults to `None`.

    Returns:
        Float64 array of shape `(n,)`.
    """
    scores = []
    for start in range(0, len(rows), _BATCH):
        chunk = slice(start, start + _BATCH)
        inputs = rows[chunk] if labels is None else [rows[chunk], labels[chunk]]
        scores.append(np.ravel(np.asarray(discriminator(inputs), np.float64)))
    return np.concatenate(scores)


def nearness_scores(samples: npt.ArrayLike, rows: npt.ArrayLike) -> np.ndarray:
    """How near the nearest sample comes to each row.

    Source: Chen et al. 2020, "GAN-Leaks: A Taxonomy of Membership Inference
    Attacks against Generative Models", the full black-box attack.

    Examples:
        >>> samples, rows = [[0.0], [1.0]], [[0.5], [3.0]]
        >>> dpgan.evaluation.nearness_scores(samples, rows)
        array([-0.5, -2. ])

    Args:
        samples: Generated rows of shape `(m, ...)`.
        rows: Array of shape `(n, ...)`.

    Returns:
        Float64 array of shape `(n,)`: the distance, negated.
    """
    samples, rows = _check_samples(samples, rows)
    distances, _ = neighbours.nearest(rows, samples)
    return -distances[:, 0]


def density_scores(samples: npt.ArrayLike, rows: npt.ArrayLike) -> np.ndarray:
    """How densely samples lie around each row.

    The logarithm of a Gaussian kernel density. Its bandwidth is a quarter of the
    median of the distances from rows to their nearest samples, narrow enough for a
    copy to stand out. Source: Hilprecht et al. 2019, "Monte Carlo and
    Reconstruction Membership Inference Attacks against Generative Models", which
    counts the samples within such a radius.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> dpgan.evaluation.density_scores(samples=generated, rows=real).shape
        (200,)

    Args:
        samples: Generated rows of shape `(m, ...)`.
        rows: Array of shape `(n, ...)`.

    Returns:
        Float64 array of shape `(n,)`, up to a constant.
    """
    from scipy import special

    samples, rows = _check_samples(samples, rows)
    nearest, _ = neighbours.nearest(rows, samples)
    # Copies are at a distance of zero, which cannot be a bandwidth.
    apart = nearest[nearest > 0]
    bandwidth = _BANDWIDTH * np.median(apart) if apart.size else 1.0
    flat_samples = samples.reshape(len(samples), -1).astype(np.float64)
    flat_rows = rows.reshape(len(rows), -1).astype(np.float64)
    return np.concatenate(
        [
            special.logsumexp(
                neighbours.squared_distances(flat_rows[chunk], flat_samples)
                / (-2 * bandwidth**2),
                axis=1,
            )
            for chunk in neighbours.chunks(len(rows), 8 * len(samples))
        ]
    )


def _check_samples(samples, rows) -> tuple[np.ndarray, np.ndarray]:
    samples = row_checks.check_rows("samples", samples, 1)
    rows = row_checks.check_rows("rows", rows, 1)
    row_checks.check_same_shape("rows", rows, "samples", samples)
    return samples, rows
