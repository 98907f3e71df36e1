"""What a critic costs, and that it costs nothing afterwards."""

import dp_accounting
import keras
import numpy as np
import pytest
import tensorflow as tf
from dp_accounting import pld
from released_critics import LABELS
from released_critics import NOISE
from released_critics import SHAPE
from released_critics import make_data
from released_critics import make_gan
from released_critics import release

import keras_dpgan as dpgan
from keras_dpgan.mechanisms import noise
from keras_dpgan.mixture import MomentSums
from keras_dpgan.models import mixture_generator


def trained(critic, steps=2, gan=None):
    gan = make_gan() if gan is None else gan
    gan.compile(critic=critic, g_optimizer=keras.optimizers.Adam(1e-3))
    gan.fit(steps_per_epoch=steps, batch_size=30, verbose=0)
    return gan


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(noise, "standard_normals", np.zeros)


@pytest.fixture
def released_sums(monkeypatch, no_noise):
    """The sums that are about to be noised, in units of their noise."""
    sums = []

    read = MomentSums.read

    def recorded(self, vector, noise):
        sums.append(vector / noise)
        return read(self, vector, noise)

    monkeypatch.setattr(MomentSums, "read", recorded)
    return sums


def extreme(kind):
    """A record far from what is generated."""
    if kind == "white":
        return np.ones((1, *SHAPE), np.float32)
    return (2.0 * (np.indices(SHAPE).sum(axis=0) % 2) - 1.0)[None].astype(np.float32)


@pytest.mark.parametrize("kind", ["checkered", "white"])
@pytest.mark.parametrize("max_norm", [None, 3.0])
def test_one_record_moves_all_sums_together_by_at_most_one(
    released_sums, kind, max_norm
):
    x, y = make_data()
    more = np.concatenate([x, extreme(kind)]), np.append(y, 1).astype(np.int32)
    everything = {"groups_per_label": 2, "second_moments": 6, "max_norm": max_norm}
    weights = []
    for data in ((x, y), more):
        keras.utils.set_random_seed(0)
        gan = trained(release(make_gan(), *data, **everything))
        weights.append(gan.generator.get_weights())
    means, squares, more_means, more_squares = released_sums
    moved = np.hypot(
        np.linalg.norm(more_means - means), np.linalg.norm(more_squares - squares)
    )
    # A mechanism at this noise multiplier has sensitivity one in units of its noise.
    assert moved * NOISE <= 1 + 1e-9
    assert moved * NOISE >= 0.8
    # The record is long enough to be shortened, and has reached the generator.
    assert any((a != b).any() for a, b in zip(*weights, strict=True))


def test_only_the_group_of_a_record_is_moved_by_it(released_sums):
    x, y = make_data()
    changed = x.copy()
    changed[4] = extreme("checkered")[0]
    for rows in (x, changed):
        release(make_gan(), rows, y)
    means, _, other_means, _ = [*released_sums[:1], 0, *released_sums[1:2], 0]
    moved = np.abs(other_means - means).reshape(LABELS, -1).max(axis=1) > 0
    np.testing.assert_array_equal(moved, np.arange(LABELS) == y[4])


@pytest.mark.parametrize("second_moments", [0, 5])
def test_the_noise_is_that_of_the_entry(second_moments):
    x, y = make_data()
    arguments = {"second_moments": second_moments, "max_norm": 4.0}
    released = [
        release(make_gan(), x, y, **arguments, noise_multiplier=z)
        for z in (1e-9, NOISE)
    ]
    exact, noisy = (critic.means.numpy() for critic in released)
    share = 0.4 if second_moments else 1.0
    # Of counts near 30, each with noise of its own; 2/3 and 3/2 of the scale are out.
    expected = np.sqrt(2) * 4.0 * NOISE / np.sqrt(share) / 30.0
    assert np.std(noisy - exact) == pytest.approx(expected, rel=0.3)
    if second_moments:
        exact, noisy = (critic.squares.numpy() for critic in released)
        radius = float(released[1].max_square_norm.numpy())
        entries = (noisy - exact)[:, *np.triu_indices(second_moments, 1)]
        expected = radius**2 * NOISE / np.sqrt(0.6) / (np.sqrt(2) * 30.0)
        assert np.std(entries) == pytest.approx(expected, rel=0.45)


