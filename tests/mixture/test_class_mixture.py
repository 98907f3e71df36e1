import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import data
from keras_dpgan import mixture
from keras_dpgan import models
from keras_dpgan import privacy
from keras_dpgan.evaluation import classifier_accuracy
from keras_dpgan.mechanisms import noise
from keras_dpgan.mixture import factors
from keras_dpgan.mixture import parts
from keras_dpgan.mixture import private_class_mixture
from keras_dpgan.mixture.fitting import fit


@pytest.fixture(scope="module")
def digits():
    return data.load_digits()[0]


@pytest.mark.parametrize("components", [1, 3])
def test_with_little_noise_samples_have_the_moments_of_the_rows(digits, components):
    x, y = digits
    found, entry = private_class_mixture(
        x, y, 10, noise_multiplier=1e-6, rank=64, components=components, max_norm=16.0
    )
    assert entry.count == 1
    labels = np.full(4000, 3)
    samples = found.sample(labels, seed=0)
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
    x, y = digits
    vectors, noises = [], []
    exact = mixture.MomentSums.of
    read = mixture.MomentSums.read

    def recorded_of(sums, rows, labels):
        vectors.append(exact(sums, rows, labels))
        return vectors[-1]

    def recorded_read(sums, vector, noise):
        # The noise that was added, not the one that was stated: 650 numbers at least.
        noises.append(np.std(vector - vectors[-1]))
        return read(sums, vector, noise)

    monkeypatch.setattr(mixture.MomentSums, "of", recorded_of)
    monkeypatch.setattr(mixture.MomentSums, "read", recorded_read)
    _, entry = private_class_mixture(
        x, y, 10, noise_multiplier=2.0, components=components
    )
    assert len(noises) == (4 if components == 1 else 7)
    total = np.sum(np.array(noises) ** -2) ** -0.5
    assert total == pytest.approx(entry.noise_multiplier, rel=0.1)


@pytest.mark.parametrize("components", [1, 3])
def test_a_mixture_sees_the_rows_through_what_is_released_alone(digits, components):
    x, y = digits
    plan = mixture.MixturePlan(shape=(8, 8, 1), num_classes=10, components=components)
    rows, names = plan.rows(x), []

    def release(number, arrays):
        sums = plan.sums(number, *arrays)
        names.append(plan.steps[number].name)
        assert sums.size == plan.sizes[number]
        return sums.read(sums.of(rows, y), 1e-9)

    found = fit(plan, release)
    assert names == [step.name for step in plan.steps]
    assert found.means.shape == (10, components, 64)


def test_the_shares_of_the_budget_add_up_to_one():
    for components in (1, 2):
        plan = mixture.MixturePlan(shape=(8, 8), num_classes=2, components=components)
        assert sum(step.share for step in plan.steps) == pytest.approx(1, abs=1e-12)


def test_a_public_basis_is_orthonormal_and_begins_with_low_frequencies():
    for shape in ((28, 28, 1), (8, 12), (4, 4, 3)):
        rank = 12
        plan = mixture.MixturePlan(shape=shape, num_classes=2, rank=rank, basis="dct")
        basis = plan.public_basis()
        np.testing.assert_allclose(basis.T @ basis, np.eye(rank), atol=1e-12)
        flat = np.ones(shape).ravel()
        np.testing.assert_allclose(basis @ (basis.T @ flat), flat, atol=1e-9)


def test_useful_at_a_small_epsilon(digits):
    x, y = digits
    _, (x_test, y_test) = data.load_digits()
    scores = []
    for _ in range(3):
        # Epsilon 2 at delta 1e-5.
        found, _ = private_class_mixture(x, y, 10, noise_multiplier=2.2)
        labels = np.arange(2000) % 10
        samples = np.clip(found.sample(labels, seed=0), -1, 1)
        scores.append(
            classifier_accuracy(
                samples,
                labels,
                x_test.reshape(-1, 64),
                y_test,
                classifier="logistic_regression",
            )
        )
    # Before means were drawn towards that of all rows it was 0.6.
    assert np.mean(scores) > 0.85


@pytest.mark.parametrize("components", [1, 2])
def test_every_kind_of_data_gives_the_same_mixture(
    digits, components, monkeypatch, tmp_path
):
    monkeypatch.setattr(noise, "standard_normals", np.zeros)
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
        made, _ = private_class_mixture(
            *kind, num_classes=10, noise_multiplier=1e-3, rank=8, components=components
        )
        found.append(made)
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
    found, _ = private_class_mixture(
        *digits, 10, noise_multiplier=1e3, rank=16, components=3
    )
    assert np.all(np.isfinite(found.sample(np.arange(10))))


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
    found, _ = private_class_mixture(
        x, y, 10, noise_multiplier=0.1, rank=16, components=components
    )
    generator = models.mixture_generator((8, 8, 1), found, width=4)
    latents = np.random.default_rng(0).standard_normal((3000, 17)).astype(np.float32)
    labels = np.full(3000, 5, np.int32)
    images = np.asarray(generator([latents, labels])).reshape(3000, 64)
    drawn = np.clip(found.sample(labels, seed=1), -0.99, 0.99)
    np.testing.assert_allclose(images.mean(axis=0), drawn.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(images.std(axis=0), drawn.std(axis=0), atol=0.1)
    assert models.output_range(generator) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": 0}, "`noise_multiplier` must be"),
        ({"rank": 65}, "`rank` must be"),
        ({"components": 0}, "`components` must be"),
        ({"basis": "wavelets"}, "`basis` must be"),
        ({"max_norm": -1}, "`max_norm` must be"),
        ({"num_classes": 3}, r"`y` must lie in \[0, 3\)"),
        ({"y": np.zeros(1437)}, "`y` must hold one int"),
        ({"y": None}, "`y` must hold one int"),
        ({"y": np.zeros(3, int)}, "`x` and `y` must have the same length"),
    ],
)
def test_says_what_is_wrong(digits, changes, message):
    x, y = digits
    arguments = {"y": y, "num_classes": 10, "noise_multiplier": 1.0, "rank": 4}
    with pytest.raises(ValueError, match=message):
        private_class_mixture(x, **{**arguments, **changes})


def test_a_generator_of_another_shape_is_refused(digits):
    found, _ = private_class_mixture(*digits, 10, noise_multiplier=1.0, rank=4)
    with pytest.raises(ValueError, match="`shape` must have sides divisible by 4"):
        models.mixture_generator((28, 28, 1), found)
