import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import mechanisms
from keras_dpgan import optimizers
from keras_dpgan.clipping import ClippedSum
from keras_dpgan.mechanisms import GaussianMechanism
from keras_dpgan.mechanisms import noise
from keras_dpgan.mechanisms import tf_privacy

needs_tf_privacy = pytest.mark.skipif(
    not tf_privacy.is_available(), reason="needs TensorFlow Privacy"
)


def adaptive_query(**changes):
    arguments = {
        "initial_l2_norm_clip": 1.0,
        "noise_multiplier": 0.8,
        "target_unclipped_quantile": 0.5,
        "learning_rate": 0.2,
        "clipped_count_stddev": 2.0,
        "expected_num_records": 100,
        "geometric_update": True,
    }
    query = tf_privacy.import_queries()["adaptive"].QuantileAdaptiveClipSumQuery
    return query(**{**arguments, **changes})


@needs_tf_privacy
def test_built_in_gaussian_equals_tf_privacys():
    for clip, multiplier in [(1.0, 0.6), (0.25, 2.0), (7.0, 0.0)]:
        built_in = GaussianMechanism(clip, multiplier)
        theirs = tf_privacy.gaussian_mechanism(clip, multiplier)
        assert theirs.name == built_in.name
        assert theirs.noise_multiplier == built_in.noise_multiplier
        assert theirs.get_config() == built_in.get_config()
        np.testing.assert_allclose(theirs.l2_norm_clip(()), built_in.l2_norm_clip(()))
        np.testing.assert_allclose(theirs.noise_stddev(()), built_in.noise_stddev(()))


@needs_tf_privacy
def test_tf_privacy_is_what_drives_where_it_is_installed():
    assert isinstance(mechanisms.gaussian(1.0, 1.0), tf_privacy.GaussianQueryMechanism)


def test_without_tf_privacy_the_built_in_mechanism_serves(monkeypatch):
    monkeypatch.setattr(tf_privacy, "is_available", lambda: False)
    assert type(mechanisms.gaussian(1.0, 1.0)) is GaussianMechanism
    with pytest.raises(ImportError, match="pip install"):
        optimizers.DPKerasSGDOptimizer(dp_sum_query=object())


@needs_tf_privacy
def test_adaptive_clip_moves_inside_a_traced_function_as_tf_privacy_says():
    query = adaptive_query(clipped_count_stddev=0.0)
    optimizer = optimizers.DPKerasSGDOptimizer(dp_sum_query=query)
    variables = [keras.Variable(np.zeros(3, np.float32))]
    optimizer.build(variables)
    counts = tf.Variable([100, 100])

    @tf.function
    def step():
        optimizer.apply_clipped_sum(
            ClippedSum([tf.zeros(3)], counts[0], counts[1]), variables, 100.0
        )

    expected = 1.0
    for unclipped in (100, 30, 50):
        counts.assign([100, unclipped])
        step()
        expected *= np.exp(-0.2 * (unclipped / 100 - 0.5))
        assert float(optimizer.l2_norm_clip) == pytest.approx(expected, rel=1e-5)


@needs_tf_privacy
@pytest.mark.parametrize(
    ("factor", "accepted"), [(1, True), (2 / 3, False), (3 / 2, False)]
)
def test_the_noise_of_the_clipped_count_has_its_scale(factor, accepted):
    stddev, draws = 2.0, 2000
    query = adaptive_query(
        clipped_count_stddev=stddev * factor, target_unclipped_quantile=0.5
    )
    mechanism = tf_privacy.mechanism_of(query)
    half = ClippedSum([], tf.constant(100), tf.constant(50))
    (normals,) = noise.process_stream().normal([(draws,)])

    @tf.function
    def estimates():
        return tf.map_fn(
            lambda z: mechanism.next_state([tf.constant(1.0)], half, z)[0], normals
        )

    counts = -np.log(estimates().numpy()) / 0.2 * 100
    squares = np.mean((counts / stddev) ** 2)
    assert (abs(squares - 1) < 5 * np.sqrt(2 / draws)) == accepted


@needs_tf_privacy
def test_noise_follows_the_adapted_clip():
    mechanism = tf_privacy.mechanism_of(adaptive_query())
    assert float(mechanism.noise_stddev([tf.constant(0.5)])) == pytest.approx(0.4)


@needs_tf_privacy
def test_adaptive_optimizer_round_trips_through_its_config():
    optimizer = optimizers.DPKerasAdamOptimizer(
        dp_sum_query=adaptive_query(), learning_rate=0.01
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(optimizer)
    )
    assert copy.get_config() == optimizer.get_config()
    assert copy.mechanism.clipped_count_stddev == 2.0


@needs_tf_privacy
def test_tree_aggregation_is_refused_with_the_reason():
    tree = tf_privacy.import_queries()["tree"]
    query = tree.TreeResidualSumQuery.build_l2_gaussian_query(
        1.0, 1.0, tf.TensorSpec([3])
    )
    with pytest.raises(ValueError, match="Poisson sampling"):
        optimizers.DPKerasSGDOptimizer(dp_sum_query=query)


@needs_tf_privacy
def test_both_a_query_and_numbers_are_refused():
    with pytest.raises(ValueError, match="not both"):
        optimizers.DPKerasSGDOptimizer(1.0, 1.0, dp_sum_query=adaptive_query())


def test_the_stream_draws_all_shapes_in_one_go_and_never_repeats():
    stream = noise.NoiseStream()
    first = stream.normal([(2, 3), (), (4,)])
    assert [t.shape for t in first] == [(2, 3), (), (4,)]
    drawn = np.concatenate(
        [np.ravel(t) for _ in range(50) for t in stream.normal([(7,)])]
    )
    assert len(np.unique(drawn)) == len(drawn)


def test_the_stream_is_standard_normal_in_float64_too():
    (x,) = noise.NoiseStream().normal([(20000,)], tf.float64)
    assert x.dtype == tf.float64
    assert abs(np.mean(x)) < 5 / np.sqrt(20000)
    assert abs(np.var(x) - 1) < 5 * np.sqrt(2 / 20000)


def test_the_stream_works_under_xla():
    stream = noise.NoiseStream()
    draw = tf.function(lambda: stream.normal([(5,)])[0], jit_compile=True)
    assert not np.array_equal(draw(), draw())


def test_two_processes_with_the_same_user_seed_draw_different_noise():
    script = (
        "import keras; keras.utils.set_random_seed(0)\n"
        "from keras_dpgan.mechanisms import noise\n"
        "print(noise.process_stream().normal([(4,)])[0].numpy().tolist())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert b"[" in first
    assert first != second