def test_no_seed_repeats_the_noise():
    x, y = make_data()
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        drawn.append(release(make_gan(), x, y).means.numpy())
    assert np.abs(drawn[0] - drawn[1]).max() > 0


def test_epsilon_is_dp_accountings(tmp_path):
    x, y = make_data()
    start, entry = dpgan.mixture.private_class_mixture(
        x, y, LABELS, noise_multiplier=2.0, rank=4
    )
    gan = dpgan.DPGAN(None, mixture_generator(SHAPE, start, width=4))
    critics = [release(gan, x, y), release(gan, x, y, noise_multiplier=3.0)]
    trained(critics, steps=5, gan=gan)
    accountant = pld.PLDAccountant()
    for noise_multiplier in (entry.noise_multiplier, NOISE, 3.0):
        accountant.compose(dp_accounting.GaussianDpEvent(noise_multiplier))
    expected = accountant.get_epsilon(1e-3)
    assert gan.epsilon(1e-3) == pytest.approx(expected, rel=1e-6)
    # Further steps, and another start, cost nothing.
    gan.fit(steps_per_epoch=3, verbose=0)
    assert gan.epsilon(1e-3) == pytest.approx(expected, rel=1e-6)
    statement = str(gan.privacy_statement(1e-3))
    assert "What was trained on these sums alone read no record" in " ".join(
        statement.split()
    )
    gan.delta = 1e-3
    gan.export(tmp_path / "export")
    card = dpgan.export.read_card(tmp_path / "export")
    assert card["guarantee"]["epsilon"] == pytest.approx(expected, rel=1e-6)


def test_the_ledger_has_the_release_before_its_noise(tmp_path, monkeypatch):
    def failing(shape):
        raise RuntimeError("before the noise")

    x, y = make_data()
    with dpgan.privacy.Ledger(tmp_path / "ledger", data_name="made up") as ledger:
        monkeypatch.setattr(noise, "standard_normals", failing)
        with pytest.raises(RuntimeError, match="before the noise"):
            release(make_gan(), x, y, ledger=ledger)
        assert [run.entry.noise_multiplier for run in ledger.runs] == [NOISE]


def test_what_is_refused_costs_nothing(tmp_path):
    x, y = make_data()
    with dpgan.privacy.Ledger(tmp_path / "ledger", data_name="made up") as ledger:
        with pytest.raises(ValueError, match="`y` must lie in"):
            release(make_gan(), x, y + 1, ledger=ledger)
        with pytest.raises(ValueError, match="`second_moments` must be at most"):
            release(make_gan(), x, y, second_moments=500, ledger=ledger)
        assert not ledger.runs


class CountingRows:
    """Rows that know how often each was read."""

    def __init__(self, rows):
        self.rows = rows
        self.reads = np.zeros(len(rows), int)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.reads[index] += 1
        return self.rows[index]


def test_training_reads_no_record():
    x, y = make_data()
    rows = CountingRows(x)
    critic = release(make_gan(), rows, y)
    # Once to be checked, once to be summed up, and the first one for its shape.
    assert rows.reads.max() <= 6 and rows.reads.min() == 2
    before = rows.reads.copy()
    gan = trained(critic, steps=3)
    gan.evaluate(verbose=0)
    np.testing.assert_array_equal(rows.reads, before)
    with pytest.raises(ValueError, match="`x` must be left out: the model was"):
        gan.fit(rows, y)
    with pytest.raises(ValueError, match="`max_participations` must be left out"):
        gan.fit(max_participations=1)


