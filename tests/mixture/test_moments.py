import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.mixture import moments
from keras_dpgan.mixture import private_covariances
from keras_dpgan.mixture import private_means

DIM = 5
RADIUS = 0.7


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(moments, "_noise", np.zeros)


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, DIM)) * np.linspace(1, 0.2, DIM) + 0.3
    return RADIUS * rows / (1.01 * np.linalg.norm(rows, axis=1).max())


def covariances(rows, groups, noise_multiplier=1.0, num_groups=2):
    ones = np.ones(num_groups)
    return private_covariances(rows, groups, ones, noise_multiplier, RADIUS)


def test_without_noise_they_are_numpys(no_noise):
    rows, groups = make_rows(50), np.arange(50) % 2
    counts, means = private_means(rows, groups, 2, 1.0, RADIUS)
    centred = rows - means[groups]
    released = private_covariances(centred, groups, counts, 1.0, RADIUS)
    for group in range(2):
        mine = rows[groups == group]
        assert counts[group] == pytest.approx(25)
        np.testing.assert_allclose(means[group], mine.mean(axis=0))
        expected = np.cov(mine.T, bias=True)
        np.testing.assert_allclose(released[group], expected, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1e6])
def test_one_row_moves_all_sums_together_by_at_most_one(no_noise, scale):
    rows, groups = make_rows(40), np.arange(40) % 2
    row = scale * RADIUS * np.ones((1, DIM)) / np.sqrt(DIM)
    one_more = np.concatenate([rows, row]), np.append(groups, 1)

    def sums_of_means(rows, groups):
        counts, means = private_means(rows, groups, 2, 0.0, RADIUS)
        both = [counts[:, None], means * counts[:, None] / RADIUS]
        return np.concatenate(both, axis=1) / np.sqrt(2)

    def sums_of_squares(rows, groups):
        return covariances(rows, groups) / RADIUS**2

    for sums in (sums_of_means, sums_of_squares):
        moved = np.linalg.norm(sums(*one_more) - sums(rows, groups))
        assert moved <= 1 + 1e-9
        if scale >= 1:
            assert moved == pytest.approx(1)


def test_a_row_that_is_not_finite_counts_as_zeros(no_noise):
    rows = np.concatenate([make_rows(9), np.full((1, DIM), np.nan)])
    groups = np.zeros(10, int)
    _, means = private_means(rows, groups, 1, 1.0, RADIUS)
    np.testing.assert_allclose(means[0], rows[:9].sum(axis=0) / 10)
    (released,) = covariances(rows, groups, num_groups=1)
    np.testing.assert_allclose(released, rows[:9].T @ rows[:9])


@pytest.mark.parametrize("noise_multiplier", [1.0, 3.0])
def test_noise_of_means_has_the_scale_of_sensitivity_one(noise_multiplier):
    # Far from empty, so that the least count changes nothing.
    num_groups, dim, n = 500, 3, 60
    groups = np.arange(n * num_groups) % num_groups
    counts, means = private_means(
        np.zeros((len(groups), dim)), groups, num_groups, noise_multiplier, RADIUS
    )
    # Six standard deviations of the estimate; 2/3 and 3/2 of the scale are out.
    expected = pytest.approx(noise_multiplier, rel=0.2)
    assert np.std((counts - n) / np.sqrt(2)) == expected
    assert np.std(means * counts[:, None] / (np.sqrt(2) * RADIUS)) == expected
    stated = moments.mean_noise(counts, noise_multiplier, RADIUS)
    assert np.std(means / stated[:, None]) == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("noise_multiplier", [1.0, 3.0])
def test_noise_of_covariances_is_symmetric_and_isotropic(noise_multiplier):
    num_groups, dim = 1000, 3
    counts = np.full(num_groups, 60.0)
    released = private_covariances(
        np.zeros((1, dim)), np.zeros(1, int), counts, noise_multiplier, RADIUS
    )
    np.testing.assert_array_equal(released, released.transpose(0, 2, 1))
    sums = released * 60 / RADIUS**2
    on = sums[:, np.arange(dim), np.arange(dim)]
    off = sums[:, *np.triu_indices(dim, 1)]
    # Isotropic in the Frobenius norm: an entry that stands for two has half of
    # the variance.
    assert np.std(on) == pytest.approx(noise_multiplier, rel=0.1)
    assert np.std(off) == pytest.approx(noise_multiplier / np.sqrt(2), rel=0.1)
    stated = moments.covariance_noise(60.0, noise_multiplier, RADIUS)
    assert stated == pytest.approx(
        noise_multiplier / np.sqrt(2) * RADIUS**2 / 60, rel=1e-9
    )


def test_no_seed_repeats_the_noise():
    rows, groups = make_rows(20), np.zeros(20, int)
    draws = []
    for _ in range(2):
        tf.keras.utils.set_random_seed(1)
        draws.append(private_means(rows, groups, 1, 1.0, RADIUS)[0][0])
    assert draws[0] != draws[1]
