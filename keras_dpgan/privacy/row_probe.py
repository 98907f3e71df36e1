"""A numeric probe of a model, which tests whether rows mix or are kept in variables.

It finds layers that are on no list, such as a user's own layer that subtracts the mean
of the batch. It cannot see what a model does only on certain data (a branch that random
rows never take), or only in batches of more than a thousand rows.
"""

import dataclasses
from concurrent import futures

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils.tensorflow_internals import draws
from keras_dpgan.privacy import culprits
from keras_dpgan.privacy import repeatable_runs
from keras_dpgan.privacy.isolation import IsolationProbe

MIXES_ROWS = "mixes_rows"
KEEPS_STATE = "keeps_state"
ADDS_LOSS = "adds_loss"
DRAWS = "draws"
HAS_EFFECT = "has_effect"

_ROWS = 4
_CHANGED = 1
_OTHERS = [0, 2, 3]
_FREE_DIMENSION = 8
_SCALES = [1.0, 10.0, 0.1, 100.0]
_TOLERANCE_ACROSS_SIZES = 1e-3
_PRECISION = {"float16": 2**-10, "bfloat16": 2**-7, "float64": 2**-52}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A finding of the probe.

    Attributes:
        layer: The name of the innermost layer that is known to cause it.
        kind: `"mixes_rows"`, `"keeps_state"`, `"adds_loss"`, `"draws"` or
            `"has_effect"`.
    """

    layer: str
    kind: str


def random_rows(row_shape, num_classes=None, seed=0):
    """Rows for the probe.

    Args:
        row_shape: Tuple of ints.
        num_classes: Int, for `[rows, labels]`. Defaults to `None`: only rows.
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
    """Changes one of four random rows and tests whether the others change.

    This is done in inference mode and in training mode. Then rows are removed, moved,
    repeated and put into a large batch. The random numbers of layers (dropout) are
    fixed, so that they cause no differences. The model's variables and global seeds
    are not changed.

    Args:
        model: A built `keras.Model`.
        inputs: The result of `random_rows`. Defaults to `None`: random rows that fit
            `model.inputs`. A subclassed model needs them.

    Returns:
        List of `Finding`, empty for a model that treats each row by itself.

    Raises:
        ValueError: If `inputs` are needed, or if a model of a distribution
            strategy cannot be copied.
    """
    inputs = _random_inputs(model) if inputs is None else inputs

    def of_any_size(model):
        return _probe_few(model, inputs) or list(_probe_as_trained(model, inputs))

    return without_strategy(model, of_any_size, inputs)


def probe_few_rows(model, inputs):
    """The part of `probe` that uses only four rows, which is fast.

    Args:
        model: A built `keras.Model`.
        inputs: See `probe`.

    Returns:
        List of `Finding`.
    """
    inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
    return without_strategy(model, lambda model: _probe_few(model, inputs), inputs)


def _probe_few(model, before):
    after = tf.nest.map_structure(_with_a_changed_row, before)
    findings = []
    for training in (False, True):
        findings += _probe_mode(model, before, after, training)
    return list(dict.fromkeys(findings))


def _probe_as_trained(model, rows):
    """The findings in a traced gradient and in batches of other sizes."""

    def losses(rows):
        outputs = tf.nest.flatten(model(rows, training=True))
        flat = [tf.reshape(o, (tf.shape(o)[0], -1)) for o in outputs]
        flat = tf.concat([tf.cast(o, tf.float32) for o in flat], 1)
        numbers = tf.cast(tf.range(tf.shape(flat)[1]), tf.float32)
        return tf.linalg.matvec(flat, tf.cos(numbers))

    scaled = tf.nest.map_structure(_with_scaled_rows, rows)
    with repeatable_runs.restored(model):
        probe = IsolationProbe(
            losses, model.trainable_variables, scaled, model.compute_dtype
        )
        if probe.effect is not None:
            layer = culprits.layer_of_operation(model, probe.effect.name)
            yield Finding(layer.name, DRAWS if draws(probe.effect) else HAS_EFFECT)
            return
        context = probe.difference(of_equal_sizes=probe.draws)
    if context is not None:
        rows = [
            tf.nest.map_structure(lambda t, i=i: tf.gather(t, i), scaled)
            for i in (context.rows, [context.record])
        ]
        runs = [repeatable_runs.layer_outputs(model, r, True) for r in rows]
        layer = culprits.first_mixing_layer(
            model,
            runs[0],
            runs[1],
            [context.place],
            [0],
            _TOLERANCE_ACROSS_SIZES,
        )
        yield Finding(layer.name, MIXES_ROWS)