def test_every_kind_of_data_gives_the_same_sums(no_noise, tmp_path):
    x, y = make_data()
    np.save(tmp_path / "x.npy", x)
    kinds = [
        (x, y),
        (list(x), list(y)),
        (np.load(tmp_path / "x.npy", mmap_mode="r"), y),
        (tf.constant(x), tf.constant(y)),
        (dpgan.data.PoissonDataset(x, y, expected_batch_size=10), None),
    ]
    means = [release(make_gan(), *kind).means.numpy() for kind in kinds]
    for other in means[1:]:
        np.testing.assert_allclose(other, means[0], atol=1e-6)


def test_a_critic_of_a_file_counts_what_it_has_cost(tmp_path):
    x, y = make_data()
    with dpgan.privacy.Ledger(tmp_path / "ledger", data_name="made up") as ledger:
        critic = release(make_gan(), x, y, ledger=ledger)
        critic.save(tmp_path / "critic.keras")
        loaded = keras.saving.load_model(tmp_path / "critic.keras")
        gan = trained(loaded)
        gan.compile(critic=critic, g_optimizer="adam")
        assert [e.count for e in gan.privacy_history.entries] == [1]
        for found, expected in zip(loaded([x, y]), critic([x, y]), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_discriminator_counts_the_critic_before_it():
    x, y = make_data()
    discriminator = dpgan.models.image_discriminator(SHAPE, LABELS, width=4)
    gan = make_gan(discriminator)
    trained(release(gan, x, y), gan=gan)
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(1.0, 2.0, learning_rate=0.1),
        g_optimizer="adam",
    )
    gan.fit(x, y, batch_size=10, steps_per_epoch=2, verbose=0)
    counted = {e.noise_multiplier: e.count for e in gan.privacy_history.entries}
    assert counted == {NOISE: 1, 2.0: 2}
    anew = dpgan.DPGAN(None, gan.generator)
    assert anew.epsilon(1e-3) == gan.epsilon(1e-3)


def test_a_saved_model_keeps_its_history_and_is_compiled_again(tmp_path):
    x, y = make_data()
    critic = release(make_gan(), x, y)
    gan = trained(critic)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.epsilon(1e-3) == gan.epsilon(1e-3)
    np.testing.assert_array_equal(loaded.sample(5, seed=0)[0], gan.sample(5, seed=0)[0])
    trained(critic, gan=loaded)
    assert [e.count for e in loaded.privacy_history.entries] == [1]


def test_a_generator_nears_what_was_released():
    x, y = make_data(n=3000)
    gan = make_gan()
    critic = release(
        gan, x, y, noise_multiplier=0.5, groups_per_label=2, second_moments=4
    )

    def distance(rows):
        bright = [rows[y[: len(rows)] == label].mean() for label in range(LABELS)]
        return np.abs(np.subtract(bright, np.linspace(-0.7, 0.7, LABELS) * 0.97)).max()

    before = distance(gan.sample(300, y[:300], seed=0)[0])
    gan.compile(critic=critic, g_optimizer=keras.optimizers.Adam(2e-3))
    logs = gan.fit(epochs=2, steps_per_epoch=60, batch_size=60, verbose=0).history
    assert set(logs) == {"g_loss"}
    assert logs["g_loss"][1] < logs["g_loss"][0]
    assert distance(gan.sample(300, y[:300], seed=0)[0]) < 0.6 * before


def test_a_model_without_labels_and_of_vectors():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = (0.2 * rng.standard_normal((400, 4)) + 0.5).astype(np.float32)
    gan = dpgan.DPGAN(
        None, dpgan.models.vector_generator(4, latent_dim=3, hidden=(16,))
    )
    critic = dpgan.critics.release_critic(
        gan,
        x,
        features=dpgan.features.RandomFeatures(40, scale=2.0),
        noise_multiplier=0.5,
        num_reference=200,
    )
    gan.compile(critic=critic, g_optimizer=keras.optimizers.Adam(1e-2))
    gan.fit(steps_per_epoch=200, batch_size=60, verbose=0)
    assert np.abs(gan.sample(500, seed=0).mean(axis=0) - 0.5).max() < 0.25


