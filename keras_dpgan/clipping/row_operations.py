"""Operations that are known to keep the records apart, and what each does to rows.

An operation that is not here makes its results `Unknown`, unless it sees no record.
So an operation that is new in TensorFlow, or missing here, costs speed and never the
guarantee. Each entry has a test in `tests/clipping/test_row_operations.py`.
"""

import collections.abc
import math

import numpy as np
import tensorflow as tf

from keras_dpgan.clipping.row_state import NUM_RECORDS
from keras_dpgan.clipping.row_state import SECRET
from keras_dpgan.clipping.row_state import Rows
from keras_dpgan.clipping.row_state import Sizes
from keras_dpgan.clipping.row_state import filled
from keras_dpgan.clipping.row_state import is_free_of_records

# Each number of the result depends on the numbers at the same place alone, after
# broadcasting.
ELEMENTWISE = frozenset(
    """
    Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh BitwiseAnd BitwiseOr
    BitwiseXor Bucketize Cast Ceil ClipByValue Cos Cosh DebugGradientIdentity
    Digamma Div DivNoNan Elu EluGrad EnsureShape Equal Erf Erfc Erfinv Exp Expm1
    Floor FloorDiv FloorMod Greater GreaterEqual Identity InvGrad IsFinite IsInf
    IsNan LeakyRelu LeakyReluGrad LeftShift Less LessEqual Lgamma Log Log1p
    LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan Ndtri Neg
    NextAfter NotEqual OnesLike Pow PreventGradient RealDiv Reciprocal
    ReciprocalGrad Relu Relu6 Relu6Grad ReluGrad RightShift Rint Round Rsqrt
    RsqrtGrad SelectV2 Selu SeluGrad Sigmoid SigmoidGrad Sign Sin Sinh Snapshot
    Softplus SoftplusGrad Softsign SoftsignGrad Sqrt SqrtGrad Square
    SquaredDifference StopGradient Sub Tan Tanh TanhGrad TruncateDiv TruncateMod
    Xdivy Xlog1py Xlogy ZerosLike Zeta
    """.split()
)

# Reductions over the axes of their second input.
REDUCTIONS = frozenset(
    "All Any ArgMax ArgMin EuclideanNorm Max Mean Min Prod Sum".split()
)

# They work on each row of the first axis by itself. Per type, the inputs that may have
# such rows; the others must be the same for all records.
BY_FIRST_AXIS = {
    "AdjustContrastv2": {0},
    "AvgPool": {0},
    "AvgPool3D": {0},
    "AvgPool3DGrad": {1},
    "AvgPoolGrad": {1},
    "BiasAdd": {0},
    "Conv2D": {0},
    "Conv2DBackpropInput": {2},
    "Conv3D": {0},
    "Conv3DBackpropInputV2": {2},
    "DepthToSpace": {0},
    "DepthwiseConv2dNative": {0},
    "DepthwiseConv2dNativeBackpropInput": {2},
    "Dilation2D": {0},
    "ExtractImagePatches": {0},
    "HSVToRGB": {0},
    "ImageProjectiveTransformV3": {0, 1},
    "LRN": {0},
    "MaxPool": {0},
    "MaxPool3D": {0},
    "MaxPool3DGrad": {0, 1, 2},
    "MaxPool3DGradGrad": {0, 1, 2},
    "MaxPoolGrad": {0, 1, 2},
    "MaxPoolGradGrad": {0, 1, 2},
    "RGBToHSV": {0},
    "ResizeBicubic": {0},
    "ResizeBilinear": {0},
    "ResizeBilinearGrad": {0, 1},
    "ResizeNearestNeighbor": {0},
    "ResizeNearestNeighborGrad": {0},
    "SoftmaxCrossEntropyWithLogits": {0, 1},
    "SpaceToDepth": {0},
    "SparseSoftmaxCrossEntropyWithLogits": {0, 1},
}

