"""Tests whether a record's loss, or its gradient, depends on other records of a batch.

A loss is traced as in training. The gradient of a record in a batch is compared with
the gradient of the record alone: with other records in the batch, with one removed,
with the record in another place or repeated, and in a large batch. Meanwhile layers
draw the same random numbers for each record. The test cannot see what a loss does only
on certain data, or only for larger numbers of records.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import tensorflow_internals
from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan._utils.tensorflow_internals import find_effect

# The numbers of the rows that form a large batch, and bounds on their count.
_LARGE_NUMBERS = 300_000
_FEWEST, _MOST = 129, 1000

# Numbers of rows in between, in case the loss has a threshold there.
_MIDDLE = (17,)

# How far two gradients may differ by rounding, as a share of either gradient.
_TOLERANCE = 2e-4
_ROUNDINGS = 32
_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}

# The seed of the layers' draws here, so that each run draws the same numbers.
NO_SEED = np.zeros((2,), np.int64)

# Operations whose outputs depend only on their shape and seed.
_DRAWING = frozenset(
    f"Stateless{name}{version}"
    for name in (
        "RandomNormal",
        "RandomUniform",
        "RandomUniformFullInt",
        "RandomUniformInt",
        "TruncatedNormal",
    )
    for version in ("", "V2")
)


@dataclasses.dataclass(frozen=True)
class Context:
    """A batch that holds a record, made of some rows.

    Attributes:
        name: What it tests.
        rows: List of ints, which rows.
        place: Int, the place of the record among them.
    """

    name: str
    rows: list
    place: int

    @property
    def record(self):
        """The row that is the record."""
        return self.rows[self.place]


class IsolationProbe:
    """A loss that is compared with the loss of single records.

    Args:
        loss_fn: A function of records, which returns a loss for each, of shape `(n,)`.
        variables: List of variables, whose gradients are compared.
        rows: Structure of tensors of shape `(n, ...)` with at least four rows, from
            which batches are made. Rows of different scales reveal more.
        dtype: String, the precision of the computation.

    Attributes:
        effect: `None`, or a `tf.Operation` that draws its own random numbers or changes
            something outside. In that case nothing is compared.
        draws: Whether layers draw random numbers.
    """

    def __init__(self, loss_fn, variables, rows, dtype="float32"):
        self._rows = tf.nest.map_structure(tf.convert_to_tensor, rows)
        self.draws = False
        tensors = [v.value for v in variables]

        def gradient(seed, weights, *flat):
            records = tf.nest.pack_sequence_as(self._rows, list(flat))
            with (
                same_draws(seed),
                seeds_from(seed) as num_draws,
                tf.GradientTape() as tape,
            ):
                losses = tf.reshape(loss_fn(records), [-1])
                loss = tf.reduce_sum(tf.cast(losses, tf.float32) * weights)
            self.draws = num_draws[0] > 0
            found = tape.gradient(loss, tensors, unconnected_gradients="zero")
            found = [tf.cast(tf.convert_to_tensor(g), tf.float32) for g in found]
            return tf.concat([tf.reshape(g, [-1]) for g in found], 0)

        specs = [
            tf.TensorSpec((None, *t.shape[1:]), t.dtype)
            for t in tf.nest.flatten(self._rows)
        ]
        self._gradient = tf.function(gradient, autograph=False).get_concrete_function(
            tf.TensorSpec((2,), tf.int64), tf.TensorSpec((None,), tf.float32), *specs
        )
        self.effect = find_effect(self._gradient.graph)
        self._tolerance = max(_TOLERANCE, _ROUNDINGS * _EPSILON.get(dtype, 0.0))

    def gradient(self, rows, place=0):
        """The gradient of one record's loss in a batch, as a flat array.

        Args:
            rows: List of ints, the rows of the batch.
            place: Int, the place of the record among them. Defaults to 0.
        """
        batch = tf.nest.map_structure(
            lambda t: tf.gather(t, np.array(rows)), self._rows
        )
        weights = tf.one_hot(place, len(rows))
        return self._gradient(
            tf.constant(NO_SEED), weights, *tf.nest.flatten(batch)
        ).numpy()

    def difference(self, of_equal_sizes=False):
        """A `Context` in which a record's gradient differs, or `None`.

        Args:
            of_equal_sizes: Whether to compare only batches of the same size, with the
                record in the same place. This is for networks, which may draw other
                random numbers for another place. Defaults to `False`.
        """
        rng = np.random.default_rng(0)
        number = len(tf.nest.flatten(self._rows)[0])
        for record in range(min(2, number)):
            # The kink of an activation may lie between two roundings of a number. If
            # only one record differs, another one is tried.
            others = [i for i in range(number) if i != record]
            large = list(rng.choice([record, *others], self._large_size()))
            found = self._first_difference(
                _contexts_of_equal_sizes(record, others, large)
                if of_equal_sizes
                else [_contexts(record, others, large)]
            )
            if found is None:
                return None
        return found

    def _first_difference(self, comparisons):
        for first, *contexts in comparisons:
            expected = self.gradient(first.rows, first.place)
            for context in contexts:
                if not self._agree(
                    expected, self.gradient(context.rows, context.place)
                ):
                    return context
        return None

    def _large_size(self):
        numbers = sum(
            int(np.prod(t.shape[1:], dtype=np.int64))
            for t in tf.nest.flatten(self._rows)
        )
        return int(np.clip(_LARGE_NUMBERS // max(1, numbers), _FEWEST, _MOST))

    def _agree(self, alone, other):
        finite = np.isfinite(alone)
        if not np.array_equal(finite, np.isfinite(other)):
            return False
        alone, other = np.where(finite, alone, 0.0), np.where(finite, other, 0.0)
        apart = np.linalg.norm(alone - other)
        return apart <= self._tolerance * np.linalg.norm(alone)


def _contexts(record, others, large):
    """The `Context`s in which a record must keep its gradient."""
    a, b, c = others[:3]
    middle = [*large[: len(large) // 2], record, *large[len(large) // 2 :]]
    return [
        Context("alone", [record], 0),
        Context("beside others", [record, a, b, c], 0),
        Context("with one removed", [record, a, b], 0),
        Context("at another place", [b, c, a, record], 3),
        Context("repeated", [record, a, record, a], 2),
        *(
            Context(f"in a batch of {n}", list(np.resize([record, *others], n)), 0)
            for n in _MIDDLE
        ),
        Context("in a large batch", middle, len(large) // 2),
    ]


def _contexts_of_equal_sizes(record, others, large):
    """Lists of `Context`s of the same size, with the record in the same place."""
    a, b, c = others[:3]
    return [
        [
            Context("beside others", [record, a, b, c], 0),
            Context("beside the same in another order", [record, c, a, b], 0),
            Context("repeated", [record, record, a, a], 0),
        ],
        [
            Context("in a large batch", [record, *large], 0),
            Context("in another large batch", [record, *large[::-1]], 0),
        ],
    ]


def same_draws(seed):
    """A scope in which traced layers draw the same numbers for each record.

    Args:
        seed: Tensor of the graph that is traced. Draws whose seed is not computed from
            it are not changed.
    """

    def first_row_for_all(kind, inputs, outputs):
        if kind not in _DRAWING or outputs[0].shape.rank == 0:
            return None
        if not any(tensorflow_internals.is_computed_from(t, seed) for t in inputs[1:]):
            return None
        return [tf.broadcast_to(outputs[0][:1], tf.shape(outputs[0]))]

    return tensorflow_internals.replaced_outputs(first_row_for_all)
