"""Each operation that is believed to keep records apart does so, on real numbers.

A record is changed; where the result changes, the layout has to say that these numbers
belong to that record.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from keras_dpgan.clipping import row_layout
from keras_dpgan.clipping import row_operations
from keras_dpgan.clipping.row_state import COUNT
from keras_dpgan.clipping.row_state import NUM_RECORDS
from keras_dpgan.clipping.row_state import OTHER_NUMBERS
from keras_dpgan.clipping.row_state import SECRET
from keras_dpgan.clipping.row_state import SHARED
from keras_dpgan.clipping.row_state import ListOf
from keras_dpgan.clipping.row_state import Rows
from keras_dpgan.clipping.row_state import Unknown

raw = tf.raw_ops
ROW = (2, 4)
CHANGED = 4321


def layout_of(function, shape=ROW, dtype=tf.float32):
    """The state of a function's result on records of a shape."""

    def trace(records, seed):
        return None, function(records, seed)

    records = tf.TensorSpec((None, *shape), dtype)
    graph, _, result = row_layout._traced(trace, records, NUM_RECORDS)
    inputs = [SECRET, row_layout._state_of_records((NUM_RECORDS, *shape))]
    states = []
    for n in OTHER_NUMBERS:
        twin, *_ = row_layout._traced(trace, records, n)
        states.append(row_layout._Followed(graph, twin, n, inputs).state(result))
    unknown = [s for s in states if isinstance(s, Unknown)]
    return unknown[0] if unknown else states[0]