# They work along the last axes, as many as given, and on each place of the others by
# itself.
BY_LAST_AXES = {
    "LogSoftmax": 1,
    "MatrixBandPart": 2,
    "MatrixInverse": 2,
    "Softmax": 1,
    "TopKV2": 1,
}

# They work along one axis. Per type, the input that names it.
ALONG_AN_AXIS = {
    "Cumprod": 1,
    "Cumsum": 1,
    "CumulativeLogsumexp": 1,
    "ReverseV2": 1,
    "Roll": 2,
}

# Their results may be of any size without a record in it.
ABOUT_SHAPES = frozenset(
    """
    BroadcastGradientArgs ConcatOffset InvertPermutation Rank Shape ShapeN Size
    """.split()
)

# They select numbers, and compute none.
TAKING = frozenset(
    """
    BroadcastGradientArgs ConcatOffset ExpandDims GatherV2 Identity Rank Reshape Shape
    ShapeN Size Slice Split Squeeze StridedSlice Unpack
    """.split()
)

# Per type, the inputs that say how large something is, or which part of it is taken.
# These may depend on the number of records.
SIZES = {
    "AvgPool3DGrad": {0},
    "AvgPoolGrad": {0},
    "BroadcastTo": {1},
    "Conv2DBackpropInput": {0},
    "Conv3DBackpropInputV2": {0},
    "DepthwiseConv2dNativeBackpropInput": {0},
    "EmptyTensorList": {0, 1},
    "Fill": {0},
    "Reshape": {1},
    "Slice": {1, 2},
    "StridedSlice": {1, 2},
    "StridedSliceGrad": {0, 1, 2},
    "TensorListFromTensor": {1},
    "TensorListGetItem": {2},
    "TensorListPopBack": {1},
    "TensorListReserve": {0},
    "TensorListStack": {1},
    "Tile": {1},
}

# They make rows that are all equal.
FILLING = frozenset("BroadcastTo Fill".split())

# They draw from a seed that they are given, independently for each number.
DRAWING = frozenset(
    """
    StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
    StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2
    StatelessTruncatedNormal StatelessTruncatedNormalV2
    """.split()
)
SIZES |= dict.fromkeys(DRAWING, {0})

# Operations that make rows from sizes, a value and a seed alone.
MAKING_ROWS = FILLING | DRAWING | {"Tile"}

_HANDLERS: dict[str, collections.abc.Callable] = {}


def handler_of(kind):
    """The function `(operation, states) -> states` of a type, or `None`.

    It is asked where at least one input has rows and none is unknown. It returns a
    state, or a list with one for each output, or `None` for unknown.
    """
    if kind in ELEMENTWISE:
        return _elementwise
    if kind in REDUCTIONS:
        return _reduction
    if kind in BY_FIRST_AXIS:
        return _by_first_axis
    if kind in BY_LAST_AXES:
        return _by_last_axes
    if kind in ALONG_AN_AXIS:
        return _along_an_axis
    return _HANDLERS.get(kind)


def covered_types():
    """The types of all operations that are known here."""
    groups = (ELEMENTWISE, REDUCTIONS, BY_FIRST_AXIS, BY_LAST_AXES, ALONG_AN_AXIS)
    return frozenset().union(*groups, FILLING, DRAWING, _HANDLERS)


def static_value(tensor):
    """The value of a tensor as far as it is known while tracing, or `None`."""
    value = tf.get_static_value(tensor)
    if tensor.op.type == "ShapeN":
        shape = tensor.op.inputs[tensor.value_index].shape
        return np.array(shape) if shape.is_fully_defined() else None
    compute = _COMPUTED.get(tensor.op.type)
    if value is not None or compute is None:
        return value
    arguments = [static_value(t) for t in tensor.op.inputs]
    if any(a is None for a in arguments):
        return None
    return np.array(compute(tensor.op, *arguments)[tensor.value_index])


