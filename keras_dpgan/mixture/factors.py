"""Factors of noisy covariances: directions that stand out of the noise."""

import numpy as np

from keras_dpgan.mixture import moments

# Directions whose variance is below this share of the noise's largest are left
# out: they would be noise more than data.
_KEPT_SHARE_OF_NOISE = 0.5
# How far the covariance of a component is expected to lie from that of its label,
# as a standard deviation of entries where the label's is the identity.
_EXPECTED_SPREAD = 0.35
# A component is never thinner than this share of its label's variance.
_LEAST_SHARE = 0.02


def factor(covariance, entry_noise):
    """A factor of a noisy covariance.

    Args:
        covariance: Float array of shape `(dim, dim)`, symmetric.
        entry_noise: Float, the standard deviation of the noise in its entries.

    Returns:
        Float array of shape `(dim, dim)`, largest direction first: `f.T @ f` is the
        covariance without the directions that are mostly noise, whose rows are 0.
    """
    values, vectors = np.linalg.eigh(covariance)
    edge = moments.noise_edge(entry_noise, len(covariance))
    kept = np.where(values > _KEPT_SHARE_OF_NOISE * edge, values, 0.0)
    return (np.sqrt(kept)[:, None] * vectors.T)[::-1]


def principal_axes(factor):
    """The directions of a factor that are not left out.

    Args:
        factor: What `factor` gives, of shape `(dim, dim)`.

    Returns:
        `(deviations, directions)`: standard deviations of shape `(kept,)`, largest
        first, and orthonormal rows of shape `(kept, dim)`.
    """
    deviations = np.linalg.norm(factor, axis=1)
    kept = deviations > 0
    return deviations[kept], factor[kept] / deviations[kept, None]


def component_factor(label_factor, covariance, entry_noise):
    """A factor of a component's covariance, drawn towards that of its label.

    In coordinates where the label's covariance is the identity, each entry is the
    mean of what was released and of the identity, weighted by the variances of
    noise and of what is expected.

    Args:
        label_factor: What `factor` gives for the label.
        covariance: Float array of shape `(dim, dim)`, of the component.
        entry_noise: Float, the standard deviation of the noise in its entries.

    Returns:
        Float array of shape `(dim, dim)`.
    """
    deviations, directions = principal_axes(label_factor)
    kept = len(deviations)
    scales = np.outer(deviations, deviations)
    own = directions @ covariance @ directions.T / scales
    trust = _EXPECTED_SPREAD**2 / (_EXPECTED_SPREAD**2 + (entry_noise / scales) ** 2)
    identity = np.eye(kept)
    values, vectors = np.linalg.eigh(identity + trust * (own - identity))
    root = vectors * np.sqrt(np.maximum(values, _LEAST_SHARE))
    result = np.zeros_like(label_factor)
    result[:kept] = root.T @ label_factor[:kept]
    return result