def check(function, shape=ROW, dtype=tf.float32):
    """Holds what the layout says against what a change of one record changes."""
    state = layout_of(function, shape, dtype)
    assert isinstance(state, Rows), state
    rng = np.random.default_rng(0)
    before = rng.uniform(0.1, 0.9, (NUM_RECORDS, *shape))
    if not dtype.is_floating:
        before = np.round(3 * before)
    after = before.copy()
    after[CHANGED] = 1 - before[CHANGED] if dtype.is_floating else before[CHANGED] + 1
    seed = tf.constant([3, 4], tf.int64)
    run = tf.function(lambda x: function(x, seed), autograph=False)
    results = [run(tf.cast(x, dtype)).numpy() for x in (before, after)]
    assert results[0].shape == state.shape
    same = (results[0] == results[1]) | (np.isnan(results[0]) & np.isnan(results[1]))
    (places,) = np.nonzero(np.ravel(~same))
    assert set(places // state.stride % NUM_RECORDS) <= {CHANGED}
    return len(places)


# What an operation without floats takes, and attributes that have no default.
TYPES = {
    "Bitwise": tf.int32,
    "Shift": tf.int32,
    "Logical": tf.bool,
}
ATTRIBUTES = {
    "Bucketize": {"boundaries": [0.3, 0.6]},
    "Cast": {"DstT": tf.float64},
    "EnsureShape": {"shape": (None, *ROW)},
}


@pytest.mark.parametrize("kind", sorted(row_operations.ELEMENTWISE))
def test_an_elementwise_operation_keeps_numbers_where_they_are(kind):
    arguments = [a.name for a in op_def_registry.get(kind).input_arg]
    dtype = next((t for word, t in TYPES.items() if word in kind), tf.float32)

    def function(x, seed):
        values = tf.cast(x > 0.5, tf.bool) if dtype == tf.bool else tf.cast(x, dtype)
        if kind == "AddN":
            return raw.AddN(inputs=[values, values])
        given = dict.fromkeys(arguments, values)
        if kind == "SelectV2":
            given["condition"] = x > 0.5
        return getattr(raw, kind)(**given, **ATTRIBUTES.get(kind, {}))

    check(function)


def test_broadcasting_keeps_the_axis_of_the_records():
    assert check(lambda x, seed: x[:, tf.newaxis] * tf.ones((3, 1, 4)))
    transposed = tf.ones((4, 1, 1))
    assert check(lambda x, seed: tf.transpose(x, (2, 0, 1)) + transposed)


def test_rows_on_different_axes_are_not_broadcast():
    state = layout_of(lambda x, seed: x[:, tf.newaxis, :, 0] - x[tf.newaxis, :, :, 0])
    assert isinstance(state, Unknown)


@pytest.mark.parametrize("kind", sorted(row_operations.REDUCTIONS))
def test_a_reduction_over_other_axes_keeps_the_records(kind):
    def function(axis):
        def reduced(x, seed):
            if kind.startswith("Arg"):
                return getattr(raw, kind)(input=x, dimension=axis)
            x = x > 0.5 if kind in ("All", "Any") else x
            return getattr(raw, kind)(input=x, axis=axis)

        return reduced

    check(function(2))
    check(function(-1 if kind.startswith("Arg") else [1, -1]))
    assert isinstance(layout_of(function(0)), Unknown)


IMAGE = (6, 6, 2)
FILTER = np.random.default_rng(0).normal(size=(3, 3, 2, 2)).astype(np.float32)
STRIDES, PADDING = [1, 1, 1, 1], "SAME"
WINDOW = {"ksize": [1, 2, 2, 1], "strides": STRIDES, "padding": PADDING}
WINDOW_3D = {"ksize": [1, 2, 2, 2, 1], "strides": [1] * 5, "padding": PADDING}
SLIDING = {"strides": STRIDES, "padding": PADDING}
VOLUME = (3, 3, 3, 2)
FILTER_3D = np.random.default_rng(0).normal(size=(2, 2, 2, 2, 2)).astype(np.float32)


def unit(*shape):
    return np.random.default_rng(1).uniform(0.2, 1.0, shape).astype(np.float32)


# Per type: the shape of a row, and a function of rows.
BY_FIRST_AXIS = {
    "AdjustContrastv2": (
        (6, 6, 3),
        lambda x: raw.AdjustContrastv2(images=x, contrast_factor=2.0),
    ),
    "AvgPool": (IMAGE, lambda x: raw.AvgPool(value=x, **WINDOW)),
    "AvgPool3D": (VOLUME, lambda x: raw.AvgPool3D(input=x, **WINDOW_3D)),
    "AvgPool3DGrad": (
        VOLUME,
        lambda x: raw.AvgPool3DGrad(orig_input_shape=tf.shape(x), grad=x, **WINDOW_3D),
    ),
    "AvgPoolGrad": (
        IMAGE,
        lambda x: raw.AvgPoolGrad(orig_input_shape=tf.shape(x), grad=x, **WINDOW),
    ),
    "BiasAdd": (IMAGE, lambda x: raw.BiasAdd(value=x, bias=[1.0, 2.0])),
    "Conv2D": (IMAGE, lambda x: raw.Conv2D(input=x, filter=FILTER, **SLIDING)),
    "Conv2DBackpropInput": (
        IMAGE,
        lambda x: raw.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=FILTER, out_backprop=x, **SLIDING
        ),
    ),
    "Conv3D": (
        VOLUME,
        lambda x: raw.Conv3D(
            input=x, filter=FILTER_3D, strides=[1] * 5, padding=PADDING
        ),
    ),
    "Conv3DBackpropInputV2": (
        VOLUME,
        lambda x: raw.Conv3DBackpropInputV2(
            input_sizes=tf.shape(x),
            filter=FILTER_3D,
            out_backprop=x,
            strides=[1] * 5,
            padding=PADDING,
        ),
    ),
    "DepthToSpace": (
        (2, 2, 4),
        lambda x: raw.DepthToSpace(input=x, block_size=2),
    ),
    "DepthwiseConv2dNative": (
        IMAGE,
        lambda x: raw.DepthwiseConv2dNative(input=x, filter=FILTER, **SLIDING),
    ),
    "DepthwiseConv2dNativeBackpropInput": (
        IMAGE,
        lambda x: raw.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(x),
            filter=FILTER[:, :, :, :1],
            out_backprop=x,
            **SLIDING,
        ),
    ),
    "Dilation2D": (
        IMAGE,
        lambda x: raw.Dilation2D(
            input=x,
            filter=FILTER[:, :, :, 0],
            strides=STRIDES,
            rates=STRIDES,
            padding=PADDING,
        ),
    ),
    "ExtractImagePatches": (
        IMAGE,
        lambda x: raw.ExtractImagePatches(
            images=x,
            ksizes=[1, 2, 2, 1],
            strides=STRIDES,
            rates=STRIDES,
            padding=PADDING,
        ),
    ),
    "HSVToRGB": ((3, 3, 3), lambda x: raw.HSVToRGB(images=x)),
    "ImageProjectiveTransformV3": (
        IMAGE,
        lambda x: raw.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.concat([x[:, 0, :3, 0], x[:, 1, :5, 1]], 1) / 100.0
            + [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            output_shape=[5, 5],
            fill_value=0.0,
            interpolation="BILINEAR",
        ),
    ),
    "LRN": (IMAGE, lambda x: raw.LRN(input=x)),
    "MaxPool": (IMAGE, lambda x: raw.MaxPool(input=x, **WINDOW)),
    "MaxPool3D": (VOLUME, lambda x: raw.MaxPool3D(input=x, **WINDOW_3D)),
    "MaxPool3DGrad": (
        VOLUME,
        lambda x: raw.MaxPool3DGrad(
            orig_input=x,
            orig_output=raw.MaxPool3D(input=x, **WINDOW_3D),
            grad=x,
            **WINDOW_3D,
        ),
    ),
    "MaxPool3DGradGrad": (
        VOLUME,
        lambda x: raw.MaxPool3DGradGrad(
            orig_input=x,
            orig_output=raw.MaxPool3D(input=x, **WINDOW_3D),
            grad=x,
            **WINDOW_3D,
        ),
    ),
    "MaxPoolGrad": (
        IMAGE,
        lambda x: raw.MaxPoolGrad(
            orig_input=x, orig_output=raw.MaxPool(input=x, **WINDOW), grad=x, **WINDOW
        ),
    ),
    "MaxPoolGradGrad": (
        IMAGE,
        lambda x: raw.MaxPoolGradGrad(
            orig_input=x, orig_output=raw.MaxPool(input=x, **WINDOW), grad=x, **WINDOW
        ),
    ),
    "RGBToHSV": ((3, 3, 3), lambda x: raw.RGBToHSV(images=x)),
    "ResizeBicubic": (IMAGE, lambda x: raw.ResizeBicubic(images=x, size=[4, 5])),
    "ResizeBilinear": (IMAGE, lambda x: raw.ResizeBilinear(images=x, size=[4, 5])),
    "ResizeBilinearGrad": (
        IMAGE,
        lambda x: raw.ResizeBilinearGrad(grads=x, original_image=2.0 * x),
    ),
    "ResizeNearestNeighbor": (
        IMAGE,
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[4, 5]),
    ),
    "ResizeNearestNeighborGrad": (
        IMAGE,
        lambda x: raw.ResizeNearestNeighborGrad(grads=x, size=[7, 7]),
    ),
    "SoftmaxCrossEntropyWithLogits": (
        (4,),
        lambda x: raw.SoftmaxCrossEntropyWithLogits(features=x, labels=x)[1],
    ),
    "SpaceToDepth": (IMAGE, lambda x: raw.SpaceToDepth(input=x, block_size=2)),
    "SparseSoftmaxCrossEntropyWithLogits": (
        (4,),
        lambda x: raw.SparseSoftmaxCrossEntropyWithLogits(
            features=x, labels=tf.cast(3.0 * x[:, 0], tf.int32)
        )[0],
    ),
}


