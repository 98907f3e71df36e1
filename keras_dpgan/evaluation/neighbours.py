"""Distances to nearest neighbors, computed for a few rows at a time."""

import numpy as np

_CHUNK_BYTES = 128 * 2**20

# More candidates than asked for, because float32 may order close distances wrongly.
_SPARE = 4


def nearest(rows, references, k=1):
    """The nearest references of each row, by exact Euclidean distance.

    Candidates come from a product of matrices in float32; their distances are
    then computed in float64 from differences, so that a copy is at distance 0.

    Args:
        rows: Array of shape `(n, ...)`.
        references: Array of shape `(m, ...)`, with rows of the same size.
        k: Int of at most `m`. Defaults to 1.

    Returns:
        `(distances, indices)`, each of shape `(n, k)`: float64 distances in
        ascending order, and the int64 positions in `references`.
    """
    rows, references = _flat(rows), _flat(references)
    centre = references.mean(axis=0)
    centred = references - centre
    squares = np.einsum("ij,ij->i", centred, centred)
    num_candidates = min(k + _SPARE, len(references))
    distances = np.empty((len(rows), k))
    indices = np.empty((len(rows), k), np.int64)
    for chunk in chunks(len(rows), 4 * len(references)):
        # The row's own square is left out, because it does not change the order.
        scores = squares - 2 * ((rows[chunk] - centre) @ centred.T)
        found = _smallest(scores, num_candidates)
        exact = _exact_distances(rows[chunk], references, found)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        distances[chunk] = np.take_along_axis(exact, order, axis=1)
        indices[chunk] = np.take_along_axis(found, order, axis=1)
    return distances, indices


def chunks(n, bytes_per_row):
    """Slices of `range(n)` that keep a chunk's matrix within 128 MiB."""
    size = max(1, _CHUNK_BYTES // max(1, bytes_per_row))
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def squared_distances(rows, references):
    """Squared Euclidean distances in float64, of shape `(n, m)`."""
    squares = np.einsum("ij,ij->i", rows, rows)[:, None]
    squares = squares + np.einsum("ij,ij->i", references, references)
    return np.maximum(squares - 2 * (rows @ references.T), 0.0)


def _flat(rows):
    return np.asarray(rows, np.float32).reshape(len(rows), -1)


def _smallest(scores, k):
    if k == scores.shape[1]:
        return np.broadcast_to(np.arange(k), scores.shape)
    return np.argpartition(scores, k - 1, axis=1)[:, :k]


def _exact_distances(rows, references, indices):
    exact = np.empty(indices.shape)
    for column in range(indices.shape[1]):
        difference = rows.astype(np.float64) - references[indices[:, column]]
        exact[:, column] = np.linalg.norm(difference, axis=1)
    return exact
