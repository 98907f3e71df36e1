import numpy as np
import pytest

from keras_dpgan.data import load_digits


@pytest.fixture(scope="session")
def digits():
    """The training and test part of the 8x8 digits, pixels in (-1, 1)."""
    return load_digits()


@pytest.fixture(scope="session")
def blobs():
    """Vectors in four classes: training and test part."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 5)) * 4

    def draw(n):
        y = rng.integers(0, 4, n).astype(np.int32)
        return (centres[y] + rng.normal(size=(n, 5))).astype(np.float32), y

    return draw(600), draw(300)


@pytest.fixture
def quick_features(monkeypatch):
    """A feature classifier of few updates."""
    monkeypatch.setattr("keras_dpgan.evaluation.features._NUM_UPDATES", 100)