def _concat_offsets(_, axis, *shapes):
    offsets, total = [], 0
    for shape in shapes:
        offsets.append([total if i == axis else 0 for i in range(len(shape))])
        total += int(shape[axis])
    return offsets


def _reduced_axes(_, first, second):
    """The axes over which the gradients of a broadcast's two operands are summed."""
    rank = max(len(first), len(second))
    shapes = [[1] * (rank - len(s)) + [int(x) for x in s] for s in (first, second)]
    return [
        [i for i in range(rank) if own[i] == 1 and (other[i] != 1 or i < missing)]
        for own, other, missing in (
            (shapes[0], shapes[1], rank - len(first)),
            (shapes[1], shapes[0], rank - len(second)),
        )
    ]


def _strided_part(operation, values, begin, end, strides):
    """A `StridedSlice` of one axis, as gradients take parts of shapes."""
    if np.ndim(values) != 1 or operation.get_attr("shrink_axis_mask"):
        return [values[int(begin[0])]]
    part = slice(
        None if operation.get_attr("begin_mask") else int(begin[0]),
        None if operation.get_attr("end_mask") else int(end[0]),
        int(strides[0]),
    )
    return [values[part]]


def _part(_, values, begin, size):
    parts = [
        slice(b, None if s < 0 else b + s) for b, s in zip(begin, size, strict=True)
    ]
    return [values[tuple(parts)]]


# What layers and gradients compute from shapes, which TensorFlow does not tell.
_COMPUTED: dict[str, collections.abc.Callable] = {
    "AddV2": lambda _, a, b: [np.add(a, b)],
    "BroadcastGradientArgs": _reduced_axes,
    "ConcatOffset": _concat_offsets,
    "ConcatV2": lambda _, *values: [np.concatenate(values[:-1], int(values[-1]))],
    "ExpandDims": lambda _, values, axis: [np.expand_dims(values, int(axis))],
    "FloorMod": lambda _, values, divisor: [np.mod(values, divisor)],
    "Identity": lambda _, values: [values],
    "FloorDiv": lambda _, a, b: [np.floor_divide(a, b)],
    "InvertPermutation": lambda _, order: [np.argsort(order)],
    "Maximum": lambda _, a, b: [np.maximum(a, b)],
    "Mul": lambda _, a, b: [np.multiply(a, b)],
    "Pack": lambda operation, *values: [np.stack(values, operation.get_attr("axis"))],
    "Prod": lambda _, values, axes: [np.prod(values, tuple(np.ravel(axes)))],
    "Reshape": lambda _, values, shape: [np.reshape(values, shape)],
    "Slice": _part,
    "StridedSlice": _strided_part,
    "Sub": lambda _, a, b: [np.subtract(a, b)],
    "Transpose": lambda _, values, order: [np.transpose(values, order)],
}


def _handles(*kinds):
    def register(handler):
        _HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def shape_of(tensor, state=None):
    """The static shape, as a tuple of ints and `None`; `None` without a rank."""
    if isinstance(state, Rows):
        return state.shape
    return None if tensor.shape.rank is None else tuple(tensor.shape)


def _axis_of(value, rank):
    """An axis given by a static number, not negative; `None` if not known."""
    if value is None:
        return None
    return int(value) % rank


def _common_place(states, from_the_right=False):
    """The place, and its axis, that all inputs with rows share.

    Args:
        states: List of states.
        from_the_right: Whether axes are counted from the last, as broadcasting does.

    Returns:
        `(place, axis)`, or `None` if they differ or something else is among them.
    """
    found = {}
    for state in states:
        if isinstance(state, Rows) and state.place is not None:
            place = state.place
            axis = place.axis - len(state.shape) if from_the_right else place.axis
            found[axis, place.outer, place.inner] = place, axis
        elif not is_free_of_records(state):
            return None
    return found.popitem()[1] if len(found) == 1 else None


