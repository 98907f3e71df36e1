import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import clipping
from keras_dpgan import losses
from keras_dpgan.clipping.tf_privacy_reference import tf_privacy_reference
from keras_dpgan.gan.networks import scores_and_penalty
from keras_dpgan.losses.gradient_penalty import GradientPenalty
from keras_dpgan.mechanisms import tf_privacy

needs_tf_privacy = pytest.mark.skipif(
    not tf_privacy.is_available(), reason="needs TensorFlow Privacy"
)

CLIP = 0.5

# What the ghost engine says of weights outside a layer.
pytestmark = pytest.mark.filterwarnings("ignore:Gradients are computed record")


@pytest.fixture(params=["vectorized", "ghost"])
def engine(request):
    return clipping.get_engine(request.param)


def make_discriminator(activation="tanh"):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, strides=2, activation=activation),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            keras.layers.LeakyReLU(),
            keras.layers.Dense(1),
        ]
    )


def make_records(n, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n, 6, 6, 1)
    return {
        "real": tf.constant(rng.normal(size=shape), tf.float32),
        "fake": tf.constant(rng.normal(size=shape), tf.float32),
        "mixing": tf.constant(rng.uniform(size=n), tf.float32),
    }


def record_losses(discriminator, penalty):
    def loss_fn(records):
        real, fake, penalties = scores_and_penalty(
            discriminator,
            records["real"],
            records["fake"],
            None,
            records["mixing"],
            penalty,
        )
        return losses.Wasserstein().discriminator(real, fake) + penalties

    return loss_fn


def rows(records, indices):
    return tf.nest.map_structure(lambda t: tf.gather(t, indices), records)


def looped_gradients(loss_fn, variables, records):
    """Each record's gradient, from a loop over single records."""
    result = []
    for i in range(len(records["mixing"])):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(loss_fn(rows(records, [i])))
        result.append([np.asarray(g) for g in tape.gradient(loss, variables)])
    return result


def joint_norm(tensors):
    return np.sqrt(sum(np.sum(np.square(np.asarray(t, np.float64))) for t in tensors))


@pytest.mark.parametrize(
    "penalty", [None, GradientPenalty(10.0), GradientPenalty(3.0, on="both")]
)
def test_clipped_sum_equals_a_loop_over_single_records(engine, penalty):
    discriminator = make_discriminator()
    records = make_records(7)
    loss_fn = record_losses(discriminator, penalty)
    variables = discriminator.trainable_variables
    clipped = engine(loss_fn, variables, records, CLIP)
    looped = looped_gradients(loss_fn, variables, records)
    factors = [min(1.0, CLIP / joint_norm(g)) for g in looped]
    for j, total in enumerate(clipped.sums):
        expected = sum(f * g[j] for f, g in zip(factors, looped, strict=True))
        np.testing.assert_allclose(total, expected, rtol=2e-4, atol=1e-5)
    assert int(clipped.num_records) == 7
    assert int(clipped.num_unclipped) == sum(f == 1.0 for f in factors)


def test_a_hand_computed_clip(engine):
    weight = keras.Variable(np.zeros(2, np.float32))
    records = {"x": tf.constant([[3.0, 4.0], [0.3, 0.4]])}

    def loss_fn(batch):
        return tf.linalg.matvec(batch["x"], weight.value)

    clipped = engine(loss_fn, [weight], records, 1.0)
    # (3, 4) has norm 5 and is scaled by 1/5; (0.3, 0.4) has norm 1/2 and is kept.
    np.testing.assert_allclose(clipped.sums[0], [0.6 + 0.3, 0.8 + 0.4], rtol=2e-5)
    assert int(clipped.num_unclipped) == 1


def test_no_record_is_above_the_clip(engine):
    discriminator = make_discriminator()
    records = make_records(20, seed=3)
    loss_fn = record_losses(discriminator, GradientPenalty(100.0))
    for i in range(20):
        one = engine(
            loss_fn, discriminator.trainable_variables, rows(records, [i]), CLIP
        )
        assert joint_norm(one.sums) <= CLIP


