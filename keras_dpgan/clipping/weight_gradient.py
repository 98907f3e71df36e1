"""All parts of one weight's gradient, and the cheapest way to compute its norm."""

import dataclasses
import math
import typing

import tensorflow as tf

from keras_dpgan.clipping import norms
from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.clipping.convolution_terms import ConvolutionTerm
from keras_dpgan.clipping.recording import Use
from keras_dpgan.clipping.terms import ProductTerm

# What moving one number through memory costs, in multiplications. Measured on
# a CPU; the choice between two forms is seldom close.
_COST_OF_MOVING = 60

# The numbers that the temporary tensors of one chunk of records may hold, so
# that they stay in a processor's cache.
_CHUNK_NUMBERS = 5_000_000

# The most summands of a `PatchGramPlan`: its index tables are constants.
_MOST_SUMMANDS = 4_000_000

# A norm whose error bound is larger than this part of it is computed anew from
# the product itself, which cancels less.
_TOLERATED_ERROR = 1e-4


@dataclasses.dataclass(frozen=True)
class Part:
    """One use of a weight, in the forward or in the backward pass.

    Attributes:
        use: The `Use`.
        term: The `Term`.
        inputs: Tensor of shape `(blocks * n, ...)`, as the term takes it.
        gradients: Tensor of shape `(blocks * n, ...)`.
    """

    use: Use
    term: typing.Any
    inputs: tf.Tensor
    gradients: tf.Tensor

    @property
    def blocks(self):
        return self.use.blocks

    @property
    def shapes(self):
        return tuple(self.inputs.shape), tuple(self.gradients.shape)

    def sizes(self):
        return self.term.sizes(*self.shapes)


