import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import data
from keras_dpgan import models
from keras_dpgan import privacy
from keras_dpgan.mixture import factors
from keras_dpgan.mixture import moments
from keras_dpgan.mixture import parts
from keras_dpgan.mixture import private_class_mixture


@pytest.fixture(scope="module")
def digits():
    return data.load_digits()[0]


@pytest.mark.parametrize("components", [1, 3])
def test_with_little_noise_samples_have_the_moments_of_the_rows(digits, components):
    x, y = digits
    mixture, entry = private_class_mixture(
        x, y, 10, noise_multiplier=1e-6, rank=64, components=components, max_norm=16.0
    )
    assert entry.count == 1
    labels = np.full(4000, 3)
    samples = mixture.sample(labels, seed=0)
    rows = x[y == 3].reshape(-1, 64)
    np.testing.assert_allclose(samples.mean(axis=0), rows.mean(axis=0), atol=0.1)
    expected, found = (np.cov(r.T, bias=True) for r in (rows, samples))
    assert np.linalg.norm(found - expected) < 0.2 * np.linalg.norm(expected)


def test_the_entry_is_that_of_the_noise_and_enters_the_ledger_first(digits, tmp_path):
    x, y = digits
    with privacy.Ledger(tmp_path / "ledger", data_name="digits") as ledger:
        _, entry = private_class_mixture(
            x, y, 10, noise_multiplier=2.0, rank=8, ledger=ledger
        )
        assert [run.entry for run in ledger.runs] == [entry]
    assert entry.noise_multiplier == 2.0
    assert entry.sampling_probability == 1.0


@pytest.mark.parametrize("components", [1, 3])
def test_the_noise_of_all_releases_adds_up_to_what_the_entry_says(
    digits, components, monkeypatch
):
    spent = []

    def recorded(release):
        def recording(self, *arguments):
            spent.append(arguments[-1])
            return release(self, *arguments)

        return recording

    for sums in (moments.GroupSums, moments.GroupSquares):
        monkeypatch.setattr(sums, "released", recorded(sums.released))
    _, entry = private_class_mixture(
        *digits, 10, noise_multiplier=2.0, rank=8, components=components
    )
    total = sum(noise_multiplier**-2 for noise_multiplier in spent) ** -0.5
    assert total == pytest.approx(entry.noise_multiplier, rel=1e-9)


@pytest.mark.parametrize("components", [1, 2])
def test_every_kind_of_data_gives_the_same_mixture(
    digits, components, monkeypatch, tmp_path
):
    monkeypatch.setattr(moments, "_noise", np.zeros)
    x, y = digits
    np.save(tmp_path / "x.npy", x)
    kinds = [
        (x, y),
        (list(x), list(y)),
        (np.load(tmp_path / "x.npy", mmap_mode="r"), y),
        (data.PoissonDataset(x, y, expected_batch_size=10), None),
    ]
    found = []
    for number, kind in enumerate(kinds):
        # Small parts, whose number changes nothing but the signs of directions, on
        # which k-means' draws rest.
        size = 100 + (300 * number if components == 1 else 0)
        monkeypatch.setattr(parts, "_NUMBERS_AT_ONCE", 64 * size)
        mixture, _ = private_class_mixture(
            *kind, num_classes=10, noise_multiplier=1e-3, rank=8, components=components
        )
        found.append(mixture)
    for other in found[1:]:
        np.testing.assert_allclose(other.means, found[0].means, atol=1e-5)
        # A factor is known up to the signs of its directions.
        squares = [m.factors.swapaxes(-1, -2) @ m.factors for m in (other, found[0])]
        np.testing.assert_allclose(*squares, atol=1e-4)


def test_a_poisson_dataset_has_its_own_labels(digits):
    x, y = digits
    poisson = data.PoissonDataset(x, y, expected_batch_size=10)
    with pytest.raises(ValueError, match="`y` must be left out with a"):
        private_class_mixture(poisson, y, 10, noise_multiplier=1.0)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(10).repeat()
    with pytest.raises(ValueError, match="`x` must give each record once"):
        private_class_mixture(batches, None, 10, noise_multiplier=1.0)


def test_noise_far_above_the_rows_still_gives_samples(digits):
    mixture, _ = private_class_mixture(
        *digits, 10, noise_multiplier=1e3, rank=16, components=3
    )
    assert np.all(np.isfinite(mixture.sample(np.arange(10))))


def test_a_component_without_signal_has_the_covariance_of_its_label():
    label = factors.factor(np.diag([4.0, 1.0, 0.01]), 0.0)
    noisy = np.diag([9.0, 0.1, 5.0])
    own = factors.component_factor(label, noisy, 1e6)
    np.testing.assert_allclose(own.T @ own, label.T @ label, atol=1e-6)
    own = factors.component_factor(label, noisy, 0.0)
    np.testing.assert_allclose(own.T @ own, noisy, atol=1e-6)


@pytest.mark.parametrize("components", [1, 3])
def test_a_generator_starts_at_the_mixture(digits, components):
    x, y = digits
    mixture, _ = private_class_mixture(
        x, y, 10, noise_multiplier=0.1, rank=16, components=components
    )
    generator = models.mixture_generator((8, 8, 1), mixture, width=4)
    latents = np.random.default_rng(0).standard_normal((3000, 17)).astype(np.float32)
    labels = np.full(3000, 5, np.int32)
    images = np.asarray(generator([latents, labels])).reshape(3000, 64)
    drawn = np.clip(mixture.sample(labels, seed=1), -0.99, 0.99)
    np.testing.assert_allclose(images.mean(axis=0), drawn.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(images.std(axis=0), drawn.std(axis=0), atol=0.1)
    assert models.output_range(generator) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": 0}, "`noise_multiplier` must be"),
        ({"rank": 65}, "`rank` must be"),
        ({"components": 0}, "`components` must be"),
        ({"max_norm": -1}, "`max_norm` must be"),
        ({"num_classes": 3}, r"`y` must lie in \[0, 3\)"),
        ({"y": np.zeros(1437)}, "`y` must be int labels"),
        ({"y": None}, "`y` must be int labels"),
        ({"y": np.zeros(3, int)}, "`x` and `y` must have the same length"),
    ],
)
def test_says_what_is_wrong(digits, changes, message):
    x, y = digits
    arguments = {"y": y, "num_classes": 10, "noise_multiplier": 1.0, "rank": 4}
    with pytest.raises(ValueError, match=message):
        private_class_mixture(x, **{**arguments, **changes})


def test_a_generator_of_another_shape_is_refused(digits):
    mixture, _ = private_class_mixture(*digits, 10, noise_multiplier=1.0, rank=4)
    with pytest.raises(ValueError, match="`shape` must have sides divisible by 4"):
        models.mixture_generator((28, 28, 1), mixture)