def test_the_cases_are_those_of_the_list():
    assert set(BY_FIRST_AXIS) == set(row_operations.BY_FIRST_AXIS)
    assert set(HANDLED) | set(LAST_AXES) | set(ALONG) | NO_CASE == (
        row_operations.covered_types()
        - row_operations.ELEMENTWISE
        - row_operations.REDUCTIONS
        - row_operations.DRAWING
        - set(BY_FIRST_AXIS)
    )


@pytest.mark.parametrize("kind", sorted(BY_FIRST_AXIS))
def test_an_operation_on_the_rows_of_the_first_axis_keeps_them_apart(kind):
    shape, function = BY_FIRST_AXIS[kind]
    assert check(lambda x, seed: function(x), shape)


def test_rows_where_a_filter_or_a_bias_stands_are_not_believed():
    image = tf.ones((2, 6, 6, 2))
    # As many filters as records would be.
    state = layout_of(
        lambda x, seed: raw.Conv2D(
            input=image, filter=tf.reshape(x, (1, 1, 2, -1)), **SLIDING
        )
    )
    assert isinstance(state, Unknown)


LAST_AXES = {
    "LogSoftmax": lambda x: raw.LogSoftmax(logits=x),
    "MatrixBandPart": lambda x: raw.MatrixBandPart(input=x, num_lower=0, num_upper=1),
    "MatrixInverse": lambda x: raw.MatrixInverse(input=x[:, :2, :2] + tf.eye(2)),
    "Softmax": lambda x: raw.Softmax(logits=x),
    "TopKV2": lambda x: raw.TopKV2(input=x, k=2)[0],
}


