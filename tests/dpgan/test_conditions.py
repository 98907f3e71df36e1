"""Rows that depend on a vector per record: numbers, or several categories."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_sums import clipped_sum

from keras_dpgan import DPGAN
from keras_dpgan import GradientPenalty
from keras_dpgan import export
from keras_dpgan.cli import sample
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.evaluation.samples import draw_samples

CLIP = 0.8
DIM = 2


def encoded(conditions, dtype):
    if dtype == "float32":
        return conditions
    return keras.layers.Flatten()(keras.layers.Embedding(4, 3)(conditions))


def make_networks(dtype="float32"):
    def network(first, size, units, activation=None):
        first = keras.Input(first, name=size)
        conditions = keras.Input((DIM,), dtype=dtype, name=f"conditions_of_{size}")
        hidden = keras.layers.Concatenate()([first, encoded(conditions, dtype)])
        hidden = keras.layers.Dense(8, activation="tanh")(hidden)
        if activation:
            hidden = keras.layers.BatchNormalization()(hidden)
        outputs = keras.layers.Dense(units, activation=activation)(hidden)
        return keras.Model([first, conditions], outputs)

    return (
        network(helpers.SHAPE, "rows", 1),
        network((helpers.LATENT_DIM,), "latents", helpers.SHAPE[0], "tanh"),
    )


def make_prior(dtype="float32"):
    rng = np.random.default_rng(1)
    if dtype == "int32":
        return rng.integers(0, 4, (50, DIM))
    return rng.uniform(-1, 1, (50, DIM))


def make_data(dtype="float32", n=120):
    x, _ = helpers.make_data(n)
    rng = np.random.default_rng(2)
    return x, rng.permutation(np.resize(make_prior(dtype), (n, DIM))).astype(dtype)


def make_gan(dtype="float32", **compile_arguments):
    gan = DPGAN(*make_networks(dtype))
    arguments = {**helpers.compile_defaults(), "condition_prior": make_prior(dtype)}
    gan.compile(**{**arguments, **compile_arguments})
    return gan


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_one_record_moves_the_clipped_sum_by_at_most_the_clip(engine):
    keras.utils.set_random_seed(0)
    gan = make_gan(
        d_optimizer=helpers.make_d_optimizer(l2_norm_clip=CLIP, insecure_noise_seed=0),
        gradient_penalty=GradientPenalty(10.0, on="both"),
        engine=engine,
        run_eagerly=True,
        discriminator_steps=10**6,
    )
    x, y = make_data()
    gan.fit(x, y, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
    y[11] = 1e3
    for n in (11, 1):
        moved = clipped_sum(gan, x[: n + 1], y[: n + 1])
        moved = moved - clipped_sum(gan, x[:n], y[:n])
        assert 0 < np.linalg.norm(moved) <= CLIP * (1 + 1e-5)


def batches_of(x, y):
    batches = tf.data.Dataset.from_tensor_slices((x, y))
    return batches.batch(40, drop_remainder=True)


@pytest.mark.parametrize("category", [-1, 4, 2**31 - 1])
@pytest.mark.parametrize("prepare", [batches_of, lambda *data: data])
def test_a_category_that_the_prior_has_not_is_refused_before_anything_is_spent(
    category, prepare
):
    gan = make_gan("int32")
    x, y = make_data("int32")
    y[7, 1] = category
    data = prepare(x, y)
    x, y = data if isinstance(data, tuple) else (data, None)
    with pytest.raises(ValueError, match=f"Received: {category} at position 1 of rec"):
        gan.fit(x, y, verbose=0)
    assert gan.num_discriminator_updates == 0


@pytest.mark.parametrize("category", [-1, 4, 2**31 - 1])
def test_a_later_record_of_an_unknown_category_counts_as_absent(category):
    def weights(x, y):
        keras.utils.set_random_seed(0)
        gan = make_gan(
            "int32",
            d_optimizer=helpers.make_d_optimizer(0.0, insecure_noise_seed=0),
            discriminator_steps=10**6,
        )
        gan.fit(batches_of(x, y), verbose=0)
        return helpers.weights_of(gan.discriminator)

    x, y = make_data("int32")
    x[115:], y[115:, 1] = np.nan, 0
    expected = weights(x, y)
    x, y = make_data("int32")
    y[115:, 1] = category
    for weight, other in zip(weights(x, y), expected, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)


def trained_generator(x, y):
    keras.utils.set_random_seed(3)
    gan = make_gan(d_optimizer=helpers.make_d_optimizer(0.0, learning_rate=0.0))
    gan.fit(x, y, batch_size=40, epochs=1, verbose=0)
    return helpers.weights_of(gan.generator)


def test_conditions_of_records_never_reach_the_generator():
    x, y = make_data()
    # All weights are compared, with the moving averages of BatchNormalization.
    assert helpers.same(trained_generator(x, y), trained_generator(x, 100 * y))


@pytest.mark.parametrize(
    "dtype", ["float32", pytest.param("int32", marks=pytest.mark.slow)]
)
def test_it_trains_samples_saves_and_exports(dtype, tmp_path):
    gan = make_gan(dtype)
    x, y = make_data(dtype)
    history = gan.fit(x, y, batch_size=40, epochs=1, verbose=0)
    assert np.all(np.isfinite(history.history["g_loss"]))
    gan.evaluate(verbose=0)
    gan.export(tmp_path / "generator")
    gan.save(tmp_path / "gan.keras")
    sources = [
        gan,
        keras.models.load_model(tmp_path / "gan.keras"),
        export.load(tmp_path / "generator"),
        tf.saved_model.load(tmp_path / "generator"),
    ]
    wanted = y[:3]
    rows, drawn = gan.sample(1030, seed=4)
    assert {tuple(c) for c in drawn} <= {
        tuple(c) for c in make_prior(dtype).astype(dtype)
    }
    of_wanted = gan.sample(3, wanted, seed=4)[0]
    assert not np.allclose(of_wanted, rows[:3])
    for source in sources:
        for part, whole in zip(source.sample(1030, seed=4), (rows, drawn), strict=True):
            np.testing.assert_allclose(part, whole, atol=1e-6)
        given, conditions = source.sample(3, wanted, seed=4)
        np.testing.assert_allclose(given, of_wanted, atol=1e-6)
        np.testing.assert_array_equal(conditions, wanted)
        one = source.sample(3, wanted[0], seed=4)[1]
        np.testing.assert_array_equal(one, wanted[[0, 0, 0]])
    sample.draw(tmp_path / "generator", 1030, tmp_path / "samples.npz", seed=4)
    with np.load(tmp_path / "samples.npz") as file:
        np.testing.assert_allclose(file["x"], rows, atol=1e-6)
        np.testing.assert_array_equal(file["y"], drawn)
        assert file["y"].dtype == dtype
    assert draw_samples(gan, 5)[1] is None
    card = export.read_card(tmp_path / "generator")["generator"]
    assert (card["condition_shape"], card["condition_dtype"]) == ([DIM], dtype)
    assert (card["num_classes"], card["label_probabilities"]) == (None, None)


def test_one_hot_labels_are_conditions():
    gan = make_gan(condition_prior=np.eye(DIM))
    x, y = make_data()
    gan.fit(x, np.eye(DIM)[y.argmax(1)], batch_size=40, epochs=1, verbose=0)
    assert set(np.unique(gan.sample(20)[1])) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"condition_prior": None}, "`condition_prior` must be an array of public"),
        (
            {"condition_prior": np.zeros((5, 3))},
            r"of shape \(m, 2\).*Received: .*\(5, 3",
        ),
        ({"condition_prior": np.full((5, 2), np.nan)}, "finite numbers"),
        ({"condition_prior": np.zeros((0, 2))}, "m of at least 1"),
        (
            {"label_prior": [0.5, 0.5]},
            "`label_prior` must be None, because the generator takes c",
        ),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_gan(**arguments)


def test_a_condition_prior_goes_with_vectors_alone():
    with pytest.raises(
        ValueError, match="`condition_prior` must be None.*takes labels"
    ):
        helpers.make_gan(condition_prior=make_prior())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "`y` must hold one condition for each record: finite numbers of shape"),
        (np.zeros((120, 3)), r"Received: y of shape \('?n'?, 3\)"),
        (np.zeros(120, np.int32), "Received: y of shape"),
        (np.full((120, DIM), np.inf), "`y` must be finite"),
    ],
)
def test_records_without_fitting_conditions_are_refused(y, message):
    gan = make_gan()
    with pytest.raises(ValueError, match=message):
        gan.fit(make_data()[0], y, verbose=0)
    assert gan.num_discriminator_updates == 0


def test_the_conditions_of_records_are_no_public_prior():
    x, y = make_data()
    gan = make_gan(condition_prior=y)
    with pytest.raises(ValueError, match="`condition_prior` must be public"):
        gan.fit(x, y, verbose=0)
    assert gan.num_discriminator_updates == 0


def test_without_a_prior_conditions_have_to_be_given():
    gan = DPGAN(*make_networks())
    with pytest.raises(ValueError, match="there is no public prior to draw them from"):
        gan.sample(3)
    assert gan.sample(3, make_prior()[:3])[0].shape == (3, *helpers.SHAPE)
    with pytest.raises(ValueError, match="`labels` must be the conditions of the rows"):
        gan.sample(3, make_prior()[:2])


def test_num_classes_with_a_vector_names_both_ways():
    with pytest.raises(ValueError, match="OneHotLabels.*condition_prior"):
        DPGAN(*make_networks(), num_classes=DIM)


class Subclassed(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.dense = keras.layers.Dense(units)

    def call(self, inputs):
        return self.dense(keras.ops.concatenate(inputs, axis=-1))


def test_a_subclassed_model_is_told_its_condition():
    networks = Subclassed(1), Subclassed(helpers.SHAPE[0])
    gan = DPGAN(*networks, latent_dim=3, condition_shape=(DIM,))
    gan.compile(**helpers.compile_defaults(), condition_prior=make_prior())
    gan.fit(*make_data(), batch_size=40, epochs=1, verbose=0)
    assert gan.sample(4)[1].shape == (4, DIM)


def test_records_that_stay_with_their_owners_have_no_vectors():
    class Owners(RemoteRecords):
        def clipped_sums(self, number, weights, pool, l2_norm_clip):
            raise AssertionError("No owner is asked.")

    records = Owners(helpers.SHAPE, None, 100, 0.1)
    gan = make_gan()
    with pytest.raises(ValueError, match=r"one label each, or none.*shape \(2,\)"):
        gan.fit(records, verbose=0)
    assert gan.num_discriminator_updates == 0
