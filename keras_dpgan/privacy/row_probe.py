"""A numeric probe of a model: does one row reach another, or stay behind?

It finds what no list of layers knows, such as a layer of one's own that
subtracts the batch's mean. What a model does on some data alone (a branch that
random rows never take) stays unseen.
"""

import contextlib
import dataclasses
import functools
import threading

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import _keras_internals

MIXES_ROWS = "mixes_rows"
KEEPS_STATE = "keeps_state"
ADDS_LOSS = "adds_loss"

_ROWS = 4
_CHANGED = 1
_OTHERS = [0, 2, 3]
_FREE_DIMENSION = 8
_PRECISION = {"float16": 2**-10, "bfloat16": 2**-7, "float64": 2**-52}


@dataclasses.dataclass(frozen=True)
class Finding:
    """What the probe found.

    Attributes:
        layer: The name of the layer that does it, the innermost known.
        kind: `"mixes_rows"`, `"keeps_state"` or `"adds_loss"`.
    """

    layer: str
    kind: str


def random_rows(row_shape, num_classes=None, seed=0):
    """Rows for the probe.

    Args:
        row_shape: Tuple of ints.
        num_classes: Int, for `[rows, labels]`. Defaults to `None`: rows alone.
        seed: Int. Defaults to 0.

    Returns:
        A float32 tensor of shape `(4, ...)`, or a list of it and int32 labels.
    """
    rng = np.random.default_rng(seed)
    rows = tf.constant(rng.uniform(-1, 1, (_ROWS, *row_shape)), tf.float32)
    if num_classes is None:
        return rows
    return [rows, tf.constant(rng.integers(0, num_classes, _ROWS), tf.int32)]


def probe(model, inputs=None):
    """Changes one of four random rows and looks at what happens to the others.

    Done in inference and in training mode. The random numbers of layers
    (dropout) are held fixed, so that they make no difference; where a model
    draws others, the derivative of the others in the changed row decides alone.
    The model's variables are left as they were, and global seeds untouched.

    Args:
        model: A built `keras.Model`.
        inputs: What `random_rows` makes. Defaults to `None`: random rows that
            fit `model.inputs`; needed for a subclassed model.

    Returns:
        List of `Finding`, empty for a model that treats each row by itself.

    Raises:
        ValueError: If `inputs` are needed.
    """
    if tf.distribute.has_strategy():
        # Mirrored weights cannot be differentiated outside a replica. The list of
        # layers still holds.
        return []
    before = _random_inputs(model) if inputs is None else inputs
    after = tf.nest.map_structure(_with_a_changed_row, before)
    findings = []
    for training in (False, True):
        findings += _probe_mode(model, before, after, training)
    return list(dict.fromkeys(findings))


def _probe_mode(model, before, after, training):
    # State may follow one row in a way that shows for few changes of it, as a
    # maximum does: it is tried on a batch of other rows altogether.
    all_changed = tf.nest.map_structure(_changed, before)
    first, again, changed, other = (
        _observe(model, rows, training) for rows in (before, before, after, all_changed)
    )
    for layer in first.with_losses:
        yield Finding(layer.name, ADDS_LOSS)
    # What differs without a change is drawn afresh, and tells nothing.
    if _agree(first.state, again.state, 0.0):
        for layer in _layers_whose_state_differs(model, first.state, other.state):
            yield Finding(layer.name, KEEPS_STATE)
    # The sum of a row's numbers may depend on its place, not on the others.
    tolerance = 8 * _PRECISION.get(model.compute_dtype, 2**-23)
    repeats = _agree(first.of_others, again.of_others, tolerance)
    if repeats and not _agree(first.of_others, changed.of_others, tolerance):
        layer = _first_mixing_layer(model, before, after, training, tolerance)
        yield Finding(layer.name, MIXES_ROWS)
    elif first.leaks or changed.leaks:
        yield Finding(model.name, MIXES_ROWS)


@dataclasses.dataclass(frozen=True)
class _Observation:
    """One run of a model.

    Attributes:
        of_others: List of arrays: the outputs of the rows that are never
            changed, and the gradients of a sum of them in the weights.
        leaks: Whether that sum has a derivative in the row that is changed.
        state: List of arrays, the variables afterwards.
        with_losses: List of the layers that added a loss.
    """

    of_others: list
    leaks: bool
    state: list
    with_losses: list


def _observe(model, inputs, training):
    watched = [t for t in tf.nest.flatten(inputs) if t.dtype.is_floating]
    variables = _variables(model)
    with _fixed_seeds(), _restored(variables):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = tf.nest.flatten(model(inputs, training=training))
            outputs = [tf.gather(tf.cast(o, tf.float64), _OTHERS) for o in outputs]
            total = tf.add_n([tf.reduce_sum(o * _coefficients(o)) for o in outputs])
        state = [np.array(v) for v in variables]
        with_losses = _layers_with_losses(model)
        of_rows, of_weights = tape.gradient(
            total,
            (watched, [v.value for v in model.trainable_variables]),
            unconnected_gradients="zero",
        )
    leaks = any(np.any(np.asarray(g[_CHANGED]) != 0) for g in of_rows)
    of_others = [np.array(tf.convert_to_tensor(t)) for t in outputs + of_weights]
    return _Observation(of_others, leaks, state, with_losses)