def _elementwise(operation, states):
    if len(states) == 1:
        return states[0]
    common = _common_place(states, from_the_right=True)
    shapes = [shape_of(t, s) for t, s in zip(operation.inputs, states, strict=True)]
    shape = _broadcast(shapes)
    if common is None or shape is None:
        return None
    place, axis = common
    for own, state in zip(shapes, states, strict=True):
        if is_free_of_records(state) and len(own) >= -axis and own[axis] != 1:
            return None
    return place.rows(shape, axis + len(shape))


def _broadcast(shapes):
    if any(s is None or None in s for s in shapes):
        return None
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _reduction(operation, states):
    rows, axes_state = states
    axes = static_value(operation.inputs[1])
    if not is_free_of_records(axes_state) or axes is None or rows.place is None:
        return None
    place, shape = rows.place, rows.shape
    summed = {int(a) % len(shape) for a in np.ravel(axes)}
    if place.axis in summed:
        return None
    keeps = operation.type not in ("ArgMax", "ArgMin") and operation.get_attr(
        "keep_dims"
    )
    kept = [
        1 if i in summed else s for i, s in enumerate(shape) if keeps or i not in summed
    ]
    axis = place.axis if keeps else place.axis - sum(a < place.axis for a in summed)
    return place.rows(tuple(kept), axis)


def _by_first_axis(operation, states):
    allowed = BY_FIRST_AXIS[operation.type]
    common = _common_place(states)
    if common is None or common[1] != 0:
        return None
    if operation.type == "AdjustContrastv2" and len(states[0].shape) < 4:
        # The first of three axes is the height, over which it takes a mean.
        return None
    if any(isinstance(s, Rows) and i not in allowed for i, s in enumerate(states)):
        return None
    return [_same_axis(common[0], output) for output in operation.outputs]


def _by_last_axes(operation, states):
    rows = states[0]
    if not isinstance(rows, Rows) or not all(map(is_free_of_records, states[1:])):
        return None
    place = rows.place
    if place is None or place.axis >= len(rows.shape) - BY_LAST_AXES[operation.type]:
        return None
    return [_same_axis(place, output) for output in operation.outputs]


def _same_axis(place, output):
    shape = shape_of(output)
    return None if shape is None or None in shape else place.rows(shape)


def _along_an_axis(operation, states):
    rows = states[0]
    if not isinstance(rows, Rows) or not all(map(is_free_of_records, states[1:])):
        return None
    axes = static_value(operation.inputs[ALONG_AN_AXIS[operation.type]])
    place = rows.place
    if axes is None or place is None:
        return None
    along = {int(a) % len(rows.shape) for a in np.ravel(axes)}
    return None if place.axis in along else rows


@_handles("Reshape", "ExpandDims", "Squeeze")
def _reshape(operation, states):
    rows = states[0]
    if not isinstance(rows, Rows) or not all(map(is_free_of_records, states[1:])):
        return None
    shape = shape_of(operation.outputs[0])
    if shape is None or None in shape or None in rows.shape:
        return None
    if math.prod(shape) != math.prod(rows.shape):
        return None
    return Rows(shape, rows.stride)


@_handles("Transpose")
def _transpose(operation, states):
    rows, order = states[0], static_value(operation.inputs[1])
    if not isinstance(rows, Rows) or order is None or rows.place is None:
        return None
    order = [int(i) % len(rows.shape) for i in order]
    shape = tuple(rows.shape[i] for i in order)
    return rows.place.rows(shape, order.index(rows.place.axis))


