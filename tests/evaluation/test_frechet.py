import numpy as np
import pytest
from scipy import linalg

from keras_dpgan import evaluation


def gaussian(n, mean, covariance, seed):
    return np.random.default_rng(seed).multivariate_normal(mean, covariance, n)


def exactly(mean, covariance, n=40, seed=0):
    """Rows whose sample mean and covariance are the given ones."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    whitened = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return whitened @ np.linalg.cholesky(covariance).T + mean


def closed_form(mean, covariance, other_mean, other_covariance):
    root = linalg.sqrtm(np.asarray(covariance) @ np.asarray(other_covariance)).real
    shift = np.subtract(mean, other_mean)
    return shift @ shift + np.trace(
        covariance + np.asarray(other_covariance) - 2 * root
    )


MEAN, COVARIANCE = [0.0, 1.0, 2.0], np.diag([1.0, 4.0, 9.0])
OTHER_MEAN = [1.0, 1.0, 0.0]
OTHER_COVARIANCE = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 4.0]])


def test_of_known_gaussians_is_the_closed_form():
    distance = evaluation.frechet_distance(
        exactly(MEAN, COVARIANCE), exactly(OTHER_MEAN, OTHER_COVARIANCE, seed=1)
    )
    expected = closed_form(MEAN, COVARIANCE, OTHER_MEAN, OTHER_COVARIANCE)
    assert distance == pytest.approx(expected, rel=1e-9)


def test_of_commuting_covariances_is_the_sum_of_squared_differences():
    distance = evaluation.frechet_distance(
        exactly([0.0, 0.0], np.diag([1.0, 4.0])),
        exactly([3.0, 4.0], np.diag([9.0, 1.0]), seed=1),
    )
    assert distance == pytest.approx(25 + (1 - 3) ** 2 + (2 - 1) ** 2, rel=1e-9)


def test_is_symmetric_and_zero_for_the_same_rows():
    x, y = exactly(MEAN, COVARIANCE), exactly(OTHER_MEAN, OTHER_COVARIANCE, seed=1)
    assert evaluation.frechet_distance(x, x) == pytest.approx(0, abs=1e-10)
    assert evaluation.frechet_distance(x, y) == pytest.approx(
        evaluation.frechet_distance(y, x), rel=1e-9
    )


def test_of_one_feature():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 1)), rng.normal(2, 3, size=(30, 1))
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert evaluation.frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_survives_constant_and_large_features():
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=(50, 2)) + 1e6, np.ones(50)]
    assert evaluation.frechet_distance(x, x + 1) == pytest.approx(3, rel=1e-5)


def test_computes_in_float64():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    shifted = x + np.float32(2**-9)
    assert evaluation.frechet_distance(x, shifted) == pytest.approx(
        4 * 2.0**-18, rel=1e-3
    )


def test_infinity_removes_the_bias_of_few_samples():
    truth = closed_form(MEAN, COVARIANCE, OTHER_MEAN, OTHER_COVARIANCE)
    real = gaussian(200_000, MEAN, COVARIANCE, seed=0)
    plain, extrapolated = [], []
    for seed in range(20):
        few = gaussian(60, OTHER_MEAN, OTHER_COVARIANCE, seed=seed + 1)
        plain.append(evaluation.frechet_distance(real, few))
        extrapolated.append(evaluation.frechet_distance_infinity(real, few))
    bias = np.mean(plain) - truth
    assert bias > 0.05
    assert abs(np.mean(extrapolated) - truth) < bias / 2


def test_infinity_of_equal_distributions_is_near_zero():
    real = gaussian(100_000, np.zeros(16), np.eye(16), seed=0)
    same = gaussian(400, np.zeros(16), np.eye(16), seed=1)
    assert evaluation.frechet_distance(real, same) > 0.2
    assert abs(evaluation.frechet_distance_infinity(real, same)) < 0.06


def test_infinity_repeats_itself_with_a_seed():
    x, y = exactly(MEAN, COVARIANCE), exactly(OTHER_MEAN, OTHER_COVARIANCE, seed=1)
    first = evaluation.frechet_distance_infinity(x, y, seed=3)
    assert evaluation.frechet_distance_infinity(x, y, seed=3) == first


def test_grows_when_samples_have_one_mode_only():
    rng = np.random.default_rng(0)
    modes = rng.normal(size=(5, 4)) * 5
    real = modes[rng.integers(0, 5, 500)] + rng.normal(size=(500, 4))
    varied = modes[rng.integers(0, 5, 500)] + rng.normal(size=(500, 4))
    collapsed = modes[np.zeros(500, int)] + rng.normal(size=(500, 4))
    assert evaluation.frechet_distance(real, collapsed) > 50 * (
        evaluation.frechet_distance(real, varied)
    )


@pytest.mark.parametrize(
    "real, generated, message",
    [
        (np.zeros((4, 4)), np.zeros((10, 4)), "`real` must have at least 5 rows"),
        (np.zeros((9, 4)), np.zeros((4, 4)), "`generated` must have at least 5 rows"),
        (np.zeros((9, 4)), np.zeros((9, 3)), "the same d for both sets"),
        (np.zeros((9, 4, 2)), np.zeros((9, 4)), "must be features of shape"),
        (np.float64(1), np.zeros((9, 4)), "must be features of shape"),
        (np.zeros((9, 4)), np.full((9, 4), np.nan), "NaN or infinity in 9 rows"),
    ],
)
def test_says_what_is_wrong_with_features(real, generated, message):
    with pytest.raises(ValueError, match=message):
        evaluation.frechet_distance(real, generated)


def test_infinity_refuses_too_few_samples_for_a_line():
    real = np.random.default_rng(0).normal(size=(50, 8))
    with pytest.raises(ValueError, match="more than twice as many rows as features"):
        evaluation.frechet_distance_infinity(real, real[:17])
