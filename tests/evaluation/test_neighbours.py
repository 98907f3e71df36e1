import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from keras_dpgan.evaluation import neighbours


@pytest.mark.parametrize("k", [1, 2, 7])
def test_agrees_with_scikit_learn(k):
    rng = np.random.default_rng(0)
    rows, references = rng.normal(size=(57, 9)), rng.normal(size=(131, 9))
    rows, references = rows.astype(np.float32), references.astype(np.float32)
    expected = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(references)
    expected_distances, expected_indices = expected.kneighbors(rows)
    distances, indices = neighbours.nearest(rows, references, k)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-5)
    np.testing.assert_array_equal(indices, expected_indices)


def test_a_copy_is_at_distance_zero_however_far_from_the_origin():
    references = np.random.default_rng(0).normal(1e4, 1, (200, 5)).astype(np.float32)
    distances, indices = neighbours.nearest(references[40:50], references)
    assert (distances == 0).all()
    np.testing.assert_array_equal(indices[:, 0], np.arange(40, 50))


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    rows, references = rng.normal(size=(57, 2, 2, 1)), rng.normal(size=(31, 2, 2, 1))
    whole = neighbours.nearest(rows, references, 3)
    monkeypatch.setattr(neighbours, "_CHUNK_BYTES", 4 * 31 * 5)
    chunked = neighbours.nearest(rows, references, 3)
    np.testing.assert_array_equal(chunked[1], whole[1])


def test_chunks_cover_every_row_once():
    slices = neighbours.chunks(1000, 2**20)
    assert sum(s.stop - s.start for s in slices) == 1000
    assert len(slices) > 1