class SubtractsTheMean(keras.layers.Layer):
    def call(self, rows):
        return rows - keras.ops.mean(rows, axis=0, keepdims=True)


class Noisy(keras.layers.Layer):
    def call(self, rows):
        return rows + keras.random.normal((64,))[None, :1, None, None]


def adapted(x):
    layer = keras.layers.Normalization()
    layer.adapt(x)
    return layer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": lambda rows: rows}, "`features` must be a layer or a model"),
        ({"features": SubtractsTheMean()}, "`features` must compute each row from"),
        ({"features": Noisy()}, "`features` must compute each row from"),
        ({"features": adapted(make_data()[0])}, "`features` must be public, and their"),
        ({"features": keras.layers.Conv1D(2, 3)}, "`features` must take rows of shape"),
        ({"noise_multiplier": 0}, "`noise_multiplier` must be"),
        ({"groups_per_label": 0}, "`groups_per_label` must be"),
        ({"second_moments": -1}, "`second_moments` must be"),
        ({"max_norm": 0}, "`max_norm` must be"),
        ({"num_reference": 3}, "`num_reference` must be"),
        ({"gan": 3}, "`gan` must be a `DPGAN`"),
        ({"x": tf.data.Dataset.range(3)}, "`x` must give each record once"),
        ({"y": None}, "`y` must give a label"),
        ({"x": np.zeros((90, 5, 5, 1), np.float32)}, "`x` must hold records of shape"),
    ],
)
def test_says_what_is_wrong(changes, message):
    x, y = make_data()
    arguments = {"gan": make_gan(), "x": x, "y": y, **changes}
    with pytest.raises(ValueError, match=message):
        release(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"critic": 3}, "`critic` must be a `critics.ReleasedCritic`"),
        ({"critic": []}, "`critic` must be a `critics.ReleasedCritic`"),
        ({"engine": "ghost"}, "`engine` must be left out with a `critic`"),
        ({"d_optimizer": "adam"}, "`d_optimizer` must be left out with a `critic`"),
        ({"g_optimizer": None}, "`g_optimizer` must be a Keras optimizer"),
        ({"critic": None}, "`critic` must be given to `compile`"),
    ],
)
def test_compile_says_what_does_not_go_with_a_critic(arguments, message):
    x, y = make_data()
    gan = make_gan()
    critic = release(gan, x, y)
    with pytest.raises(ValueError, match=message):
        gan.compile(**{"critic": critic, "g_optimizer": "adam", **arguments})


def test_a_critic_of_other_rows_is_refused():
    x, y = make_data()
    critic = release(make_gan(), x, y)
    gan = dpgan.DPGAN(None, dpgan.models.vector_generator(64, 3, hidden=(4,)))
    with pytest.raises(ValueError, match="`critic` must be of rows like those of"):
        gan.compile(critic=critic, g_optimizer="adam")


def test_a_budget_that_the_releases_exceed_is_refused():
    x, y = make_data()
    gan = make_gan()
    gan.compile(critic=release(gan, x, y), g_optimizer="adam")
    tracker = dpgan.callbacks.EpsilonTracker(delta=1e-3, target_epsilon=0.5)
    with pytest.raises(ValueError, match="would exceed target_epsilon=0.5"):
        gan.fit(steps_per_epoch=2, callbacks=[tracker], verbose=0)
    tracker = dpgan.callbacks.EpsilonTracker(delta=1e-3, target_epsilon=50.0)
    logs = gan.fit(steps_per_epoch=2, callbacks=[tracker], verbose=0).history
    assert logs["epsilon"] == [gan.epsilon(1e-3)]