@_handles("ConcatV2")
def _concat(operation, states):
    *parts, axis_state = states
    shapes = [shape_of(t, s) for t, s in zip(operation.inputs[:-1], parts, strict=True)]
    axis = static_value(operation.inputs[-1])
    if not is_free_of_records(axis_state) or any(s is None for s in shapes):
        return None
    axis = _axis_of(axis, len(shapes[0]))
    if axis is None or not all(isinstance(s, Rows) for s in parts):
        return None
    places = [s.place for s in parts]
    if any(p is None for p in places):
        return None
    first = places[0]
    if any((p.axis, p.inner) != (first.axis, first.inner) for p in places):
        return None
    outer = first.outer
    if axis == first.axis:
        if first.inner != 1:
            return None
        outer = sum(p.outer for p in places)
    elif any(p.outer != first.outer for p in places):
        return None
    sizes = [s[axis] for s in shapes]
    if None in sizes:
        return None
    shape = list(shapes[0])
    shape[axis] = sum(sizes)
    return first.rows(tuple(shape), outer=outer)


@_handles("Pack")
def _pack(operation, states):
    if len(set(states)) != 1 or states[0].place is None:
        return None
    rows = states[0]
    axis = _axis_of(operation.get_attr("axis"), len(rows.shape) + 1)
    shape = (*rows.shape[:axis], len(states), *rows.shape[axis:])
    return rows.place.rows(shape, rows.place.axis + (axis <= rows.place.axis))


@_handles("Unpack")
def _unpack(operation, states):
    (rows,) = states
    place = rows.place
    axis = _axis_of(operation.get_attr("axis"), len(rows.shape))
    if place is None or place.axis == axis:
        return None
    shape = (*rows.shape[:axis], *rows.shape[axis + 1 :])
    return [place.rows(shape, place.axis - (axis < place.axis))] * len(
        operation.outputs
    )


@_handles("Split", "SplitV")
def _split(operation, states):
    value, axis = (1, 0) if operation.type == "Split" else (0, 2)
    rows, along = states[value], static_value(operation.inputs[axis])
    if not isinstance(rows, Rows) or rows.place is None or along is None:
        return None
    if not all(is_free_of_records(s) for i, s in enumerate(states) if i != value):
        return None
    place, along = rows.place, _axis_of(along, len(rows.shape))
    found = []
    for output in operation.outputs:
        shape = list(rows.shape)
        size = shape_of(output) and shape_of(output)[along]
        if size is None:
            return None
        shape[along] = size
        outer = place.outer
        if along == place.axis:
            outer, rest = divmod(size, NUM_RECORDS)
            if rest or place.inner != 1:
                return None
        found.append(place.rows(tuple(shape), outer=outer))
    return found


@_handles("Slice")
def _slice(operation, states):
    rows, begin = states[0], static_value(operation.inputs[1])
    size = static_value(operation.inputs[2])
    if not isinstance(rows, Rows) or rows.place is None:
        return None
    if not all(map(is_free_of_records, states[1:])):
        return None
    place = rows.place
    shape = shape_of(operation.outputs[0])
    if size is None or begin is None or shape is None or None in shape:
        return None
    if _varies_elsewhere(states[1:], place.axis):
        return None
    start = int(begin[place.axis])
    outer = _outer_of_part(place, start, start + shape[place.axis], rows.shape)
    return None if outer is None else place.rows(shape, outer=outer)


def _varies_elsewhere(states, index):
    """Whether sizes depend on the number of records at another index than one."""
    return any(isinstance(s, Sizes) and s.varying - {index} for s in states)


def _outer_of_part(place, start, stop, shape):
    """The `outer` of a part of the records' axis, if it has whole blocks."""
    if (start, stop) == (0, shape[place.axis]):
        return place.outer
    if place.inner != 1 or start % NUM_RECORDS or stop % NUM_RECORDS or stop <= start:
        return None
    return (stop - start) // NUM_RECORDS


@_handles("StridedSlice")
def _strided_slice(operation, states):
    rows = states[0]
    if not isinstance(rows, Rows) or rows.place is None:
        return None
    if not all(map(is_free_of_records, states[1:])):
        return None
    place = rows.place
    spec = _SliceSpec(operation, operation.inputs[1:4], len(rows.shape))
    if _varies_elsewhere(states[1:], spec.index(place.axis)):
        return None
    part = spec.part(place.axis, rows.shape[place.axis])
    shape = shape_of(operation.outputs[0])
    if part is None or shape is None or None in shape:
        return None
    outer = _outer_of_part(place, part[0], part[1], rows.shape)
    axis = spec.output_axis(place.axis)
    return None if outer is None else place.rows(shape, axis, outer)


