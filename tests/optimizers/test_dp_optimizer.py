import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import optimizers
from keras_dpgan.clipping import ClippedSum
from keras_dpgan.optimizers import DPOptimizer

CLIP = 0.7
NOISE_MULTIPLIER = 1.3


def make_variables(size=4000):
    return [
        keras.Variable(np.zeros(size, np.float32)),
        keras.Variable(np.zeros((3, 2), np.float32)),
    ]


def clipped_sum_of(values):
    sums = [tf.convert_to_tensor(v, tf.float32) for v in values]
    return ClippedSum(sums, tf.constant(8), tf.constant(3))


def zero_sum(variables):
    return clipped_sum_of([np.zeros(v.shape) for v in variables])


def one_noisy_step(noise_multiplier=NOISE_MULTIPLIER, expected_batch_size=16.0):
    """The noise of one update in units of what it should be, as an array."""
    variables = make_variables()
    optimizer = optimizers.DPKerasSGDOptimizer(
        l2_norm_clip=CLIP, noise_multiplier=noise_multiplier, learning_rate=1.0
    )
    optimizer.apply_clipped_sum(zero_sum(variables), variables, expected_batch_size)
    scale = NOISE_MULTIPLIER * CLIP / expected_batch_size
    return np.concatenate([np.ravel(v.numpy()) for v in variables]) / scale


def is_standard_normal(noise):
    """A two-sided test of the scale that fails once in a million when it holds."""
    n = len(noise)
    return abs(np.mean(noise**2) - 1) < 5 * np.sqrt(2 / n) and abs(
        np.mean(noise)
    ) < 5 / np.sqrt(n)


def test_noise_has_the_scale_of_multiplier_times_clip_over_expected_batch():
    assert is_standard_normal(one_noisy_step())


@pytest.mark.parametrize("factor", [2 / 3, 3 / 2])
def test_the_noise_test_rejects_a_wrong_scale(factor):
    assert not is_standard_normal(one_noisy_step(NOISE_MULTIPLIER * factor))


def test_each_update_draws_fresh_noise_inside_a_traced_function():
    variables = make_variables()
    optimizer = optimizers.DPKerasSGDOptimizer(CLIP, 1.0, learning_rate=1.0)
    optimizer.build(variables)

    @tf.function
    def step():
        optimizer.apply_clipped_sum(zero_sum(variables), variables, 1.0)

    step()
    first = variables[0].numpy()
    step()
    second = variables[0].numpy() - first
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert not np.array_equal(first, second)


def test_noise_is_out_of_reach_of_the_users_seed():
    keras.utils.set_random_seed(0)
    first = one_noisy_step()
    keras.utils.set_random_seed(0)
    assert not np.array_equal(first, one_noisy_step())


def test_zero_noise_equals_the_plain_keras_optimizer():
    rng = np.random.default_rng(0)
    for inner in (
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.Adam(0.01, beta_1=0.5),
        keras.optimizers.Lion(0.01, weight_decay=0.1),
    ):
        private, plain = make_variables(50), make_variables(50)
        dp = DPOptimizer(
            type(inner).from_config(inner.get_config()),
            l2_norm_clip=1e9,
            noise_multiplier=0.0,
        )
        for _ in range(3):
            sums = [rng.normal(size=v.shape) for v in plain]
            dp.apply_clipped_sum(clipped_sum_of(sums), private, 4.0)
            gradients = [tf.constant(s / 4.0, tf.float32) for s in sums]
            inner.apply_gradients(zip(gradients, plain, strict=True))
        for a, b in zip(private, plain, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


def test_the_divisor_is_the_expected_batch_size_and_not_the_realised_one():
    variables = make_variables(5)
    optimizer = optimizers.DPKerasSGDOptimizer(CLIP, 0.0, learning_rate=1.0)
    ones = clipped_sum_of([np.ones(v.shape) for v in variables])
    optimizer.apply_clipped_sum(ones, variables, 32.0)
    np.testing.assert_allclose(variables[0].numpy(), -np.ones(5) / 32, rtol=1e-6)


@pytest.mark.parametrize("method", ["apply", "apply_gradients", "stateless_apply"])
def test_gradients_that_no_mechanism_made_are_refused(method):
    variables = make_variables(5)
    optimizer = optimizers.DPKerasAdamOptimizer(CLIP, 1.0)
    optimizer.build(variables)
    gradients = [tf.ones(v.shape) for v in variables]
    arguments = {
        "apply": (gradients, variables),
        "apply_gradients": (list(zip(gradients, variables, strict=True)),),
        "stateless_apply": (optimizer.variables, gradients, variables),
    }[method]
    with pytest.raises(RuntimeError, match="no mechanism"):
        getattr(optimizer, method)(*arguments)
    assert not np.any(variables[0].numpy())


def test_something_else_than_a_clipped_sum_is_refused():
    variables = make_variables(5)
    optimizer = optimizers.DPKerasSGDOptimizer(CLIP, 1.0)
    with pytest.raises(TypeError, match="clipped_sum"):
        optimizer.apply_clipped_sum([tf.ones(5)], variables, 1.0)


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.DPKerasSGDOptimizer(1.0, 0.5, learning_rate=0.1, momentum=0.9),
        optimizers.DPKerasAdamOptimizer(1.0, 0.5, learning_rate=2e-4, beta_1=0.5),
        optimizers.DPKerasAdagradOptimizer(1.0, 0.5),
        optimizers.DPKerasRMSpropOptimizer(
            1.0, 0.5, learning_rate=keras.optimizers.schedules.CosineDecay(0.1, 10)
        ),
        DPOptimizer(keras.optimizers.Lion(1e-4), l2_norm_clip=1.0, noise_multiplier=2),
    ],
    ids=lambda o: type(o).__name__,
)
def test_config_round_trip(optimizer):
    serialized = keras.saving.serialize_keras_object(optimizer)
    copy = keras.saving.deserialize_keras_object(serialized)
    assert type(copy) is type(optimizer)
    assert copy.get_config() == optimizer.get_config()
    assert copy.noise_multiplier == optimizer.noise_multiplier
    assert float(copy.l2_norm_clip) == 1.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"l2_norm_clip": 0.0, "noise_multiplier": 1.0}, "l2_norm_clip"),
        ({"l2_norm_clip": 1.0, "noise_multiplier": -1.0}, "noise_multiplier"),
        ({"l2_norm_clip": 1.0}, "noise_multiplier"),
        (
            {"l2_norm_clip": 1.0, "noise_multiplier": 1.0, "num_microbatches": 4},
            "physical_batch_size",
        ),
        (
            {
                "l2_norm_clip": 1.0,
                "noise_multiplier": 1.0,
                "gradient_accumulation_steps": 4,
            },
            "physical_batch_size",
        ),
    ],
)
def test_bad_arguments_name_themselves_or_the_remedy(arguments, name):
    with pytest.raises(ValueError, match=name):
        optimizers.DPKerasSGDOptimizer(**arguments)


def test_a_loss_scale_optimizer_is_refused_as_inner_optimizer():
    inner = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="loss scale"):
        DPOptimizer(inner, l2_norm_clip=1.0, noise_multiplier=1.0)
