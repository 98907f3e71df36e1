import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import losses

NAMES = ["minimax", "non_saturating", "wasserstein", "hinge", "least_squares"]
REAL = np.array([-2.0, 0.0, 0.5, 3.0], np.float32)
FAKE = np.array([1.0, -1.0, 0.0, 2.0], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


CLOSED_FORMS = {
    "minimax": (
        -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)),
        np.log(1 - sigmoid(FAKE)),
    ),
    "non_saturating": (
        -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)),
        -np.log(sigmoid(FAKE)),
    ),
    "wasserstein": (FAKE - REAL, -FAKE),
    "hinge": (np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
    "least_squares": (0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2, 0.5 * (FAKE - 1) ** 2),
}


def network(activation):
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1, activation=activation)(inputs)
    return keras.Model(inputs, keras.layers.Reshape((1,))(outputs))


@pytest.mark.parametrize("name", NAMES)
def test_each_pair_has_its_closed_form_per_record(name):
    loss = losses.resolve(losses.get(name), network(None))
    discriminator, generator = CLOSED_FORMS[name]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
    np.testing.assert_allclose(loss.generator(FAKE), generator, rtol=1e-5)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_probabilities_and_logits_give_the_same_loss(name):
    logits = losses.resolve(losses.get(name), network(None))
    probabilities = losses.resolve(losses.get(name), network("sigmoid"))
    np.testing.assert_allclose(
        logits.discriminator(REAL, FAKE),
        probabilities.discriminator(sigmoid(REAL), sigmoid(FAKE)),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        logits.generator(FAKE), probabilities.generator(sigmoid(FAKE)), rtol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_discriminator_prefers_real_above_fake_and_the_generator_the_reverse(name):
    loss = losses.resolve(losses.get(name), network(None))
    high, low = tf.constant([0.9]), tf.constant([-0.9])
    assert loss.discriminator(high, low) < loss.discriminator(low, high)
    assert loss.generator(high) < loss.generator(low)


@pytest.mark.parametrize("name", ["wasserstein", "hinge", "least_squares"])
def test_a_sigmoid_under_a_loss_of_raw_scores_is_refused(name):
    with pytest.raises(ValueError, match="sigmoid"):
        losses.resolve(losses.get(name), network("sigmoid"))


def test_from_logits_that_contradicts_the_model_is_refused():
    with pytest.raises(ValueError, match="from_logits=False"):
        losses.resolve(losses.Minimax(from_logits=True), network("sigmoid"))
    with pytest.raises(ValueError, match="from_logits=True"):
        losses.resolve(losses.Minimax(from_logits=False), network(None))


def test_what_cannot_be_read_off_the_model_is_asked_for():
    class Opaque(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="from_logits=True"):
        losses.resolve(losses.get("minimax"), Opaque())
    assert losses.resolve(losses.Minimax(from_logits=True), Opaque()).from_logits


def test_probabilities_at_the_ends_stay_finite():
    loss = losses.NonSaturating(from_logits=False)
    ends = tf.constant([0.0, 1.0])
    assert np.all(np.isfinite(loss.discriminator(ends, ends)))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="least_squares"):
        losses.get("wgan")


@pytest.mark.parametrize("name", NAMES)
def test_losses_round_trip_through_keras_serialization(name):
    loss = losses.get(name)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