def test_an_infinite_clip_gives_the_gradient_of_the_summed_loss(engine):
    discriminator = make_discriminator()
    records = make_records(5)
    loss_fn = record_losses(discriminator, GradientPenalty(10.0))
    variables = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss_fn(records))
    plain = tape.gradient(total, variables)
    clipped = engine(loss_fn, variables, records, 1e9)
    for a, b in zip(clipped.sums, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_a_record_that_is_not_finite_counts_as_zero(engine, bad):
    discriminator = make_discriminator("relu")
    records = make_records(4)
    loss_fn = record_losses(discriminator, GradientPenalty(10.0))
    variables = discriminator.trainable_variables
    hostile = records["real"].numpy()
    hostile[2] = bad
    with_bad = engine(loss_fn, variables, {**records, "real": hostile}, CLIP)
    without = engine(loss_fn, variables, rows(records, [0, 1, 3]), CLIP)
    for a, b in zip(with_bad.sums, without.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_no_records_give_zero_sums_in_a_traced_function(engine):
    discriminator = make_discriminator()
    variables = discriminator.trainable_variables

    @tf.function(
        input_signature=[
            {
                "real": tf.TensorSpec((None, 6, 6, 1)),
                "fake": tf.TensorSpec((None, 6, 6, 1)),
                "mixing": tf.TensorSpec((None,)),
            }
        ]
    )
    def clipped(records):
        return engine(record_losses(discriminator, None), variables, records, CLIP)

    empty = clipped(make_records(0))
    assert all(not np.any(s) for s in empty.sums)
    assert int(empty.num_records) == 0
    assert int(clipped(make_records(3)).num_records) == 3


def test_masked_records_count_as_absent(engine):
    discriminator = make_discriminator()
    records = make_records(5)
    loss_fn = record_losses(discriminator, None)
    variables = discriminator.trainable_variables
    mask = tf.constant([True, False, True, True, False])
    masked = engine(loss_fn, variables, records, CLIP, mask)
    chosen = engine(loss_fn, variables, rows(records, [0, 2, 3]), CLIP)
    for a, b in zip(masked.sums, chosen.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert int(masked.num_records) == 3


def test_each_record_has_its_own_dropout_mask(engine):
    dropout = keras.layers.Dropout(0.5)
    weight = keras.Variable(np.ones(64, np.float32))
    same = {"x": tf.ones((6, 64))}
    seen = []

    def loss_fn(batch):
        return tf.reduce_sum(dropout(batch["x"], training=True) * weight.value, 1)

    for _i in range(2):
        clipped = engine(loss_fn, [weight], same, 1e9)
        seen.append(clipped.sums[0].numpy())
    # Six equal masks would make each entry 0 or 12.
    assert len(np.unique(seen[0])) > 2
    assert not np.array_equal(*seen)


@needs_tf_privacy
@pytest.mark.parametrize("penalty", [None, GradientPenalty(10.0)])
def test_clipped_sum_equals_tf_privacys_own(engine, penalty):
    discriminator = make_discriminator()
    records = make_records(6)
    loss_fn = record_losses(discriminator, penalty)
    variables = discriminator.trainable_variables
    ours = engine(loss_fn, variables, records, CLIP)
    theirs = tf_privacy_reference(loss_fn, variables, records, CLIP)
    for a, b in zip(ours.sums, theirs.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert int(ours.num_unclipped) == int(theirs.num_unclipped)


@pytest.mark.parametrize("name", ["vectorized", "ghost"])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_physical_batch_size_changes_memory_and_nothing_else(name, size):
    discriminator = make_discriminator()
    loss_fn = record_losses(discriminator, GradientPenalty(10.0))
    variables = discriminator.trainable_variables
    by_parts = clipping.get_engine(name, size)
    mask = tf.constant([True, False, True, True, True, False, True])
    for n in (7, 0):
        arguments = loss_fn, variables, make_records(n), CLIP, mask[:n]
        whole = clipping.get_engine(name)(*arguments)
        parts = by_parts(*arguments)
        for a, b in zip(parts.sums, whole.sums, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert [int(c) for c in parts[1:]] == [int(c) for c in whole[1:]]


def test_auto_is_ghost():
    assert clipping.get_engine("auto") is clipping.ghost
