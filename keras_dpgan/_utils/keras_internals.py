"""Every use of a name that Keras does not promise to keep.

`tests/test_keras_internals.py` runs each of them on the installed Keras, so that a
release that moves a name fails there and nowhere else.
"""

import contextlib
import functools
import threading
import typing

import keras
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format


class SharedPatch:
    """Replaces a method of a class while at least one thread is inside.

    The replacement is the same for all threads, and must find out itself in which
    thread it is called. The last thread to leave restores the method.

    Args:
        owner: The class.
        name: String, the method's name.
        wrap: Function of the method that returns its replacement.
    """

    def __init__(self, owner, name, wrap):
        self._owner, self._name, self._wrap = owner, name, wrap
        self._lock = threading.Lock()
        self._count = 0
        self._original = None

    def __enter__(self):
        with self._lock:
            if self._count == 0:
                self._original = getattr(self._owner, self._name)
                setattr(self._owner, self._name, self._wrap(self._original))
            self._count += 1

    def __exit__(self, *error):
        with self._lock:
            self._count -= 1
            if self._count == 0:
                setattr(self._owner, self._name, self._original)


_RESHAPING = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Dropout,
    keras.layers.Permute,
)


def last_activation(model, output=0):
    """The name of the activation behind one of a model's outputs.

    Args:
        model: A `keras.Model`.
        output: Int, which output. Defaults to the first.

    Returns:
        `"linear"`, `"sigmoid"`, `"tanh"`, ...; `None` if it cannot be determined, as
        in a subclassed model.
    """
    outputs = getattr(model, "outputs", None)
    return _activation_of(outputs[output]) if outputs else None


def _activation_of(tensor):
    operation, node_index, tensor_index = tensor._keras_history
    while isinstance(operation, _RESHAPING):
        tensor = operation._inbound_nodes[node_index].input_tensors[0]
        operation, node_index, tensor_index = tensor._keras_history
    if isinstance(operation, keras.Model):
        outputs = getattr(operation, "outputs", None)
        return _activation_of(outputs[tensor_index]) if outputs else None
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, keras.layers.ReLU | keras.layers.LeakyReLU):
        return "relu"
    activation = getattr(operation, "activation", None)
    if activation is not None:
        return getattr(activation, "__name__", None)
    if not isinstance(operation, keras.layers.Layer):
        # An operation used as a function: keras.ops.sigmoid(x).
        return type(operation).__name__.lower()
    return None


def takes_inputs_by_name(model):
    """Whether a model was declared with a dict of inputs."""
    return isinstance(getattr(model, "_inputs_struct", None), dict)


def nodes_in_order(model):
    """The calls that make up a functional or sequential model, in their order.

    Args:
        model: A `keras.Model`.

    Returns:
        List of `(operation, inputs, outputs)`, with flat lists of symbolic tensors;
        `None` for a model without a graph, such as a subclassed one.
    """
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        return None
    depths = sorted(graph._nodes_by_depth, reverse=True)
    return [
        (node.operation, node.input_tensors, node.outputs)
        for depth in depths
        for node in graph._nodes_by_depth[depth]
    ]


def initial_epoch(model):
    """The epoch at which the running `fit` starts.

    `BackupAndRestore` sets it on the model while `fit` begins.
    """
    return max(getattr(model, "_initial_epoch", None) or 0, model.initial_epoch)


def resumed_epoch(model):
    """The epoch at which a resumed `fit` continues; `None` if it was not resumed."""
    return model._initial_epoch


def set_initial_epoch(model, epoch):
    """Makes the `fit` that is about to begin start at an epoch.

    It also holds for later calls of `fit`, until it is set to `None`.
    """
    model._initial_epoch = epoch


def all_layers(model):
    """A model (or layer) and every layer inside it, outer ones first."""
    return list(model._flatten_layers(include_self=True))


def own_variables(layer):
    """The weights that a layer created itself, without those of layers inside it."""
    return layer._trainable_variables


def variables_of(optimizer):
    """The variables that an optimizer was built for."""
    return optimizer._trainable_variables


def has_special_call(layer):
    """Whether calling a layer runs other code than the `call` of its class."""
    return (
        "call" in vars(layer)
        or bool(getattr(layer, "_remat_mode", None))
        or layer.quantization_mode is not None
    )


def check_before_hdf5(check):
    """Lets `check(model, filepath)` raise before a whole model is written as HDF5.

    Keras opens the file, and so empties an existing one, before it calls any method of
    the model. `model.save`, `keras.saving.save_model` and `keras.models.save_model` all
    use one function of Keras to write such a file.

    Args:
        check: A function of the model and the path, for any Keras model.
    """
    write = legacy_h5_format.save_model_to_hdf5

    @functools.wraps(write)
    def check_and_write(model, filepath, *args, **kwargs):
        check(model, filepath)
        return write(model, filepath, *args, **kwargs)

    legacy_h5_format.save_model_to_hdf5 = check_and_write


class BuiltTrainer(keras.Model):
    """A model that is built when it is created, without seeing a batch.

    Under a distribution strategy, Keras would average a batch over the replicas to get
    its shapes. That fails if the replicas' batches differ in size, and it sends records
    of one worker to the others.
    """

    train_function: typing.Any

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        del iterator, data_batch


_active = threading.local()


@contextlib.contextmanager
def replaced_seeds(make_seed):
    """A scope in which layers that this thread runs get their seeds from `make_seed`.

    Other threads are not affected, including those in a `replaced_seeds` of their own.
    The last thread to leave such a scope removes the patch of Keras.

    Args:
        make_seed: Function of an int, the number of the draw from 1 on. Returns
            an int tensor of shape `(2,)`.

    Yields:
        A list of one int, the number of draws so far.
    """
    calls = [0]

    def draw(generator):
        calls[0] += 1
        return tf.cast(make_seed(calls[0]), generator.state.dtype)

    before = getattr(_active, "draw", None)
    with _patched_next:
        _active.draw = draw
        try:
            yield calls
        finally:
            _active.draw = before


def seeds_from(seed):
    """A `replaced_seeds` in which the seed of each draw is derived from one seed.

    Args:
        seed: Int64 tensor of shape `(2,)`.
    """
    return replaced_seeds(lambda number: seed + [number, 0])


def _next_of_thread(original):
    @functools.wraps(original)
    def next_seed(generator, ordered=True):
        draw = getattr(_active, "draw", None)
        return original(generator, ordered) if draw is None else draw(generator)

    return next_seed


_patched_next = SharedPatch(keras.random.SeedGenerator, "next", _next_of_thread)