@_handles("StridedSliceGrad")
def _strided_slice_gradient(operation, states):
    rows, shape = states[4], static_value(operation.inputs[0])
    if not isinstance(rows, Rows) or rows.place is None or shape is None:
        return None
    if not all(map(is_free_of_records, states[:4])):
        return None
    shape, place = tuple(int(s) for s in shape), rows.place
    spec = _SliceSpec(operation, operation.inputs[1:4], len(shape))
    axes = [a for a in range(len(shape)) if spec.output_axis(a) == place.axis]
    if len(axes) != 1:
        return None
    part = spec.part(axes[0], shape[axes[0]])
    if part is None or _varies_elsewhere(states[1:4], spec.index(axes[0])):
        return None
    if part == (0, shape[axes[0]]):
        return place.rows(shape, axes[0])
    blocks, rest = divmod(shape[axes[0]], NUM_RECORDS)
    if rest or place.inner != 1 or part[0] % NUM_RECORDS or part[1] % NUM_RECORDS:
        return None
    return place.rows(shape, axes[0], blocks)


class _SliceSpec:
    """What a `StridedSlice` does to each axis of what it takes."""

    def __init__(self, operation, arguments, rank):
        masks = {
            name: operation.get_attr(f"{name}_mask")
            for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
        }
        self._begin, self._end, self._strides = map(static_value, arguments)
        count = arguments[0].shape[0]

        def bit(name, i):
            return bool(masks[name] >> i & 1)

        consuming = [
            i for i in range(count) if not bit("new_axis", i) and not bit("ellipsis", i)
        ]
        elided = rank - len(consuming)
        # Per axis of the input: its place in the spec, or `None` if it is kept whole,
        # and its axis in the output, or `None` if it is dropped.
        self._axes: list[tuple[int | None, int | None]] = []
        output = 0
        for i in range(count):
            if bit("ellipsis", i):
                self._axes += [(None, output + j) for j in range(elided)]
                output += elided
            elif bit("new_axis", i):
                output += 1
            elif bit("shrink_axis", i):
                self._axes.append((i, None))
            else:
                self._axes.append((i, output))
                output += 1
        while len(self._axes) < rank:
            self._axes.append((None, output))
            output += 1
        self._bit = bit

    def output_axis(self, axis):
        """The axis in the output, or `None` if it is dropped."""
        return self._axes[axis][1]

    def index(self, axis):
        """The place in the spec, or `None` if it is kept whole."""
        return self._axes[axis][0]

    def part(self, axis, size):
        """`(start, stop)` of what is taken of an axis in order; `None` otherwise."""
        i, output = self._axes[axis]
        if output is None:
            return None
        if i is None:
            return 0, size
        if self._strides is None or self._strides[i] != 1:
            return None
        from_begin, to_end = self._bit("begin", i), self._bit("end", i)
        if (self._begin is None and not from_begin) or (
            self._end is None and not to_end
        ):
            return None
        part = slice(
            None if from_begin else int(self._begin[i]),
            None if to_end else int(self._end[i]),
        )
        start, stop, _ = part.indices(size)
        return start, stop


@_handles("Tile")
def _tile(operation, states):
    rows, shape = states[0], shape_of(operation.outputs[0])
    if not isinstance(rows, Rows) or rows.place is None:
        return None
    if shape is None or None in shape or not is_free_of_records(states[1]):
        return None
    place = rows.place
    times = shape[place.axis] // rows.shape[place.axis]
    if times != 1 and place.inner != 1:
        return None
    return place.rows(shape, outer=place.outer * times)