@pytest.mark.parametrize("kind", LAST_AXES)
def test_an_operation_along_the_last_axes(kind):
    function = LAST_AXES[kind]
    assert check(lambda x, seed: function(x))
    moved = layout_of(lambda x, seed: function(tf.transpose(x, (1, 2, 0))))
    assert isinstance(moved, Unknown)


ALONG = {
    "Cumprod": lambda x, axis: raw.Cumprod(x=x, axis=axis),
    "Cumsum": lambda x, axis: raw.Cumsum(x=x, axis=axis),
    "CumulativeLogsumexp": lambda x, axis: raw.CumulativeLogsumexp(x=x, axis=axis),
    "ReverseV2": lambda x, axis: raw.ReverseV2(tensor=x, axis=[axis]),
    "Roll": lambda x, axis: raw.Roll(input=x, shift=[1], axis=[axis]),
}


@pytest.mark.parametrize("kind", ALONG)
def test_an_operation_along_one_axis(kind):
    function = ALONG[kind]
    assert check(lambda x, seed: function(x, 1))
    assert check(lambda x, seed: function(tf.transpose(x, (2, 0, 1)), -1))
    assert isinstance(layout_of(lambda x, seed: function(x, 0)), Unknown)
    assert isinstance(layout_of(lambda x, seed: function(x, -3)), Unknown)


TABLE = tf.reshape(tf.range(24.0), (6, 4))


def tokens(x):
    return tf.cast(5.0 * x[:, :, 0], tf.int32)


