"""Norms and weighted sums from the tensors of one backward pass at each layer."""

import dataclasses
import math
import typing

import keras
import tensorflow as tf

from keras_dpgan.clipping import layer_rules
from keras_dpgan.clipping import norms
from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.clipping.contract import sum_dtype
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
        self._places = {}
        self._rows = {}
        self._norms = {}

    def one(self, i):
        """The `Chunk` of a single one of the records."""
        return Chunk(self._start + i, 1, self._n)

    def rows(self, tensor, block):
        """The rows of one block, in single precision or better."""
        key = tensor.ref(), block
        if key not in self._rows:
            rows = tf.slice(tensor, *self._place(tensor, block))
            rows.set_shape((None, *tensor.shape[1:]))
            self._rows[key] = _at_least_single(rows)
        return self._rows[key]

    def _place(self, tensor, block):
        """Where the rows of one block begin, and their shape.

        The number of rows is a shape's, which XLA knows, and not the difference of
        two places, which it does not.
        """
        rest = tuple(tensor.shape[1:])
        if None in rest:
            rest = tuple(tf.unstack(tf.shape(tensor)[1:], len(rest)))
            return self._begin_and_size(block, rest)
        key = block, rest
        if key not in self._places:
            self._places[key] = self._begin_and_size(block, rest)
        return self._places[key]

    def _begin_and_size(self, block, rest):
        first = block * self._n + self._start
        return tf.stack([first, *[0] * len(rest)]), tf.stack([self._size, *rest])

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
        return sum_dtype(self.parts[0].gradients.dtype)

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
        # The wanted records come first, so that the loop passes over them alone.
        order = tf.argsort(tf.cast(wanted, tf.int32), direction="DESCENDING")
        number = tf.math.count_nonzero(wanted, dtype=tf.int32)

        def recompute(i, value, error):
            found, _ = self._direct(self._blocks(chunk.one(order[i])))
            place = order[i][tf.newaxis, tf.newaxis]
            return (
                i + 1,
                tf.tensor_scatter_nd_update(value, place, found.value),
                tf.tensor_scatter_nd_update(error, place, found.error),
            )

        _, value, error = tf.while_loop(
            lambda i, *_: i < number,
            recompute,
            (0, square.value, square.error),
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
        input_norm, gradient_norm = (norm() for norm in self._row_norms)
        return input_norm * input_norm + gradient_norm * gradient_norm


def _between(tensor, first, end):
    """The rows from `first` to `end`, each of shape `(1,)`: as a slice, in less."""
    return tf.strided_slice(tensor, first, end, [1])


def _row_numbers(part):
    return math.prod(part.inputs.shape[1:]) + math.prod(part.gradients.shape[1:])


def _at_least_single(tensor):
    return at_least_float32(tensor) if tensor.dtype.is_floating else tensor


# More would hold more temporary tensors; fewer would leave processors idle in the
# operations that use one.
_CHUNKS_AT_ONCE = 2

# A record's products are added up together with those of all others as long as they
# come, before they cancel, to so many clips in single precision. What they round off
# the sum is then less than what adding the others up does.
_MOST_CLIPS_TOGETHER = 64.0


class BookKeeping:
    """Norms of the records' gradients, and sums of them.

    Args:
        recorded: A `RecordedPass`.
        n: int32 scalar, the number of records.
    """

    def __init__(self, recorded, n):
        self._recorded = recorded
        self._n = n
        self._weights = _weight_gradients(recorded)
        # By id of a variable: each record's gradient, where it is kept.
        self._kept = {}
        # Of each record: what its products come to before they cancel, those of
        # gradients that are not kept.
        self._magnitudes: typing.Any = None

    def norms(self):
        """An upper bound of each record's norm, as tight as rounding allows.

        Returns:
            Tensor of shape `(n,)`.
        """
        total = self._chunked_squares()
        for gradient in self._gradients_of_layers_alone():
            square = tf.add_n(norms.of_gradients(gradient, None))
            total += tf.cast(square, total.dtype)
        return tf.sqrt(total)

    def _chunked_squares(self):
        dtype = at_least_float32(self._recorded.losses).dtype
        if not self._weights:
            self._magnitudes = tf.zeros((self._n,), dtype)
            return self._magnitudes
        keeping = [w for w in self._weights if w.keeps_gradients]
        num_chunks = -(-self._n // chunk_size(self._weights))
        size = -(-self._n // num_chunks)

        def one(number):
            start = tf.minimum(number * size, self._n - size)
            chunk = Chunk(start, size, self._n)
            found = [w.norm(chunk) for w in self._weights]
            square = tf.add_n([tf.cast(tf.add_n(s), dtype) for s, _, _ in found])
            magnitudes = [tf.cast(m, dtype) for _, _, m in found if m is not None]
            largest = tf.add_n([tf.zeros_like(square), *magnitudes])
            return square, largest, [g for _, g, _ in found if g is not None]

        kept = [tf.TensorSpec((None, *w.variable.shape), w.dtype) for w in keeping]
        per_record = tf.TensorSpec((None,), dtype)
        squares, magnitudes, gradients = tf.map_fn(
            one,
            tf.range(num_chunks),
            fn_output_signature=(per_record, per_record, kept),
            parallel_iterations=_CHUNKS_AT_ONCE,
        )
        whole = self._n // size * size
        end = num_chunks * size
        places = [tf.stack([i]) for i in (0, whole, whole + end - self._n, end)]

        def joined(chunks):
            """Puts chunks end to end; the last overlaps the one before it."""
            rows = tf.reshape(chunks, (-1, *chunks.shape[2:]))
            return tf.concat(
                [_between(rows, *places[:2]), _between(rows, *places[2:])], 0
            )

        self._magnitudes = joined(magnitudes)
        for weight, chunks in zip(keeping, gradients, strict=True):
            self._kept[id(weight.variable)] = joined(chunks)
        return joined(squares)

    def _gradients_of_layers_alone(self):
        recorded = self._recorded
        everything = zip(
            recorded.uses,
            recorded.output_gradients,
            recorded.second_gradients,
            strict=True,
        )
        found: dict = {}
        for use, gradients, second in everything:
            if use.variables is None:
                continue
            values = [recorded.value(v) for v in use.variables]
            arrived = [backward.arrived for backward in use.backward]
            per_record = layer_rules.per_record_gradients(
                use, values, gradients, list(zip(second, arrived, strict=True)), self._n
            )
            for variable, gradient in zip(use.variables, per_record, strict=True):
                before = found.get(id(variable))
                found[id(variable)] = gradient if before is None else before + gradient
        self._kept.update(found)
        return list(found.values())

    def weighted_sums(self, variables, factors, l2_norm_clip, finite):
        """The sum over records of a factor times the gradient.

        Args:
            variables: List of variables.
            factors: Tensor of shape `(n,)`.
            l2_norm_clip: Positive scalar.
            finite: Bool tensor of shape `(n,)`. Where it is false, whatever the
                record left behind is dropped: zero times NaN is NaN.

        Returns:
            List of tensors of the variables' shapes, in float32 or float64.
        """
        alone = self._added_alone(factors, l2_norm_clip)
        together = tf.where(alone, tf.zeros_like(factors), factors)
        jobs = self._jobs()
        rows = [(job[0].inputs, job[0].gradients) for job in jobs]
        blocks = [(job[0].blocks, job[0].blocks) for job in jobs]
        tensors, blocks_of = (rows, self._kept), (blocks, dict.fromkeys(self._kept, 1))
        rows, kept = self._cleaned(finite, tensors, blocks_of)
        totals = {key: _weighted(gradient, factors) for key, gradient in kept.items()}
        for parts, (inputs, gradients) in zip(jobs, rows, strict=True):
            inputs, gradients = _scaled(parts, inputs, gradients, together)
            for part, total in zip(
                parts, self._totals(parts, inputs, gradients), strict=True
            ):
                key = id(part.term.variable)
                totals[key] = totals[key] + total if key in totals else total
        for key, total in self._totals_of(alone, factors).items():
            totals[key] += total
        zeros = [at_least_float32(tf.zeros(v.shape, v.dtype)) for v in variables]
        return [
            tf.cast(totals.get(id(v), zero), zero.dtype)
            for v, zero in zip(variables, zeros, strict=True)
        ]

    def _added_alone(self, factors, l2_norm_clip):
        """Which records' products would make the sum of the others lose digits.

        A record may have large products that cancel, as where it equals its fake: its
        gradient is within the clip, but on the way to it a sum over all records loses
        the digits of the others.
        """
        dtype = self._magnitudes.dtype
        limit = _MOST_CLIPS_TOGETHER * norms.unit_roundoff(tf.float32)
        limit *= tf.cast(l2_norm_clip, dtype) / norms.unit_roundoff(dtype)
        return tf.cast(factors, dtype) * self._magnitudes > limit

    def _totals_of(self, wanted, factors):
        """The sums over the wanted records, each of whose gradients is made alone."""
        weights = [w for w in self._weights if not w.keeps_gradients]
        if not weights:
            return {}

        def add(number, *totals):
            i = places[number]
            found = [w.of_one_record(i, self._n) for w in weights]
            added = [
                total + tf.cast(factors[i], g.dtype) * g
                for total, g in zip(totals, found, strict=True)
            ]
            return number + 1, *added

        # The wanted ones first, in a tensor of a size that XLA knows.
        _, places = tf.math.top_k(tf.cast(wanted, tf.int32), self._n)
        num_wanted = tf.reduce_sum(tf.cast(wanted, tf.int32))
        zeros = [tf.zeros(w.variable.shape, w.dtype) for w in weights]
        _, *totals = tf.while_loop(
            lambda number, *_: number < num_wanted,
            add,
            (tf.constant(0), *zeros),
            parallel_iterations=1,
        )
        keys = [id(w.variable) for w in weights]
        return dict(zip(keys, totals, strict=True))

    def _jobs(self):
        """Lists of parts that share inputs and gradients, where none are kept."""
        jobs: dict = {}
        for weight in self._weights:
            if not weight.keeps_gradients:
                for part in weight.parts:
                    key = part.inputs.ref(), part.gradients.ref()
                    jobs.setdefault(key, []).append(part)
        return list(jobs.values())

    def _cleaned(self, finite, tensors, blocks):
        """Puts zeros where a record is not finite, if there is such a record."""

        def cleaned(tensor, blocks):
            if not tensor.dtype.is_floating:
                return tensor
            keep = tf.concat([finite] * blocks, 0) if blocks > 1 else finite
            keep = tf.reshape(keep, [-1] + [1] * (tensor.shape.rank - 1))
            return tf.where(keep, tensor, tf.zeros((), tensor.dtype))

        return tf.cond(
            tf.reduce_all(finite),
            lambda: tensors,
            lambda: tf.nest.map_structure(cleaned, tensors, blocks),
        )

    def _totals(self, parts, inputs, gradients):
        """The gradient with respect to each part's variable, summed over all rows."""
        totals = [part.term.total(inputs, gradients) for part in parts]
        rest = [i for i, total in enumerate(totals) if total is NotImplemented]
        if not rest:
            return totals
        variables = [parts[i].term.variable for i in rest]
        values = [self._recorded.value(v) for v in variables]
        inputs = tf.cast(inputs, values[0].dtype)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            weights = [tf.identity(v) for v in values]
            tape.watch(weights)
            mapping = list(zip(variables, weights, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                outputs = parts[0].use.operation(inputs)
        found = tape.gradient(
            outputs, weights, output_gradients=tf.cast(gradients, outputs.dtype)
        )
        for i, gradient in zip(rest, found, strict=True):
            totals[i] = tf.convert_to_tensor(gradient)
        return totals


def _weighted(gradients, factors):
    """The sum over records of a factor times the record's gradient."""
    rows = tf.reshape(gradients, (tf.shape(gradients)[0], -1))
    total = tf.linalg.matvec(rows, tf.cast(factors, rows.dtype), transpose_a=True)
    return tf.reshape(total, gradients.shape[1:])


def _scaled(parts, inputs, gradients, factors):
    """Multiplies the smaller tensor's rows by their record's factor."""
    bilinear = all(part.term.uses_inputs for part in parts)
    gradients = at_least_float32(gradients)
    if bilinear and inputs.dtype.is_floating and _size(inputs) < _size(gradients):
        return _times_rows(at_least_float32(inputs), factors, parts[0]), gradients
    return inputs, _times_rows(gradients, factors, parts[0])


def _size(tensor):
    return math.prod(tensor.shape[1:])


def _times_rows(tensor, factors, part):
    factors = tf.concat([tf.cast(factors, tensor.dtype)] * part.blocks, 0)
    return tensor * tf.reshape(factors, [-1] + [1] * (tensor.shape.rank - 1))


def _weight_gradients(recorded):
    """A `WeightGradient` for each variable that a rule accounts for."""
    variables: dict = {}
    parts: dict = {}
    everything = zip(
        recorded.uses, recorded.output_gradients, recorded.second_gradients, strict=True
    )
    for use, (first, *_), seconds in everything:
        for term in use.terms:
            found = parts.setdefault(id(term.variable), [])
            variables[id(term.variable)] = term.variable
            if first is not None:
                found.append(_part(use, term, use.inputs[0], first))
            for backward, (second, *_) in zip(use.backward, seconds, strict=True):
                if second is not None and term.uses_inputs:
                    found.append(_part(use, term, second, backward.arrived[0]))
    stacks: dict[tuple, tf.Tensor] = {}
    return [
        WeightGradient(variables[key], _stacked(found, stacks))
        for key, found in parts.items()
        if found
    ]


def _stacked(parts, stacks):
    """The same parts, those of one term as positions of one part.

    A recurrent layer uses a weight at each of its steps: what follows is traced once
    for all of them.

    Args:
        parts: List of `Part`.
        stacks: Dict: the tensors that were stacked before, also for other weights.
    """
    alike: dict[tuple, list] = {}
    for part in parts:
        key: tuple = (id(part),)
        if part.term.is_of_steps:
            kinds = part.inputs.dtype, part.gradients.dtype
            key = id(part.term), part.blocks, part.shapes, kinds
        alike.setdefault(key, []).append(part)

    def stack(tensors):
        key = tuple(t.ref() for t in tensors)
        if key not in stacks:
            stacks[key] = tf.stack(tensors, axis=1)
        return stacks[key]

    return [
        same[0]
        if len(same) == 1
        else dataclasses.replace(
            same[0],
            inputs=stack([part.inputs for part in same]),
            gradients=stack([part.gradients for part in same]),
        )
        for same in alike.values()
    ]


def _part(use, term, inputs, gradients):
    """A `Part`, with the static shapes that gradient functions tend to lose."""
    inputs.set_shape((None, *use.inputs[0].shape[1:]))
    gradients.set_shape((None, *use.outputs[0].shape[1:]))
    return Part(use, term, inputs, gradients)