@_handles("BroadcastTo")
def _broadcast_to(operation, states):
    rows, shape = states[0], shape_of(operation.outputs[0])
    if not isinstance(rows, Rows) or rows.place is None:
        return None
    if shape is None or None in shape:
        return None
    axis = rows.place.axis + len(shape) - len(rows.shape)
    return rows.place.rows(shape, axis)


@_handles("Pad", "PadV2", "MirrorPad", "MirrorPadGrad")
def _pad(operation, states):
    rows, paddings = states[0], static_value(operation.inputs[1])
    if not isinstance(rows, Rows) or rows.place is None or paddings is None:
        return None
    if not all(map(is_free_of_records, states[1:])):
        return None
    if np.any(paddings[rows.place.axis]):
        return None
    return _same_axis(rows.place, operation.outputs[0])


@_handles("SpaceToBatchND")
def _space_to_batch(operation, states):
    rows, block = states[0], static_value(operation.inputs[1])
    if not all(map(is_free_of_records, states[1:])) or block is None:
        return None
    if rows.blocks is None:
        return None
    return _in_blocks(operation, rows.blocks * int(np.prod(block)))


@_handles("BatchToSpaceND")
def _batch_to_space(operation, states):
    rows, block = states[0], static_value(operation.inputs[1])
    if not all(map(is_free_of_records, states[1:])) or block is None:
        return None
    if rows.blocks is None or rows.blocks % int(np.prod(block)):
        return None
    return _in_blocks(operation, rows.blocks // int(np.prod(block)))


def _in_blocks(operation, blocks):
    shape = shape_of(operation.outputs[0])
    if shape is None or None in shape or shape[0] != blocks * NUM_RECORDS:
        return None
    return Rows(shape, math.prod(shape[1:]))


@_handles("OneHot")
def _one_hot(operation, states):
    rows = states[0]
    if not isinstance(rows, Rows) or rows.place is None:
        return None
    if not all(map(is_free_of_records, states[1:])):
        return None
    shape = shape_of(operation.outputs[0])
    if shape is None or None in shape:
        return None
    axis = operation.get_attr("axis")
    axis = len(rows.shape) if axis == -1 else axis
    return rows.place.rows(shape, rows.place.axis + (axis <= rows.place.axis))


@_handles("GatherV2")
def _gather(operation, states):
    params, indices, axis_state = states
    if not is_free_of_records(axis_state):
        return None
    params_shape = shape_of(operation.inputs[0], params)
    indices_shape = shape_of(operation.inputs[1], indices)
    axis = static_value(operation.inputs[2])
    if params_shape is None or indices_shape is None:
        return None
    axis = _axis_of(axis, len(params_shape))
    batch = operation.get_attr("batch_dims")
    if axis is None or batch < 0:
        return None
    found = set()
    shape = (*params_shape[:axis], *indices_shape[batch:], *params_shape[axis + 1 :])
    for position, state in enumerate(states[:2]):
        if not isinstance(state, Rows):
            continue
        place = state.place
        if place is None:
            return None
        if position == 0:
            if place.axis == axis:
                return None
            shift = len(indices_shape) - batch - 1 if place.axis > axis else 0
        else:
            shift = axis - batch if place.axis >= batch else 0
        found.add((place.axis + shift, place.outer, place.inner))
    if len(found) != 1:
        return None
    ((out_axis, *_),) = found
    # On a batch axis both are walked through side by side; on others one alone may
    # run over the records.
    if all(isinstance(s, Rows) for s in states[:2]) != (out_axis < batch):
        return None
    place = next(s for s in states[:2] if isinstance(s, Rows)).place
    return None if None in shape else place.rows(shape, out_axis)


@_handles("ResourceGather")
def _resource_gather(operation, states):
    table, indices = states
    if not is_free_of_records(table) or indices.place is None:
        return None
    if operation.get_attr("batch_dims"):
        return None
    return _same_axis(indices.place, operation.outputs[0])


@_handles("GatherNd")
def _gather_nd(operation, states):
    params, indices = states
    if not is_free_of_records(params) or indices.place is None:
        return None
    if indices.place.axis == len(indices.shape) - 1:
        return None
    return _same_axis(indices.place, operation.outputs[0])


@_handles("MatMul")
def _matmul(operation, states):
    first = "ki" if operation.get_attr("transpose_a") else "ik"
    second = "jk" if operation.get_attr("transpose_b") else "kj"
    return _contraction(operation, states, [first, second], "ij")


@_handles("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def _batch_matmul(operation, states):
    ranks = [t.shape.rank for t in operation.inputs]
    if None in ranks:
        return None
    letters = "zyxwvutsrq"
    batch = [letters[: r - 2][::-1] for r in ranks]
    first = "ki" if operation.get_attr("adj_x") else "ik"
    second = "jk" if operation.get_attr("adj_y") else "kj"
    longer = max(batch, key=len)
    return _contraction(
        operation, states, [batch[0] + first, batch[1] + second], longer + "ij"
    )


@_handles("Einsum")
def _einsum(operation, states):
    equation = operation.get_attr("equation").decode().replace(" ", "")
    if "->" not in equation:
        return None
    left, output = equation.split("->")
    operands = left.split(",")
    letters = [c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWV" if c not in equation]
    ranks = [t.shape.rank for t in operation.inputs]
    if None in ranks or len(operands) != len(ranks):
        return None
    longest = ""
    for i, operand in enumerate(operands):
        if "..." in operand:
            width = ranks[i] - (len(operand) - 3)
            # The axes of an ellipsis are aligned at their last.
            elided = "".join(letters[:width][::-1])
            longest = max(longest, elided, key=len)
            operands[i] = operand.replace("...", elided)
    return _contraction(operation, states, operands, output.replace("...", longest))


def _contraction(operation, states, operands, output):
    """A product of tensors, summed over the letters that the output lacks."""
    letters = set()
    for letters_of, state in zip(operands, states, strict=True):
        if not isinstance(state, Rows):
            if not is_free_of_records(state):
                return None
            continue
        place = state.place
        if place is None or len(letters_of) != len(state.shape):
            return None
        letter = letters_of[place.axis]
        if letters_of.count(letter) != 1:
            return None
        letters.add((letter, place.outer, place.inner))
    if len(letters) != 1:
        return None
    (letter, *_) = letters.pop()
    if output.count(letter) != 1:
        return None
    for tensor, letters_of, state in zip(
        operation.inputs, operands, states, strict=True
    ):
        if not isinstance(state, Rows) and letter in letters_of:
            shape = shape_of(tensor)
            if shape is None or shape[letters_of.index(letter)] != 1:
                return None
    place = next(s for s in states if isinstance(s, Rows)).place
    shape = shape_of(operation.outputs[0])
    if shape is None or None in shape or len(shape) != len(output):
        return None
    return place.rows(shape, output.index(letter))


def made_of_shared(operation, free):
    """The states of what an operation makes that sees no record.

    Args:
        operation: The operation.
        free: `SHARED`, `SECRET` or `COUNT`, what it is computed from.

    Returns:
        List with a state for each output; `None` for unknown.
    """
    return [_made_of_shared(operation, output, free) for output in operation.outputs]


def _made_of_shared(operation, output, free):
    kind, shape = operation.type, shape_of(output)
    if kind in ABOUT_SHAPES or output.dtype in (tf.resource, tf.variant):
        return free
    if shape is None or None in shape:
        return None if static_value(output) is None else free
    state = filled(shape)
    if not isinstance(state, Rows):
        return state and free
    # Something has made an axis over the records: its rows must be equal, or drawn.
    if (
        kind in FILLING
        or (kind == "Tile" and operation.inputs[0].shape[state.place.axis] == 1)
        or (kind in DRAWING and free is SECRET)
    ):
        return state
    return None
