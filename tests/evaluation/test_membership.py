import helpers
import keras
import numpy as np
import pytest
from sklearn import metrics

from keras_dpgan import DPGAN
from keras_dpgan import evaluation
from keras_dpgan import models
from keras_dpgan import optimizers
from keras_dpgan.data import PoissonDataset


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_records(rng, n=300):
    """Rows, and which of them are members, by coins."""
    return rng.normal(size=(n, 6)).astype(np.float32), rng.random(n) < 0.5


ATTACKS = [evaluation.nearness_scores, evaluation.density_scores]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("blur", [0.0, 0.2])
def test_a_generator_that_copies_its_training_rows_is_caught(rng, attack, blur):
    rows, members = make_records(rng)
    copies = rows[members][rng.integers(0, members.sum(), 1000)]
    samples = copies + blur * rng.normal(size=copies.shape)
    found = evaluation.membership_inference(attack(samples, rows), members)
    assert found.inferred
    assert found.auc_interval[0] > 0.7


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_generator_that_copies_one_row_in_ten_is_caught(rng, attack):
    rows, members = make_records(rng, 600)
    honest = rng.normal(size=(900, 6))
    samples = np.concatenate([honest, rows[members][:100]])
    found = evaluation.membership_inference(attack(samples, rows), members)
    assert found.inferred
    assert found.low_rate_power > 0.2


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_generator_that_knows_the_distribution_alone_is_not_accused(rng, attack):
    for _ in range(20):
        rows, members = make_records(rng)
        samples = rng.normal(size=(1000, 6))
        found = evaluation.membership_inference(attack(samples, rows), members)
        assert not found.inferred
        assert found.auc_interval[0] < 0.5 < found.auc_interval[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_but_copies_of_every_row_tells_nothing(rng, attack):
    rows, members = make_records(rng, 40)
    scores = attack(rows, rows)
    assert np.isfinite(scores).all()
    assert not evaluation.membership_inference(scores, members).inferred


def test_density_is_that_of_scikit_learn(rng):
    from sklearn import neighbors

    rows, samples = rng.normal(size=(20, 3)), rng.normal(size=(50, 3))
    distances = metrics.pairwise_distances(rows, samples).min(axis=1)
    kernel = neighbors.KernelDensity(bandwidth=np.median(distances) / 4).fit(samples)
    difference = evaluation.density_scores(samples, rows) - kernel.score_samples(rows)
    np.testing.assert_allclose(difference, difference[0], atol=1e-4)


def trained_discriminator(x, d_optimizer, private):
    keras.utils.set_random_seed(0)
    gan = DPGAN(
        models.vector_discriminator(128, hidden=(64, 64)),
        models.vector_generator(128, 4, hidden=(16,), output_activation="tanh"),
    )
    gan.compile(
        d_optimizer=d_optimizer,
        g_optimizer=keras.optimizers.Adam(1e-3),
        loss="wasserstein",
        discriminator_steps=10,
        private=private,
    )
    data = PoissonDataset(x, sampling_probability=0.5, steps_per_epoch=100)
    gan.fit(data, epochs=1, verbose=0)
    return gan.discriminator


def test_a_discriminator_that_was_not_trained_privately_tells_members(rng):
    # In many dimensions rows are far apart, and easily remembered.
    x = rng.uniform(-1, 1, (80, 128)).astype(np.float32)
    members = np.arange(80) < 40

    def inferred(d_optimizer, private):
        discriminator = trained_discriminator(x[members], d_optimizer, private)
        scores = evaluation.discriminator_scores(discriminator, x)
        return evaluation.membership_inference(scores, members).inferred

    adam = keras.optimizers.Adam(5e-3, beta_1=0.5)
    assert inferred(adam, private=False)
    adam = keras.optimizers.Adam(5e-3, beta_1=0.5)
    assert not inferred(optimizers.DPOptimizer(adam, 1.0, 100.0), private=True)


def test_a_conditional_discriminator_is_asked_about_each_row_with_its_label():
    x, y = helpers.make_data(600)
    discriminator = helpers.make_discriminator()
    scores = evaluation.discriminator_scores(discriminator, x, y)
    np.testing.assert_allclose(scores, np.ravel(discriminator([x, y])), atol=1e-5)
    assert scores.shape == (600,)


def test_the_interval_covers_the_truth_as_often_as_it_says(rng):
    """Normal scores one standard deviation apart have an AUC of 0.760."""
    members = np.arange(300) < 100
    missed = 0
    for _ in range(200):
        scores = rng.normal(size=300) + members
        low, high = evaluation.membership_inference(scores, members).auc_interval
        missed += not low < 0.7602 < high
        assert 0.1 < high - low < 0.25
    assert missed <= 3


def test_figures_are_those_of_a_hand_computed_case():
    scores = np.array([*range(10), *range(5, 15)], float)
    members = np.arange(20) >= 10
    found = evaluation.membership_inference(scores, members)
    assert found.auc == pytest.approx(0.875)
    assert found.auc == metrics.roc_auc_score(members, scores)
    assert found.advantage == pytest.approx(0.5)
    assert found.low_rate_power == pytest.approx(0.5)
    assert f"AUC {found.auc:.3f}" in str(found)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"scores": np.zeros((20, 1))}, "scores"),
        ({"scores": np.full(20, np.nan)}, "scores"),
        ({"members": np.arange(20)}, "members"),
        ({"members": np.arange(20) < 5}, "members"),
    ],
)
def test_bad_arguments_name_themselves(changes, name):
    arguments = {"scores": np.zeros(20), "members": np.arange(20) < 10}
    with pytest.raises(ValueError, match=name):
        evaluation.membership_inference(**arguments | changes)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="rows"):
        evaluation.nearness_scores(np.zeros((3, 2)), np.zeros((3, 4)))
