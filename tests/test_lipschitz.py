import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.gan.networks import scores_and_penalty
from keras_dpgan.losses.gradient_penalty import GradientPenalty
from keras_dpgan.losses.weight_clipping import WeightClipping


def linear_discriminator(slope):
    """Its gradient by the input is `slope` everywhere."""
    return lambda rows, training: tf.linalg.matvec(rows, tf.constant(slope))[:, None]


def penalties_of(penalty, slope=(3.0, 4.0), n=3):
    rng = np.random.default_rng(0)
    real, fake = (tf.constant(rng.normal(size=(n, 2)), tf.float32) for _ in range(2))
    mixing = tf.constant(rng.uniform(size=n), tf.float32)
    scores = scores_and_penalty(
        linear_discriminator(slope), real, fake, None, mixing, penalty
    )
    np.testing.assert_allclose(scores[0], real.numpy() @ np.array(slope), rtol=1e-4)
    np.testing.assert_allclose(scores[1], fake.numpy() @ np.array(slope), rtol=1e-4)
    return scores[2].numpy()


def test_the_penalty_of_a_known_slope():
    np.testing.assert_allclose(penalties_of(GradientPenalty(10.0)), 160.0, rtol=1e-5)


def test_the_target_and_the_weight_enter():
    penalty = GradientPenalty(weight=2.0, target=4.0)
    np.testing.assert_allclose(penalties_of(penalty), 2.0, rtol=1e-4)


def test_one_sided_leaves_small_slopes_alone():
    small = (0.3, 0.4)
    one_sided = GradientPenalty(10.0, one_sided=True)
    assert not np.any(penalties_of(one_sided, small))
    np.testing.assert_allclose(
        penalties_of(GradientPenalty(10.0), small), 2.5, rtol=1e-4
    )


def test_both_kinds_of_points_add_up():
    both = penalties_of(GradientPenalty(10.0, on="both"))
    np.testing.assert_allclose(both, 320.0, rtol=1e-5)


def test_points_lie_where_they_should():
    real, fake = tf.zeros((2, 3, 1)), tf.ones((2, 3, 1))
    mixing = tf.constant([0.25, 1.0])
    (points,) = GradientPenalty().points(real, fake, mixing)
    np.testing.assert_allclose(points[:, 0, 0], [0.25, 1.0])
    (points,) = GradientPenalty(on="fakes").points(real, fake, mixing)
    np.testing.assert_allclose(points, fake)


def test_a_slope_of_zero_has_a_finite_derivative():
    weight = tf.Variable([0.0, 0.0])
    with tf.GradientTape() as tape:
        penalty = GradientPenalty()(weight[None])
    assert np.all(np.isfinite(tape.gradient(penalty, weight)))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"weight": -1}, "weight"), ({"target": -1}, "target"), ({"on": "reals"}, "on")],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        GradientPenalty(**arguments)


def test_weight_clipping_is_a_keras_constraint():
    constraint = WeightClipping(0.1)
    np.testing.assert_allclose(
        constraint(np.array([-3.0, 0.05, 2.0])), [-0.1, 0.05, 0.1]
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(constraint)
    )
    assert copy.limit == 0.1
    with pytest.raises(ValueError, match="limit"):
        WeightClipping(0.0)