def _coefficients(outputs):
    """Unequal numbers, so that what is added to one row is not taken off another."""
    size = outputs.shape.num_elements()
    return tf.reshape(tf.cos(tf.range(size, dtype=outputs.dtype)), outputs.shape)


def _random_inputs(model):
    declared = getattr(model, "inputs", None)
    if not declared:
        raise ValueError(
            "`inputs` must be given for a model without declared inputs (a "
            "subclassed one): `row_probe.random_rows(row_shape, num_classes)`. "
            "Received: inputs=None"
        )
    rows = []
    for seed, tensor in enumerate(declared):
        shape = [_FREE_DIMENSION if d is None else d for d in tensor.shape[1:]]
        integers = "int" in tensor.dtype
        row = random_rows(shape, seed=seed)
        rows.append(tf.cast(row > 0 if integers else row, tensor.dtype))
    return rows if len(rows) > 1 else rows[0]


def _changed(rows):
    """Other rows: ten times the opposite, or another integer."""
    return -10 * rows if rows.dtype.is_floating else tf.cast(rows == 0, rows.dtype)


def _with_a_changed_row(rows):
    """The same rows but for one."""
    index = tf.reshape(tf.range(_ROWS), [_ROWS] + [1] * (rows.shape.rank - 1))
    return tf.where(tf.equal(index, _CHANGED), _changed(rows), rows)


def _agree(arrays, others, tolerance):
    return all(
        np.allclose(a, b, rtol=0, atol=tolerance * _largest(a), equal_nan=True)
        for a, b in zip(arrays, others, strict=True)
    )


def _largest(array):
    return np.max(np.abs(array), initial=0.0, where=np.isfinite(array))


def _variables(model):
    """Every variable of a model and its layers, metrics included, once."""
    layers = _keras_internals.all_layers(model)
    variables = [
        v for layer in layers for v in (*layer.variables, *layer.metrics_variables)
    ]
    return list({id(v): v for v in variables}.values())


def _layers_with_losses(model):
    """The innermost layers that have added a loss."""
    found = [layer for layer in _keras_internals.all_layers(model) if layer.losses]
    return [
        layer
        for layer in found
        if not any(
            inner in found
            for inner in _keras_internals.all_layers(layer)
            if inner is not layer
        )
    ]


def _layers_whose_state_differs(model, state, other_state):
    """The innermost layers that own a variable of another value."""
    differing = {
        id(variable)
        for variable, a, b in zip(_variables(model), state, other_state, strict=True)
        if not np.array_equal(a, b, equal_nan=True)
    }
    owners = {}
    for layer in _keras_internals.all_layers(model):  # The innermost come last.
        for variable in (*layer.variables, *layer.metrics_variables):
            if id(variable) in differing:
                owners[id(variable)] = layer
    return list(owners.values())


def _first_mixing_layer(model, before, after, training, tolerance):
    """The first layer whose outputs for the other rows differ, or the model."""
    runs = [_layer_outputs(model, rows, training) for rows in (before, after)]
    for (layer, first), (_, changed) in zip(*runs, strict=False):
        if first.shape != changed.shape or first.shape[:1] != (_ROWS,):
            continue
        if not _agree([first[_OTHERS]], [changed[_OTHERS]], tolerance):
            return layer
    return model


def _layer_outputs(model, inputs, training):
    """Pairs of a layer and one of its outputs, in the order of computation."""
    made = []
    layers = _keras_internals.all_layers(model)[1:]
    with _fixed_seeds(), _restored(_variables(model)), contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_recorded(layer, made))
        model(inputs, training=training)
    return made


@contextlib.contextmanager
def _recorded(layer, made):
    """Appends what a layer's calls return to `made`."""
    call = layer.call

    @functools.wraps(call)
    def call_and_record(*args, **kwargs):
        outputs = call(*args, **kwargs)
        for tensor in tf.nest.flatten(outputs):
            if tf.is_tensor(tensor) and tensor.dtype.is_floating:
                made.append((layer, np.array(tf.cast(tensor, tf.float64))))
        return outputs

    layer.call = call_and_record
    try:
        yield
    finally:
        del layer.call


@contextlib.contextmanager
def _restored(variables):
    """Gives the variables back the values that they had."""
    values = [np.array(v) for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            if not np.array_equal(np.array(variable), value):
                variable.assign(value)


@contextlib.contextmanager
def _fixed_seeds():
    """Lets layers draw the same random numbers in each run of the probe."""
    original = keras.random.SeedGenerator.next
    calls = [0]
    thread = threading.get_ident()

    def next_seed(generator, ordered=True):
        if threading.get_ident() != thread:
            return original(generator, ordered)
        calls[0] += 1
        return tf.constant([0, calls[0]], generator.state.dtype)

    keras.random.SeedGenerator.next = next_seed
    try:
        yield
    finally:
        keras.random.SeedGenerator.next = original
