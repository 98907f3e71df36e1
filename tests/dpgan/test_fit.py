"""`fit` as a Keras user knows it, and what it refuses."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import clipping
from keras_dpgan import losses
from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset
from keras_dpgan.mechanisms import tf_privacy


def test_an_epoch_of_arrays_is_one_over_q_updates_and_logs_public_numbers():
    gan = helpers.make_gan()
    history = gan.fit(*helpers.make_data(), batch_size=12, epochs=3, verbose=0).history
    assert gan.num_discriminator_updates == 30
    assert set(history) == {"g_loss", "d_loss_fake", "epsilon"}
    assert history["epsilon"] == sorted(history["epsilon"])
    assert int(gan.g_optimizer.iterations) == 10


def test_the_logged_epsilon_is_the_accountants_upper_bound():
    gan = helpers.make_gan()
    history = gan.fit(*helpers.make_data(), batch_size=12, epochs=2, verbose=0).history
    rdp = gan.epsilon(accountant="rdp")
    assert history["epsilon"][-1] == pytest.approx(rdp, rel=1e-5)
    assert gan.epsilon() <= rdp


def test_epsilon_is_that_of_the_updates_and_nothing_else():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, epochs=2, verbose=0)
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.1, count=20
    )
    expected = privacy.epsilon(privacy.PrivacyHistory([entry]), 1e-5)
    assert gan.epsilon(1e-5) == expected


@pytest.mark.parametrize("steps_per_execution", [1, 4])
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_updates_are_counted_in_the_graph_and_stop_at_their_limit(
    steps_per_execution, run_eagerly
):
    if run_eagerly and steps_per_execution > 1:
        pytest.skip("Keras ignores steps_per_execution in eager mode")
    gan = helpers.make_gan(
        steps_per_execution=steps_per_execution, run_eagerly=run_eagerly
    )
    gan.max_discriminator_updates = 5
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 5
    assert int(gan.d_optimizer.iterations) == 5


@pytest.mark.parametrize(
    "engine",
    [
        "ghost",
        "vectorized",
        pytest.param(
            "tf_privacy",
            marks=pytest.mark.skipif(
                not tf_privacy.is_available(), reason="needs TensorFlow Privacy"
            ),
        ),
    ],
)
def test_every_engine_trains(engine):
    gan = helpers.make_gan(engine=engine, gradient_penalty=10.0)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, steps_per_epoch=2, verbose=0)
    assert gan.num_discriminator_updates == 2


@pytest.mark.parametrize(
    "loss", ["minimax", "non_saturating", "hinge", "least_squares"]
)
def test_every_loss_trains(loss):
    gan = helpers.make_gan(loss=loss)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert all(np.all(np.isfinite(w)) for w in gan.get_weights())


def test_an_unconditional_model_trains_and_samples():
    gan = helpers.make_gan(num_classes=None)
    x, _ = helpers.make_data()
    gan.fit(x, batch_size=12, epochs=1, verbose=0)
    assert gan.sample(7).shape == (7, *helpers.SHAPE)


@pytest.mark.slow
def test_jit_compile_trains_with_batches_padded_to_one_shape():
    gan = helpers.make_gan(jit_compile=True, gradient_penalty=10.0)
    assert gan.training_step.engine is clipping.ghost
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 10


def test_validation_and_evaluation_look_at_no_record():
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    history = gan.fit(
        x, y, batch_size=12, epochs=1, validation_data=(x * np.nan, y), verbose=0
    ).history
    assert {"val_g_loss", "val_d_loss_fake"} < set(history)
    assert np.isfinite(history["val_g_loss"][0])
    assert set(gan.evaluate(verbose=0, return_dict=True)) == {"g_loss", "d_loss_fake"}


def test_samples_repeat_with_a_seed_and_differ_without():
    gan = helpers.make_gan()
    (a, labels), (b, _), (c, _) = (
        gan.sample(5, seed=1),
        gan.sample(5, seed=1),
        gan.sample(5),
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert a.shape == (5, *helpers.SHAPE)
    assert labels.dtype == np.int32
    assert gan.sample(3, labels=2)[1].tolist() == [2, 2, 2]
    assert gan.sample(0)[0].shape == (0, *helpers.SHAPE)


def test_a_label_prior_is_where_generated_labels_come_from():
    gan = helpers.make_gan(label_prior=[0, 3, 1])
    _, labels = gan.sample(2000, seed=0)
    np.testing.assert_allclose(
        np.bincount(labels, minlength=3) / 2000, [0, 0.75, 0.25], atol=0.05
    )


def test_data_that_is_not_poisson_trains_with_the_honest_history():
    gan = helpers.make_gan()
    dataset = tf.data.Dataset.from_tensor_slices(helpers.make_data())
    gan.fit(dataset.batch(12, drop_remainder=True), verbose=0, max_participations=1)
    (entry,) = gan.privacy_history.entries
    assert entry.sampling_probability is None
    assert entry.max_participations == 1
    gan.fit(dataset.batch(12, drop_remainder=True), verbose=0)
    assert gan.privacy_history.entries[-1].max_participations is None
    assert gan.privacy_history.relation == "replace_with_null"


def test_the_batch_size_of_other_data_must_be_public():
    gan = helpers.make_gan()
    dataset = tf.data.Dataset.from_tensor_slices(helpers.make_data()).batch(12)
    with pytest.raises(ValueError, match="expected_batch_size"):
        gan.fit(dataset, verbose=0)


def test_a_seeded_draw_is_in_the_history():
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    gan.fit(PoissonDataset(x, y, expected_batch_size=12, seed=0), verbose=0)
    assert gan.privacy_history.entries[0].seeded_sampling


def test_mixed_precision_keeps_norms_and_noise_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = helpers.make_gan(gradient_penalty=10.0)
        gan.fit(*helpers.make_data(), batch_size=12, epochs=2, verbose=0)
        assert isinstance(gan.g_optimizer, keras.optimizers.LossScaleOptimizer)
        assert all(np.all(np.isfinite(w)) for w in gan.get_weights())
        assert gan.num_discriminator_updates == int(gan.d_optimizer.iterations) == 20
    finally:
        keras.config.set_dtype_policy(before)


def x_y(**changes):
    x, y = helpers.make_data()
    return {"x": x, "y": y, "batch_size": 12, **changes}


def with_value(value):
    x, _ = helpers.make_data()
    x[3, 2] = value
    return x


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"x": with_value(np.nan)}, "x"),
        ({"x": with_value(7.0)}, "x"),
        ({"x": np.zeros((120, 5), np.float32)}, "x"),
        ({"x": np.zeros((0, 6), np.float32), "y": np.zeros(0, np.int32)}, "x"),
        ({"y": None}, "y"),
        ({"y": np.full(120, 3)}, "y"),
        ({"y": np.zeros(119, np.int32)}, "y"),
        ({"batch_size": 121}, "batch_size"),
        ({"max_participations": 1}, "max_participations"),
        ({"expected_batch_size": 12.0}, "expected_batch_size"),
    ],
)
def test_bad_data_is_refused_before_any_update(arguments, name):
    gan = helpers.make_gan()
    before = helpers.weights_of(gan)
    with pytest.raises(ValueError, match=f"`{name}`|`expected_{name}`"):
        gan.fit(**x_y(**arguments), verbose=0)
    assert helpers.same(before, helpers.weights_of(gan))


def discriminator_with(layer):
    return keras.Sequential(
        [
            keras.Input(helpers.SHAPE),
            keras.layers.Dense(4),
            layer,
            keras.layers.Dense(1),
        ]
    )


@pytest.mark.parametrize(
    ("layer", "remedy"),
    [
        (keras.layers.BatchNormalization(), "GroupNormalization"),
        (keras.layers.SpectralNormalization(keras.layers.Dense(4)), "gradient_penalty"),
        (keras.layers.Normalization(), "mean"),
        (keras.layers.Dense(4, kernel_regularizer="l2"), "weight_decay"),
        (keras.layers.Dense(4, activity_regularizer="l2"), "weight_decay"),
    ],
)
def test_a_discriminator_that_cannot_be_private_is_refused_with_the_remedy(
    layer, remedy
):
    gan = DPGAN(discriminator_with(layer), helpers.make_generator(None))
    with pytest.raises(ValueError, match=remedy):
        gan.compile(**helpers.compile_defaults())
    defaults = helpers.compile_defaults()
    defaults["d_optimizer"] = keras.optimizers.SGD()
    gan.compile(**defaults, private=False)


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        wrong = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
        DPGAN(wrong, helpers.make_generator(None))
    with pytest.raises(ValueError, match="one score per row"):
        wrong = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
        DPGAN(wrong, helpers.make_generator(None))
    with pytest.raises(ValueError, match="latent_dim"):
        DPGAN(helpers.make_discriminator(), helpers.make_generator(), latent_dim=9)
    with pytest.raises(ValueError, match="num_classes"):
        DPGAN(helpers.make_discriminator(), helpers.make_generator(), num_classes=9)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"d_optimizer": keras.optimizers.Adam()}, "private=False"),
        ({"private": False}, "plain Keras optimizer"),
        ({"g_optimizer": helpers.make_d_optimizer()}, "g_optimizer"),
        ({"g_optimizer": "madam"}, "g_optimizer"),
        ({"gradient_penalty": 1.0, "weight_clip": 0.1}, "not both"),
        ({"discriminator_steps": 0}, "discriminator_steps"),
        ({"loss": "wgan"}, "loss"),
        ({"engine": "fast"}, "engine"),
        ({"label_prior": [1, 2]}, "label_prior"),
        ({"physical_batch_size": 0}, "physical_batch_size"),
    ],
)
def test_a_compile_that_does_not_add_up_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        helpers.make_gan(**changes)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n": -1}, "`n`"),
        ({"n": 2, "labels": [0, 3]}, "labels"),
        ({"n": 2, "labels": [0]}, "labels"),
        ({"n": 2, "labels": [0.0, 1.0]}, "labels"),
    ],
)
def test_bad_samples_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        helpers.make_gan().sample(**arguments)


def test_a_loss_object_of_the_users_own():
    class Squares(losses.AdversarialLoss):
        def on_real(self, scores):
            return tf.square(scores - 1.0)

        def on_fake(self, scores):
            return tf.square(scores + 1.0)

        def generator(self, fake_scores):
            return tf.square(fake_scores)

    gan = helpers.make_gan(loss=Squares())
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 10


def test_the_default_delta_is_the_largest_power_of_ten_below_one_over_n():
    from keras_dpgan.gan.privacy_methods import default_delta

    assert default_delta(60000) == pytest.approx(1e-5)
    assert default_delta(1797) == pytest.approx(1e-4)
    assert default_delta(None) == 1e-5


def test_the_statement_says_what_was_done():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    statement = gan.privacy_statement(delta=1e-5, max_records_per_person=2)
    assert statement.epsilon == gan.epsilon(1e-5)
    assert statement.to_dict()["num_examples"] == 120
    assert statement.group_epsilon > statement.epsilon
    assert "add" in str(statement)


def test_the_statement_of_training_without_privacy_promises_nothing():
    gan = helpers.make_gan(d_optimizer=keras.optimizers.SGD(), private=False)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert not gan.privacy_statement().has_guarantee


def test_updates_per_epoch_can_be_chosen():
    gan = helpers.make_gan()
    gan.fit(
        *helpers.make_data(), batch_size=12, steps_per_epoch=23, epochs=2, verbose=0
    )
    assert gan.num_discriminator_updates == 46
    assert gan.privacy_history.entries[0].sampling_probability == 0.1


def test_a_physical_batch_size_trains_in_graphs():
    gan = helpers.make_gan(physical_batch_size=5)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 10


def test_a_strategy_that_was_never_held_against_the_guarantee_is_refused():
    with tf.distribute.experimental.CentralStorageStrategy().scope():
        with pytest.raises(ValueError, match="Received: CentralStorageStrategy"):
            helpers.make_gan()
