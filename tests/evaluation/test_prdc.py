import numpy as np
import pytest

from keras_dpgan import evaluation
from keras_dpgan.evaluation import neighbours


def features(n, seed, shift=0.0, d=6):
    return np.random.default_rng(seed).normal(shift, 1.0, (n, d))


@pytest.mark.parametrize("shift", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("nearest_k", [1, 5])
def test_agrees_with_the_package_of_its_authors(shift, nearest_k):
    prdc = pytest.importorskip("prdc")
    real, generated = features(211, 0), features(173, 1, shift)
    expected = prdc.compute_prdc(real, generated, nearest_k=nearest_k)
    found = evaluation.precision_recall_density_coverage(real, generated, nearest_k)
    assert found._asdict() == pytest.approx(expected, abs=1e-12)


def test_does_not_depend_on_the_chunks(monkeypatch):
    real, generated = features(90, 0), features(70, 1, 0.5)
    whole = evaluation.precision_recall_density_coverage(real, generated)
    monkeypatch.setattr(neighbours, "_CHUNK_BYTES", 8 * 90 * 7)
    chunked = evaluation.precision_recall_density_coverage(real, generated)
    assert chunked == pytest.approx(whole)


def test_of_rows_of_the_same_distribution_is_high():
    found = evaluation.precision_recall_density_coverage(
        features(500, 0), features(500, 1)
    )
    assert min(found.precision, found.recall, found.coverage) > 0.85
    assert found.density == pytest.approx(1, abs=0.15)


def test_one_mode_only_loses_recall_and_coverage_but_not_precision():
    rng = np.random.default_rng(0)
    modes = np.repeat(np.eye(8) * 30, 50, axis=0)
    real = modes + rng.normal(size=modes.shape)
    collapsed = modes[:50].repeat(8, axis=0) + rng.normal(size=modes.shape)
    found = evaluation.precision_recall_density_coverage(real, collapsed)
    assert found.precision > 0.8
    assert found.recall < 0.2
    assert found.coverage < 0.2


def test_noise_loses_precision_and_density():
    real = features(400, 0)
    noise = np.random.default_rng(1).uniform(-20, 20, (400, 6))
    found = evaluation.precision_recall_density_coverage(real, noise)
    assert found.precision < 0.05
    assert found.density < 0.05


def test_rows_far_from_the_origin_are_told_apart():
    real, generated = features(100, 0), features(100, 1, 0.5)
    found = evaluation.precision_recall_density_coverage(real + 1e6, generated + 1e6)
    near = evaluation.precision_recall_density_coverage(real, generated)
    assert found == pytest.approx(near, abs=0.01)


@pytest.mark.parametrize(
    "real, generated, nearest_k, message",
    [
        (features(5, 0), features(50, 1), 5, "`real` must have at least 6 rows"),
        (features(50, 0), features(3, 1), 5, "`generated` must have at least 6 rows"),
        (features(50, 0), features(50, 1, d=5), 5, "the same d for both sets"),
        (features(50, 0), np.full((50, 6), np.inf), 5, "must be finite"),
        (features(50, 0), features(50, 1), 0, "`nearest_k` must be an integer"),
    ],
)
def test_says_what_is_wrong(real, generated, nearest_k, message):
    with pytest.raises(ValueError, match=message):
        evaluation.precision_recall_density_coverage(real, generated, nearest_k)
