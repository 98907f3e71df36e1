import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.mixture import moments
from keras_dpgan.mixture import private_moments

DIM = 5


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(moments, "_symmetric_noise", np.zeros)


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, DIM)) * np.linspace(1, 0.2, DIM) + 0.3
    return rows / (1.01 * np.linalg.norm(rows, axis=1).max())


def raw_sums(monkeypatch, rows, groups, num_groups=2):
    """What the mechanism adds its noise to, by the noise that it asks for."""
    released = private_moments(rows, groups, num_groups, 0.0)
    counts = released.counts[:, None, None]
    seconds = released.covariances + (
        released.means[:, :, None] * released.means[:, None, :]
    )
    rest = [counts, released.means[:, None] * counts, seconds * counts]
    corner = np.concatenate([rest[0], rest[1]], axis=2)
    below = np.concatenate([rest[1].transpose(0, 2, 1), rest[2]], axis=2)
    return np.concatenate([corner, below], axis=1) / 2


def test_without_noise_they_are_numpys(no_noise):
    rows, groups = make_rows(50), np.arange(50) % 2
    released = private_moments(rows, groups, 2, 1.0)
    for group in range(2):
        mine = rows[groups == group]
        assert released.counts[group] == pytest.approx(25)
        np.testing.assert_allclose(released.means[group], mine.mean(axis=0))
        expected = np.cov(mine.T, bias=True)
        np.testing.assert_allclose(released.covariances[group], expected, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1e6])
def test_one_row_moves_all_sums_together_by_at_most_one(monkeypatch, scale):
    rows, groups = make_rows(40), np.arange(40) % 2
    row = scale * np.ones((1, DIM)) / np.sqrt(DIM)
    before = raw_sums(monkeypatch, rows, groups)
    after = raw_sums(monkeypatch, np.concatenate([rows, row]), np.append(groups, 1))
    moved = np.linalg.norm(after - before)
    assert moved <= 1 + 1e-9
    if scale >= 1:
        assert moved == pytest.approx(1)


def test_a_row_that_is_not_finite_counts_as_zeros(no_noise):
    rows = np.concatenate([make_rows(9), np.full((1, DIM), np.nan)])
    released = private_moments(rows, np.zeros(10, int), 1, 1.0)
    np.testing.assert_allclose(released.means[0], rows[:9].sum(axis=0) / 10)


@pytest.mark.parametrize("noise_multiplier", [1.0, 3.0])
def test_noise_has_the_scale_of_a_mechanism_of_sensitivity_one(noise_multiplier):
    # Far from empty, so that the least count changes nothing.
    groups, dim, n = 500, 3, 60
    rows = np.zeros((n * groups, dim))
    released = private_moments(rows, np.arange(len(rows)) % groups, groups, 0.0)
    noisy = private_moments(
        rows, np.arange(len(rows)) % groups, groups, noise_multiplier
    )
    counts = (noisy.counts - released.counts) / 2
    # Six standard deviations of the estimate; 2/3 and 3/2 of the scale are out.
    assert np.std(counts) == pytest.approx(noise_multiplier, rel=0.2)
    # Isotropic in the Frobenius norm: an entry that stands for two has half of
    # the variance.
    off_diagonal = noisy.means * noisy.counts[:, None] / 2
    expected = noise_multiplier / np.sqrt(2)
    assert np.std(off_diagonal) == pytest.approx(expected, rel=0.1)


def test_no_seed_repeats_the_noise():
    rows, groups = make_rows(20), np.zeros(20, int)
    draws = []
    for _ in range(2):
        tf.keras.utils.set_random_seed(1)
        draws.append(private_moments(rows, groups, 1, 1.0).counts[0])
    assert draws[0] != draws[1]