def without_strategy(model, function, inputs):
    """Applies a function to a model, or to a copy under no distribution strategy.

    Mirrored weights cannot be differentiated outside a replica.

    Args:
        model: A built `keras.Model`.
        function: A function of a model.
        inputs: Inputs to build a copy with, if it needs to be built.

    Returns:
        The result of `function`.

    Raises:
        ValueError: If a model of a distribution strategy cannot be copied.
    """
    if _is_distributed(model):
        return _on_a_copy(model, function, inputs)
    return function(model)


def _is_distributed(model):
    return tf.distribute.has_strategy() or any(
        isinstance(v.value, tf.distribute.DistributedValues) for v in model.variables
    )


def _on_a_copy(model, function, inputs):
    weights = model.get_weights()

    def call_on_copy():
        try:
            copy = keras.models.clone_model(model)
        except (NotImplementedError, TypeError) as error:
            raise ValueError(
                "Under a distribution strategy a copy of the model is tested for "
                f"mixed rows, but {model.name!r} cannot be copied. Give its class a "
                "`get_config` and a `from_config` that make an equal model. "
                f"Received: model of type {type(model).__name__}"
            ) from error
        if not copy.built:
            copy(inputs)
        copy.set_weights(weights)
        return function(copy)

    # The scope of a strategy holds for one thread.
    with futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(call_on_copy).result()


def _probe_mode(model, before, after, training):
    # State may follow one row in a way that shows for few changes of it, as a
    # maximum does: it is tried on a batch of other rows altogether.
    all_changed = tf.nest.map_structure(_changed, before)
    first, again, changed, other = (
        _observe(model, rows, training) for rows in (before, before, after, all_changed)
    )
    for layer in first.with_losses:
        yield Finding(layer.name, ADDS_LOSS)
    # If results differ without any change, they are random and show nothing.
    if culprits.agree(first.state, again.state, 0.0):
        for layer in culprits.layers_whose_state_differs(
            model, first.state, other.state
        ):
            yield Finding(layer.name, KEEPS_STATE)
    # The sum of a row's numbers may depend on its place, not on the others.
    tolerance = 8 * _PRECISION.get(model.compute_dtype, 2**-23)
    repeats = culprits.agree(first.of_others, again.of_others, tolerance)
    if repeats and not culprits.agree(first.of_others, changed.of_others, tolerance):
        runs = [
            repeatable_runs.layer_outputs(model, rows, training)
            for rows in (before, after)
        ]
        layer = culprits.first_mixing_layer(
            model, runs[0], runs[1], _OTHERS, _OTHERS, tolerance
        )
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
    variables = repeatable_runs.variables_of(model)
    with repeatable_runs.repeatable(model):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = tf.nest.flatten(model(inputs, training=training))
            outputs = [tf.gather(tf.cast(o, tf.float64), _OTHERS) for o in outputs]
            total = tf.add_n([tf.reduce_sum(o * _coefficients(o)) for o in outputs])
        state = [v.numpy() for v in variables]
        with_losses = culprits.layers_with_losses(model)
        of_rows, of_weights = tape.gradient(
            total,
            (watched, [v.value for v in model.trainable_variables]),
            unconnected_gradients="zero",
        )
    leaks = any(np.any(np.asarray(g[_CHANGED]) != 0) for g in of_rows)
    of_others = [np.array(tf.convert_to_tensor(t)) for t in outputs + of_weights]
    return _Observation(of_others, leaks, state, with_losses)


def _coefficients(outputs):
    """Unequal numbers, so that changes of two rows cannot cancel each other."""
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
        if tensor.dtype == "string":
            raise ValueError(
                "`model` must take numbers, as a discriminator does: its input "
                f"{tensor.name!r} takes strings. Encode them before `fit`, by a "
                "vocabulary that does not come from the data. Received: "
                f"model={model.name!r}"
            )
        shape = [_FREE_DIMENSION if d is None else d for d in tensor.shape[1:]]
        integers = "int" in tensor.dtype
        row = random_rows(shape, seed=seed)
        rows.append(tf.cast(row > 0 if integers else row, tensor.dtype))
    return rows if len(rows) > 1 else rows[0]


def _changed(rows):
    """Changed rows: numbers times minus ten, or other integers."""
    return -10 * rows if rows.dtype.is_floating else tf.cast(rows == 0, rows.dtype)


def _with_a_changed_row(rows):
    """The same rows, except for one."""
    index = tf.reshape(tf.range(_ROWS), [_ROWS] + [1] * (rows.shape.rank - 1))
    return tf.where(tf.equal(index, _CHANGED), _changed(rows), rows)


def _with_scaled_rows(rows):
    """Eight rows: the given ones, and the same at other scales."""
    if not rows.dtype.is_floating:
        return tf.concat([rows, rows], 0)
    scales = tf.cast(np.resize(_SCALES, len(rows)), rows.dtype)
    scales = tf.reshape(scales, [-1] + [1] * (rows.shape.rank - 1))
    return tf.concat([rows, -scales * rows], 0)
