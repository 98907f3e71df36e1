"""Each name of TensorFlow's that it does not promise to keep, on the installed one."""

import gc

import tensorflow as tf

from keras_dpgan._utils import tensorflow_internals


def graph_of(function):
    spec = tf.TensorSpec((None, 2), tf.float32)
    return tf.function(function, autograph=False).get_concrete_function(spec).graph


def operations(function, kind):
    return [op for op in graph_of(function).get_operations() if op.type == kind]


def test_the_graphs_of_called_functions_are_found():
    double = tf.function(lambda x: 2.0 * x)
    (call,) = operations(double, "PartitionedCall") or operations(
        lambda x: double(x), "PartitionedCall"
    )
    (name,) = tensorflow_internals.called_functions(call)
    graph = tensorflow_internals.function_graph(call, name)
    assert "Mul" in {op.type for op in graph.get_operations()}

    (branch,) = operations(
        lambda x: tf.cond(tf.shape(x)[0] > 1, lambda: x, lambda: 2.0 * x), "StatelessIf"
    )
    assert len(tensorflow_internals.called_functions(branch)) == 2


def test_the_name_of_a_users_own_gradient_is_found():
    @tf.custom_gradient
    def own(x):
        return tf.identity(x), lambda g: g

    (identity,) = operations(own, "IdentityN")
    assert tensorflow_internals.own_gradient(identity).endswith(
        "test_the_name_of_a_users_own_gradient_is_found.<locals>.own.<locals>.<lambda>"
    )
    (silu,) = operations(tf.nn.silu, "IdentityN")
    assert tensorflow_internals.own_gradient(silu).startswith("tensorflow.python.")
    (plain,) = operations(tf.tanh, "Tanh")
    assert tensorflow_internals.own_gradient(plain) is None


def test_stateful_operations_are_told_from_others():
    (draw,) = operations(lambda x: tf.random.normal((2,)), "RandomStandardNormal")
    assert tensorflow_internals.is_stateful(draw)
    (tanh,) = operations(tf.tanh, "Tanh")
    assert not tensorflow_internals.is_stateful(tanh)


def test_an_effect_is_found_inside_of_functions():
    inner = tf.function(lambda x: x + tf.random.uniform(()))
    looped = graph_of(
        lambda x: tf.while_loop(
            lambda i, y: i < 2, lambda i, y: (i + 1, inner(y)), (0, x)
        )[1]
    )
    assert tensorflow_internals.draws(tensorflow_internals.find_effect(looped))
    assert tensorflow_internals.find_effect(graph_of(tf.tanh)) is None


def test_few_runs_puts_settings_back_when_the_last_thread_leaves():
    def settings():
        options = tf.config.optimizer.get_experimental_options()
        return options.get("disable_meta_optimizer", False), gc.isenabled()

    before = settings()
    with tensorflow_internals.few_runs:
        with tensorflow_internals.few_runs:
            assert settings() == (True, False)
        assert settings() == (True, False)
    assert settings() == before == (False, True)
