import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import optimizers
from keras_dpgan.clipping import ClippedSum


def noise_of_two_updates(seed):
    variable = keras.Variable(np.zeros(50, np.float32))
    optimizer = optimizers.DPKerasSGDOptimizer(1.0, 1.0, insecure_noise_seed=seed)
    for _ in range(2):
        zero = ClippedSum([tf.zeros(50)], tf.constant(0), tf.constant(0))
        optimizer.apply_clipped_sum(zero, [variable], 1.0)
    return variable.numpy()


def test_the_same_seed_repeats_the_noise_and_another_does_not():
    noise = noise_of_two_updates(5)
    assert np.array_equal(noise, noise_of_two_updates(5))
    assert not np.array_equal(noise, noise_of_two_updates(6))
    assert not np.array_equal(noise, noise_of_two_updates(None))


@pytest.mark.parametrize("seed", [5, None])
def test_history_and_the_first_line_of_the_statement_say_so(seed):
    gan = helpers.make_gan(
        d_optimizer=optimizers.DPKerasSGDOptimizer(1.0, 1.0, insecure_noise_seed=seed)
    )
    gan.fit(*helpers.make_data(40), batch_size=10, epochs=1, verbose=0)
    (entry,) = gan.privacy_history.entries
    assert entry.insecure_noise == (seed is not None)
    first_line = str(gan.privacy_statement(delta=1e-3)).splitlines()[0]
    assert ("INSECURE NOISE" in first_line) == (seed is not None)


def test_a_seed_is_never_saved():
    optimizer = optimizers.DPKerasSGDOptimizer(1.0, 1.0, insecure_noise_seed=987654)
    assert "987654" not in str(keras.saving.serialize_keras_object(optimizer))
    assert optimizer.has_insecure_noise
    copy = type(optimizer).from_config(optimizer.get_config())
    assert not copy.has_insecure_noise


def test_a_seed_that_is_no_integer_is_refused():
    with pytest.raises(ValueError, match="insecure_noise_seed"):
        optimizers.DPKerasSGDOptimizer(1.0, 1.0, insecure_noise_seed=0.5)
