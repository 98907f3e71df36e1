"""Updates as one vector, and the clips that bound them."""

import numpy as np


def flatten(arrays):
    """One float64 vector of all entries of a list of arrays."""
    if not arrays:
        return np.zeros(0)
    return np.concatenate([np.ravel(a).astype(np.float64) for a in arrays])


def unflatten(vector, like):
    """Arrays of the shapes and dtypes of `like`, filled from a vector."""
    edges = np.cumsum([a.size for a in like])[:-1]
    return [
        part.reshape(a.shape).astype(a.dtype)
        for part, a in zip(np.split(vector, edges), like, strict=True)
    ]


def clip(vector, norm_clip, order):
    """The vector, shrunk to a norm of at most `norm_clip`.

    Args:
        vector: Float64 array of shape `(d,)`. One that is not finite becomes zero.
        norm_clip: Positive float.
        order: 1 or 2, the norm.

    Returns:
        Float64 array of shape `(d,)`.
    """
    if not np.isfinite(vector).all():
        return np.zeros_like(vector)
    # Entries near the largest float would overflow in the norm.
    largest = np.max(np.abs(vector), initial=0.0)
    if largest == 0.0:
        return vector
    norm = largest * np.linalg.norm(vector / largest, ord=order)
    if norm <= norm_clip:
        return vector
    # Rounding must not leave more than the clip.
    return vector * (norm_clip / norm) * (1.0 - 1e-12)