# Per type: functions that keep the records apart, and functions that do not.
HANDLED = {
    "Reshape": (
        [
            lambda x: tf.reshape(tf.reshape(x, (-1, 4)), (-1, 8)),
            lambda x: tf.reshape(tf.reshape(x, (-1,)), (-1, 2, 2, 2)),
        ],
        [lambda x: tf.reduce_sum(tf.reshape(x, (8, -1)), 0)],
    ),
    "ExpandDims": (
        [lambda x: tf.expand_dims(x, 0), lambda x: tf.expand_dims(x, 2)],
        [],
    ),
    "Squeeze": ([lambda x: tf.squeeze(x[:, tf.newaxis, :1], [1, 2])], []),
    "Transpose": (
        [
            lambda x: tf.transpose(x, (2, 0, 1)),
            lambda x: tf.reshape(tf.transpose(x, (1, 0, 2)), (-1, 4)),
        ],
        [],
    ),
    "ConcatV2": (
        [
            lambda x: tf.concat([x, 2.0 * x], 0),
            lambda x: tf.concat([x, x, 3.0 * x], -1),
            lambda x: tf.concat([x, tf.ones((tf.shape(x)[0], 1, 4))], 1),
        ],
        [
            lambda x: tf.concat([x, tf.ones((1, 2, 4))], 0),
            lambda x: tf.concat([tf.reshape(x, (-1, 4)), tf.reshape(x, (-1, 4))], 0),
        ],
    ),
    "Pack": ([lambda x: tf.stack([x, x]), lambda x: tf.stack([x, 2.0 * x], 2)], []),
    "Unpack": (
        [
            lambda x: tf.unstack(x, axis=1)[1],
            lambda x: tf.unstack(tf.transpose(x, (1, 0, 2)))[0],
        ],
        [],
    ),
    "Split": (
        [
            lambda x: tf.split(tf.concat([x, 2.0 * x], 0), 2)[1],
            lambda x: tf.split(x, 2, axis=2)[1],
        ],
        [lambda x: tf.split(tf.reshape(x, (-1, 4)), 2)[1]],
    ),
    "SplitV": (
        [lambda x: tf.split(x, [1, 3], axis=2)[1]],
        [lambda x: tf.split(x, [7, tf.shape(x)[0] - 7])[1]],
    ),
    "Slice": (
        [
            lambda x: tf.slice(x, [0, 1, 0], [-1, 1, 2]),
            lambda x: tf.slice(
                tf.concat([x, x], 0), [tf.shape(x)[0], 0, 0], [tf.shape(x)[0], 2, 4]
            ),
        ],
        [
            lambda x: tf.slice(x, [3, 0, 0], [-1, 2, 4]),
            lambda x: tf.slice(x, [0, 0, 0], [-1, 2, tf.minimum(tf.shape(x)[0], 3)]),
        ],
    ),
    "StridedSlice": (
        [
            lambda x: x[:, 1, ::2],
            lambda x: x[..., 1:3],
            lambda x: x[:, tf.newaxis, :1],
            lambda x: tf.concat([x, x], 0)[tf.shape(x)[0] :],
            lambda x: tf.concat([x, x], 0)[: tf.shape(x)[0], 0],
            lambda x: tf.transpose(x, (1, 0, 2))[1],
        ],
        [
            lambda x: x[1:],
            lambda x: x[::-1],
            lambda x: x[0],
            lambda x: x[:, :, : tf.minimum(2, tf.shape(x)[0])],
            lambda x: tf.concat([x, x], 0)[tf.shape(x)[0] // 2 :][: tf.shape(x)[0]],
        ],
    ),
    "StridedSliceGrad": (
        [
            lambda x: gradient(lambda y: y[:, 1, ::2], x),
            lambda x: gradient(lambda y: tf.concat([y, y], 0)[tf.shape(y)[0] :], x),
        ],
        [lambda x: gradient(lambda y: y[1:], x)],
    ),
    "Tile": (
        [lambda x: tf.tile(x, [2, 1, 3])],
        [lambda x: tf.tile(tf.reshape(x, (-1, 4)), [2, 1])],
    ),
    "BroadcastTo": ([lambda x: tf.broadcast_to(x, (3, tf.shape(x)[0], 2, 4))], []),
    "Pad": (
        [lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2]])],
        [lambda x: tf.pad(x, [[1, 0], [0, 0], [0, 0]])[:-1]],
    ),
    "PadV2": ([lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2]], constant_values=2.0)], []),
    "MirrorPad": ([lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2]], "REFLECT")], []),
    "MirrorPadGrad": (
        [
            lambda x: raw.MirrorPadGrad(
                input=x, paddings=[[0, 0], [0, 0], [1, 1]], mode="REFLECT"
            )
        ],
        [],
    ),
    "SpaceToBatchND": (
        [lambda x: raw.SpaceToBatchND(input=x, block_shape=[2], paddings=[[0, 0]])],
        [],
    ),
    "BatchToSpaceND": (
        [
            lambda x: raw.BatchToSpaceND(
                input=tf.concat([x, 2.0 * x], 0), block_shape=[2], crops=[[0, 0]]
            )
        ],
        [
            lambda x: raw.BatchToSpaceND(
                input=tf.concat([x, x, x], 0)[: 2 * (3 * tf.shape(x)[0] // 2)],
                block_shape=[2],
                crops=[[0, 0]],
            )
        ],
    ),
    "OneHot": (
        [
            lambda x: tf.one_hot(tokens(x), 6),
            lambda x: tf.one_hot(tokens(x), 6, axis=0),
        ],
        [],
    ),
    "GatherV2": (
        [
            lambda x: tf.gather(x, [1, 0, 3], axis=2),
            lambda x: tf.gather(tf.transpose(x, (1, 2, 0)), [[1, 0], [2, 3]], axis=1),
            lambda x: tf.gather(TABLE, tokens(x)),
            lambda x: tf.gather(TABLE, tokens(x) % 4, axis=1),
            lambda x: tf.gather(x[:, 0], tokens(x) % 4, batch_dims=1),
        ],
        [
            lambda x: tf.gather(x, tf.range(tf.shape(x)[0])[::-1]),
            lambda x: tf.gather(x, tokens(x)[:, 0]),
            lambda x: tf.gather(x, tokens(x) % 2, axis=1),
        ],
    ),
    "ResourceGather": ([lambda x: tf.gather(VARIABLE, tokens(x))], []),
    "GatherNd": (
        [lambda x: tf.gather_nd(TABLE, tf.stack([tokens(x), tokens(x) % 4], -1))],
        [lambda x: tf.gather_nd(x, tokens(x)[:, :1])],
    ),
    "MatMul": (
        [
            lambda x: tf.matmul(x[:, 0], TABLE[:4]),
            lambda x: tf.matmul(x[:, 0], TABLE, transpose_b=True),
            lambda x: tf.matmul(TABLE, x[:, 0], transpose_b=True),
        ],
        [
            lambda x: tf.matmul(x[:, 0], x[:, 1], transpose_a=True),
            lambda x: tf.matmul(x[:, 0], x[:, 1], transpose_b=True),
        ],
    ),
    "BatchMatMul": ([], []),
    "BatchMatMulV2": (
        [
            lambda x: tf.matmul(x, x, transpose_b=True),
            lambda x: tf.matmul(x, TABLE[:4]),
            lambda x: tf.matmul(TABLE, x[:, tf.newaxis], transpose_b=True),
        ],
        [
            lambda x: tf.matmul(tf.transpose(x, (1, 0, 2)), tf.transpose(x, (1, 2, 0))),
            lambda x: tf.matmul(x[tf.newaxis], x[:, tf.newaxis], transpose_b=True),
        ],
    ),
    "BatchMatMulV3": (
        [
            lambda x: raw.BatchMatMulV3(x=x, y=x, adj_y=True, Tout=tf.float32),
        ],
        [],
    ),
    "Einsum": (
        [
            lambda x: tf.einsum("nij->jni", x),
            lambda x: tf.einsum("nij,nkj->nik", x, x),
            lambda x: tf.einsum("...j,jk->...k", x, TABLE[:4, :3]),
            lambda x: tf.einsum("nij,...->nij...", x, TABLE),
        ],
        [
            lambda x: tf.einsum("nij,mij->nm", x, x),
            lambda x: tf.einsum("nij->ij", x),
            lambda x: tf.einsum("nii->i", x[:, :, :2]),
        ],
    ),
}
VARIABLE = tf.Variable(TABLE)
# What makes rows out of nothing has tests of its own below; one is a part of others.
NO_CASE = {"Fill"}


def gradient(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.square(function(x)))
    return tape.gradient(y, x)


@pytest.mark.parametrize("kind", HANDLED)
def test_an_operation_that_moves_rows(kind):
    good, bad = HANDLED[kind]
    for function in good:
        assert check(lambda x, seed, function=function: function(x))
    for function in bad:
        state = layout_of(lambda x, seed, function=function: function(x))
        assert isinstance(state, Unknown), state


@pytest.mark.parametrize(
    "function",
    [
        lambda n: tf.fill((n, 3), 2.0),
        lambda n: tf.broadcast_to(TABLE[0], (n, 4)),
        lambda n: tf.tile(TABLE[:1], [n, 1]),
        lambda n: tf.zeros((n, 3)),
    ],
)
def test_equal_rows_belong_to_their_records(function):
    assert isinstance(layout_of(lambda x, seed: function(tf.shape(x)[0])), Rows)


@pytest.mark.parametrize(
    "function",
    [
        lambda n: tf.range(n),
        lambda n: tf.eye(n),
        lambda n: tf.tile(TABLE[:2], [n, 1]),
        lambda n: tf.cumsum(tf.ones((n, 3))),
        lambda n: tf.linspace(0.0, 1.0, n),
        lambda n: tf.one_hot(tf.range(n), 5),
    ],
)
def test_rows_that_differ_by_their_place_are_not_believed(function):
    assert isinstance(layout_of(lambda x, seed: function(tf.shape(x)[0])), Unknown)


@pytest.mark.parametrize("kind", sorted(row_operations.DRAWING))
def test_draws_from_the_secret_seed_are_rows_and_others_are_not(kind):
    drawing = getattr(raw, kind)
    limits = {"minval": 0, "maxval": 9} if "UniformInt" in kind else {}
    dtype = {"dtype": tf.uint32} if "FullInt" in kind else {}

    def draw(x, seed):
        shape = (tf.shape(x)[0], 3)
        if not kind.endswith("V2"):
            return drawing(shape=shape, seed=seed, **limits, **dtype)
        key, counter = raw.StatelessRandomGetKeyCounter(seed=seed)
        return drawing(shape=shape, key=key, counter=counter, alg=1, **limits, **dtype)

    assert isinstance(layout_of(draw), Rows)
    known = tf.constant([1, 2], tf.int64)
    assert isinstance(layout_of(lambda x, seed: draw(x, known)), Unknown)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tf.shape(x)[0], COUNT),
        (lambda x: 1.0 / x.shape[0] + TABLE, COUNT),
        (lambda x: tf.sqrt(tf.cast(tf.shape(x)[0], tf.float32)), COUNT),
        (lambda x: tf.shape(x)[1], SHARED),
        (lambda x: TABLE[1:] * 2.0, SHARED),
    ],
)
def test_what_depends_on_the_number_of_records_is_told(function, expected):
    assert layout_of(lambda x, seed: tf.identity(function(x))) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / x.shape[0],
        lambda x: x / tf.cast(tf.shape(x)[0], tf.float32),
        lambda x: x * (1.0 / x.shape[0]),
        lambda x: tf.nn.leaky_relu(x, 1.0 / x.shape[0]),
        lambda x: x if x.shape[0] % 4 == 3 else tf.tanh(x),
        lambda x: (tf.sin(x), tf.tanh(x))[x.shape[0] % 4 == 3],
        lambda x: tf.cond(tf.shape(x)[0] > 5, lambda: x, lambda: 2.0 * x),
        lambda x: tf.while_loop(
            lambda i, y: i < tf.shape(x)[0], lambda i, y: (i + 1, 0.9 * y), (0, x)
        )[1],
        lambda x: x[:, : tf.shape(x)[0]],
        # The same for 10,007 and 10,009 records, and another for others.
        lambda x: x * tf.cast(tf.shape(x)[0] % 2, tf.float32),
        lambda x: x * tf.cast(tf.shape(x)[0] // 16, tf.float32),
        lambda x: x * tf.cast(tf.minimum(tf.shape(x)[0], 64), tf.float32),
        lambda x: x * tf.cast(tf.maximum(64 - tf.shape(x)[0], 0), tf.float32),
        lambda x: x * tf.cast(tf.shape(x)[0] > 64, tf.float32),
        lambda x: x * tf.cast((tf.shape(x) // 16)[0], tf.float32),
        lambda x: x * tf.cast((tf.shape(x) // [16, 1, 1])[0], tf.float32),
        lambda x: x * tf.reduce_sum(tf.ones([tf.shape(x)[0] // 16])),
        lambda x: tf.reduce_sum(
            tf.tile(x[:, None], [1, tf.shape(x)[0] // 16, 1, 1]), 1
        ),
        # Sizes that are as many as the records, on another axis than theirs.
        lambda x: tf.reduce_sum(tf.tile(x[:, None], [1, tf.shape(x)[0], 1, 1]), 1),
        lambda x: tf.reduce_sum(
            tf.broadcast_to(x[:, None], [tf.shape(x)[0], *x.shape]), 1
        ),
        lambda x: (
            x
            * tf.cast(
                raw.TensorListLength(
                    input_handle=raw.TensorListReserve(
                        element_shape=[2],
                        num_elements=tf.shape(x)[0],
                        element_dtype=tf.float32,
                    )
                ),
                tf.float32,
            )
        ),
        lambda x: raw.AdjustContrastv2(images=x, contrast_factor=2.0),
    ],
)
def test_a_row_that_depends_on_the_number_of_records_is_not_believed(function):
    assert isinstance(layout_of(lambda x, seed: function(x)), Unknown)


def test_function_calls_branches_and_loops_are_looked_into():
    mean = tf.function(lambda x: x - tf.reduce_mean(x, 0))
    double = tf.function(lambda x: 2.0 * x)

    def looped(function):
        return lambda x: tf.while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, function(y)), (0, x)
        )[1]

    def branched(function):
        return lambda x: tf.cond(tf.constant(False), lambda: function(x), lambda: x)

    for wrap in (lambda f: f, looped, branched, lambda f: looped(branched(f))):
        good, bad = wrap(double), wrap(mean)
        assert check(lambda x, seed, f=good: f(x))
        assert isinstance(layout_of(lambda x, seed, f=bad: f(x)), Unknown)
    by_record = layout_of(
        lambda x, seed: tf.cond(x[0, 0, 0] > 0, lambda: x, lambda: -x)
    )
    assert isinstance(by_record, Unknown)


def test_lists_of_loops_are_followed():
    def steps(x):
        return tf.transpose(tf.map_fn(tf.tanh, tf.transpose(x, (1, 0, 2))), (1, 0, 2))

    assert check(lambda x, seed: steps(x))
    over_records = layout_of(lambda x, seed: tf.map_fn(tf.tanh, x))
    assert isinstance(over_records, Unknown | ListOf)


def test_a_gradient_of_the_users_own_is_not_believed():
    @tf.custom_gradient
    def mixing(x):
        return tf.identity(x), lambda g: g - tf.reduce_mean(g, 0)

    assert isinstance(layout_of(lambda x, seed: mixing(x)), Unknown)
    assert check(lambda x, seed: tf.nn.silu(x))


def test_an_operation_that_is_not_listed_is_not_believed(monkeypatch):
    assert "Bincount" not in row_operations.covered_types()
    state = layout_of(lambda x, seed: raw.Betainc(a=x, b=x, x=x))
    assert state == Unknown("Betainc (Betainc)")
