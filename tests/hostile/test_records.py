"""Records and labels at the limits of their types."""

import helpers
import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile.damage import SETTINGS

from keras_dpgan import clipping
from keras_dpgan import losses
from keras_dpgan.gan.networks import scores_and_penalty
from keras_dpgan.losses.gradient_penalty import GradientPenalty

CLIP = 0.5
WIDTH = 3
HOSTILE = [0.0, 1.0, 1e-45, -1e-39, 1e19, -1e30, 1e38, -3.4e38, np.inf, np.nan]
LABELS = [0, 2**31, -(2**31) - 1, 2**32, 2**63 - 1, -(2**63)]


@pytest.fixture(scope="module")
def discriminator():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(4, activation="leaky_relu"),
            keras.layers.Dense(1),
        ]
    )


def clipped_sum(engine, discriminator, penalty, rows):
    records = {
        "real": tf.constant(rows, tf.float32),
        "fake": tf.zeros((len(rows), WIDTH)),
        "mixing": tf.fill((len(rows),), 0.5),
    }

    def loss_fn(batch):
        real, fake, penalties = scores_and_penalty(
            discriminator, batch["real"], batch["fake"], None, batch["mixing"], penalty
        )
        return losses.Wasserstein().discriminator(real, fake) + penalties

    variables = discriminator.trainable_variables
    sums = clipping.get_engine(engine)(loss_fn, variables, records, CLIP).sums
    return np.concatenate([np.ravel(s) for s in sums]).astype(np.float64)


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
@pytest.mark.parametrize("penalty", [None, GradientPenalty(10.0)])
@hypothesis.settings(SETTINGS, max_examples=8)
@hypothesis.given(
    rows=st.lists(
        st.lists(st.sampled_from(HOSTILE), min_size=WIDTH, max_size=WIDTH),
        min_size=2,
        max_size=4,
    )
)
def test_no_record_moves_the_sum_by_more_than_the_clip(
    discriminator, engine, penalty, rows
):
    rows = np.array(rows, np.float32)
    everyone = clipped_sum(engine, discriminator, penalty, rows)
    without = clipped_sum(engine, discriminator, penalty, rows[1:])
    assert np.all(np.isfinite(everyone))
    assert np.linalg.norm(everyone - without) <= CLIP * (1 + 1e-6)


class Batches(keras.utils.PyDataset):
    """Data of which the first batch, which is checked, is sound."""

    def __init__(self, values, labels):
        super().__init__()
        self.x, self.y = helpers.make_data(12)
        self.x[: len(values)] = np.array(values, np.float32)[:, None]
        self.y = self.y.astype(np.int64)
        self.y[: len(labels)] = labels

    def __len__(self):
        return 4

    def __getitem__(self, index):
        x, y = helpers.make_data(12)
        return (self.x, self.y) if index else (x, y.astype(np.int64))


def test_a_run_on_hostile_batches_ends_with_finite_weights_and_counts_them():
    gan = helpers.make_gan(gradient_penalty=1.0)
    gan.fit(Batches(HOSTILE, LABELS), expected_batch_size=12, verbose=0)
    assert gan.num_discriminator_updates == 4
    assert all(np.all(np.isfinite(weight)) for weight in gan.get_weights())


def weights_after(seen):
    """The discriminator after a batch that was looked at, and one that was not."""
    keras.utils.set_random_seed(0)
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(0.0, insecure_noise_seed=0),
        gradient_penalty=1.0,
        discriminator_steps=10**6,
    )
    batches = tf.data.Dataset.from_generator(
        lambda: iter(seen),
        output_signature=(
            tf.TensorSpec((None, *helpers.SHAPE), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        ),
    )
    batches = batches.apply(tf.data.experimental.assert_cardinality(len(seen)))
    gan.fit(batches, expected_batch_size=12, verbose=0)
    return helpers.weights_of(gan.discriminator)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_later_record_that_is_not_finite_counts_as_absent(bad):
    x, y = helpers.make_data(12)
    broken, absent = x.copy(), y.copy()
    broken[7:, 3], absent[7:] = bad, -1
    found = weights_after([(x, y), (broken, y)])
    expected = weights_after([(x, y), (x, absent)])
    for weight, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)


@pytest.mark.parametrize("value", [1e38, -3.4e38, np.inf, -np.inf, np.nan])
def test_values_beyond_the_range_are_refused_before_any_update(value):
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    x[7, 3] = value
    with pytest.raises(ValueError, match="`x` must"):
        gan.fit(x, y, batch_size=12, verbose=0)
    assert gan.num_discriminator_updates == 0


@pytest.mark.parametrize("label", LABELS[1:])
def test_labels_at_the_limits_of_their_type_are_refused(label):
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    y = y.astype(np.int64)
    y[7] = label
    with pytest.raises(ValueError, match="`y` must lie in"):
        gan.fit(x, y, batch_size=12, verbose=0)
    assert gan.num_discriminator_updates == 0