def chunk_size(weights):
    """The number of records whose norms to compute at once.

    Args:
        weights: List of `WeightGradient`.

    Returns:
        Int.
    """
    numbers = max(weight.temporary_numbers() for weight in weights)
    return max(1, _CHUNK_NUMBERS // max(1, numbers))


class Chunk:
    """The rows of some records in the tensors of a backward pass.

    Args:
        start: int32 scalar, the first record.
        size: int32 scalar, the number of records.
        n: int32 scalar, the number of all records.
    """

    def __init__(self, start, size, n):
        self._start = start
        self._size = size
        self._n = n
        self._bounds = {}
        self._rows = {}
        self._norms = {}

    def one(self, i):
        """The `Chunk` of a single one of the records."""
        return Chunk(self._start + i, 1, self._n)

    def rows(self, tensor, block):
        """The rows of one block, in single precision or better."""
        key = tensor.ref(), block
        if key not in self._rows:
            if block not in self._bounds:
                first = block * self._n + self._start
                self._bounds[block] = first, first + self._size
            first, end = self._bounds[block]
            self._rows[key] = _at_least_single(tensor[first:end])
        return self._rows[key]

    def row_norms(self, tensor, block):
        """The L2 norm of each of these rows, or of their one-hot vectors."""
        if not tensor.dtype.is_floating:
            return float(math.prod(tensor.shape[1:])) ** 0.5
        key = tensor.ref(), block
        if key not in self._norms:
            self._norms[key] = norms.of_rows(self.rows(tensor, block))
        return self._norms[key]


class WeightGradient:
    """The gradient by one variable, from all its parts.

    Args:
        variable: A `keras.Variable`.
        parts: List of `Part`.
    """

    def __init__(self, variable, parts):
        self.variable = variable
        self.parts = parts
        self._plan = self._patch_gram_plan()
        costs = {"direct": self._direct_cost()}
        if all(isinstance(p.term, ProductTerm) for p in parts):
            costs["gram"] = self._gram_cost()
        if self._plan is not None:
            costs["patch_gram"] = self._patch_gram_cost()
        self.form = min(costs, key=lambda form: costs[form])
        size = math.prod(variable.shape)
        activations = sum(_row_numbers(p) * p.blocks for p in parts)
        # Gradients that are no larger than what the backward pass holds anyway
        # are kept, and save the second computation.
        self.keeps_gradients = self.form == "direct" and size <= activations / 2

    @property
    def dtype(self):
        """The dtype of the norms and gradients, float32 or float64."""
        return _at_least_single(self.parts[0].gradients[:0]).dtype

    def _direct_cost(self):
        cost = 3 * _COST_OF_MOVING * math.prod(self.variable.shape)
        for part in self.parts:
            if isinstance(part.term, ProductTerm):
                groups, positions, left, right = part.sizes()
                moved = groups * positions * left
                flops = 2 * groups * positions * left * right
                cost += part.blocks * (flops + _COST_OF_MOVING * moved)
        return cost

    def _gram_cost(self):
        groups, _, left, right = self.parts[0].sizes()
        positions = sum(p.sizes()[1] * p.blocks for p in self.parts)
        pairs = groups * positions**2
        moved = 3 * (pairs + groups * positions * (left + right))
        return 2 * pairs * (left + right) + _COST_OF_MOVING * moved

    def _patch_gram_cost(self):
        plan = self._plan
        _, _, left, right = self.parts[0].sizes()
        channels = left // plan.window.taps
        pairs = plan.num_positions**2
        flops = 2 * plan.num_pixel_pairs * channels + 2 * pairs * right
        moved = 3 * plan.num_pixel_pairs + (6 + plan.window.taps) * pairs
        blocks = sum(p.blocks for p in self.parts)
        return blocks * (blocks + 1) / 2 * (flops + _COST_OF_MOVING * moved)

    def _patch_gram_plan(self):
        if not all(isinstance(p.term, ConvolutionTerm) for p in self.parts):
            return None
        plans = {p.term.gram_plan(*p.shapes) for p in self.parts}
        plan = plans.pop()
        if plans or plan is None:
            return None
        summands = plan.num_positions**2 * plan.window.taps
        return plan if summands <= _MOST_SUMMANDS else None

    def temporary_numbers(self):
        """The numbers held at once while one record's norm is computed."""
        size = math.prod(self.variable.shape)
        numbers = max(_row_numbers(p) for p in self.parts)
        if isinstance(self.parts[0].term, ProductTerm):
            groups, positions, left, _ = self.parts[0].sizes()
            all_positions = sum(p.sizes()[1] * p.blocks for p in self.parts)
            pairs = groups * all_positions**2
            if self.form == "patch_gram":
                return 4 * self._plan.num_pixel_pairs
            if self.form == "gram":
                return max(pairs, groups * all_positions * left)
            numbers = max(numbers, groups * positions * left)
        return max(numbers, size)

    def norm(self, chunk):
        """The norms of some records.

        Args:
            chunk: A `Chunk`.

        Returns:
            `(square, gradients, magnitude)`: a `Square`; and either the records'
            gradients, if they are kept, or what they would amount to if nothing in
            them cancelled, a tensor of shape `(records,)`. The other is `None`.
        """
        blocks = self._blocks(chunk)
        if self.keeps_gradients:
            return *self._direct(blocks), None
        magnitude = tf.add_n([b.magnitude() for b in blocks])
        if self.form == "direct":
            return self._direct(blocks)[0], None, magnitude
        square = self._gram(blocks)
        cancelled = square.error > _TOLERATED_ERROR * square.value
        # A comparison with what is not finite is false: such a record is zero
        # whatever its norm.
        return self._recomputed(square, cancelled, chunk), None, magnitude

    def of_one_record(self, i, n):
        """The gradient of a single record, of the variable's shape.

        Args:
            i: int32 scalar, the record.
            n: int32 scalar, the number of all records.
        """
        return self._direct(self._blocks(Chunk(i, 1, n)))[1][0]

    def _blocks(self, chunk):
        """The `Block` of each part and each row of a record."""
        return [
            Block(chunk, part, block)
            for part in self.parts
            for block in range(part.blocks)
        ]

    def _direct(self, blocks):
        gradients = tf.add_n([b.term.gradient(b.inputs, b.gradients) for b in blocks])
        if self.keeps_gradients:
            # What is measured here is what is added: rounding before it is none
            # of the clip's concern.
            magnitude = None
        else:
            magnitude = tf.add_n([b.magnitude() for b in blocks])
        return norms.of_gradients(gradients, magnitude), gradients

    def _gram(self, blocks):
        square = self._square_of_products(blocks)
        _, _, left, right = self.parts[0].sizes()
        positions = sum(p.sizes()[1] * p.blocks for p in self.parts)
        # Each number is in at most as many patches as a patch has numbers.
        squares = left * sum(b.squares() for b in blocks)
        lost = norms.lost_in_products((positions, left, right), squares)
        return norms.Square(square.value, square.error + lost)

    def _square_of_products(self, blocks):
        if self.form == "patch_gram":
            images = [
                b.term.sliding.channels_last(b.term.image(b.inputs, b.gradients))
                for b in blocks
            ]
            fields = [b.term.right(b.inputs, b.gradients)[:, 0] for b in blocks]
            return norms.of_patch_products(self._plan, images, fields)
        left = tf.concat([b.term.left(b.inputs, b.gradients) for b in blocks], 2)
        right = tf.concat([b.term.right(b.inputs, b.gradients) for b in blocks], 2)
        return norms.of_products(left, right, self.parts[0].term.left_gram)

    def _recomputed(self, square, wanted, chunk):
        """Replaces the wanted records' norms by those of the product itself."""

        def one_by_one():
            def one(i):
                return tf.cond(
                    wanted[i],
                    lambda: tuple(
                        x[0] for x in self._direct(self._blocks(chunk.one(i)))[0]
                    ),
                    lambda: (square.value[i], square.error[i]),
                )

            return tf.map_fn(
                one,
                tf.range(tf.shape(wanted)[0]),
                fn_output_signature=(square.value.dtype, square.error.dtype),
            )

        value, error = tf.cond(
            tf.reduce_any(wanted), one_by_one, lambda: (square.value, square.error)
        )
        return norms.Square(value, error)


class Block:
    """One row of each record of a chunk, at one part.

    Attributes:
        term: The `Term`.
        inputs: Tensor of shape `(records, ...)`.
        gradients: Tensor of shape `(records, ...)`.
    """

    def __init__(self, chunk, part, block):
        self.term = part.term
        self.inputs = chunk.rows(part.inputs, block)
        self.gradients = chunk.rows(part.gradients, block)
        self._row_norms = [
            lambda tensor=tensor: chunk.row_norms(tensor, block)
            for tensor in (part.inputs, part.gradients)
        ]

    def magnitude(self):
        """See `Term.magnitude`."""
        input_norm, gradient_norm = self._row_norms
        return self.term.magnitude(
            input_norm() if self.term.uses_inputs else None, gradient_norm()
        )

    def squares(self):
        """The sum of the squares of all numbers of both, or more."""
        return sum(norm() ** 2 for norm in self._row_norms)


def _row_numbers(part):
    return math.prod(part.inputs.shape[1:]) + math.prod(part.gradients.shape[1:])


def _at_least_single(tensor):
    return at_least_float32(tensor) if tensor.dtype.is_floating else tensor
