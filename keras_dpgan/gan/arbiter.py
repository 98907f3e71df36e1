"""Decides, before anything is trained, how the records of a GAN may be clipped."""

import copy
import functools
import warnings
from concurrent import futures

import numpy as np
import tensorflow as tf

from keras_dpgan import clipping
from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import tensorflow_internals
from keras_dpgan.privacy import isolation
from keras_dpgan.privacy import row_probe
from keras_dpgan.privacy import validation
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws

# Rows of different scales, so that what depends on sizes shows.
_SCALES = [1.0, 10.0, 0.1, 100.0, 3.0]

# The batches on which an engine's sum is tried: the numbers of their records.
_BATCHES = {
    "one record": [0],
    "a batch": [0, 1, 2, 3, 4],
    "with one record removed": [0, 1, 3, 4],
    "with records moved and repeated": [4, 3, 2, 1, 0, 1, 2, 3, 4],
}

# How far an engine's sum may be from that of single records, in clips per record. The
# error of a wrong engine is larger.
_TOLERANCE = 1e-3
_TOLERANCE_OF_HALF = 0.1


def choose_engine(step, row_shape, inputs, name, physical_batch_size, jit_compile):
    """The engine that clips the records of a training step.

    Engines are held against single records, each computed alone: network, loss and
    penalty together, in batches of several sizes, with a record removed, moved and
    repeated. The first that agrees is taken; all but the first compute each record by
    itself.

    Args:
        step: A `TrainingStep`.
        row_shape: Tuple of ints, the shape of a row.
        inputs: What the discriminator is probed on, see `row_probe`.
        name: The engine's name, see `clipping.get_engine`.
        physical_batch_size: See there.
        jit_compile: Whether XLA will compile the engine, which is then held against
            single records as XLA compiles it, too.

    Returns:
        An engine.

    Raises:
        ValueError: If the loss draws random numbers of its own or changes something
            outside, or if no engine agrees.
    """
    wanted = clipping.get_engine(name, physical_batch_size)
    engines = [(wanted, name == "vectorized")]
    if name != "tf_privacy":
        others = clipping.get_engines_by_record(physical_batch_size)
        engines += [(e, True) for e in others if e is not wanted]
    return row_probe.without_strategy(
        step.discriminator,
        lambda discriminator: _first_that_agrees(
            engines,
            _SingleRecords(step, discriminator, row_shape, inputs, jit_compile),
        ),
        inputs,
    )


def _first_that_agrees(engines, single_records):
    reason = None
    for engine, is_by_record in engines:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = single_records.problem_of(engine, is_by_record)
        said = [str(w.message) for w in caught if str(w.message).startswith(_BY_RECORD)]
        if engine is engines[0][0] and said and len(engines) > 1:
            # Otherwise the engine would find that out again in each trace.
            reason = said[0].removeprefix(f"{_BY_RECORD}: ").removesuffix(".")
        elif found is None:
            if reason is not None:
                warnings.warn(f"{_BY_RECORD}, which is slow: {reason}.", stacklevel=2)
            return engine
        else:
            reason = found
    raise ValueError(
        "The clipped sum of a batch differs from the sum of its records, each "
        f"computed alone: {reason}. Remove from the discriminator, the loss or the "
        "penalty what makes a record's gradient depend on other records."
    )


_BY_RECORD = "Gradients are computed record by record"


class _SingleRecords:
    """Random records, and the gradient of each computed alone.

    Args:
        step: A `TrainingStep`.
        discriminator: Its discriminator, or a copy of it.
        row_shape: Tuple of ints.
        inputs: What the discriminator is probed on, see `row_probe`.
        jit_compile: Bool.
    """

    def __init__(self, step, discriminator, row_shape, inputs, jit_compile):
        self._jit_compile = jit_compile
        step = copy.copy(step)
        step.discriminator = discriminator
        self._loss_fn = step.record_losses
        self._variables = discriminator.trainable_variables
        self._records = _random_records(step, row_shape)
        dtype = _coarsest_dtype(discriminator)
        self._tolerance = _TOLERANCE_OF_HALF if "16" in dtype else _TOLERANCE
        self._probe = isolation.IsolationProbe(
            self._loss_fn, self._variables, self._records, dtype
        )
        self._check_network = functools.cache(
            lambda: validation.check(discriminator, inputs)
        )
        if self._probe.effect is not None:
            self._check_network()
            raise ValueError(
                "The loss of a record cannot be trained with differential privacy: "
                + _described(self._probe.effect)
            )

    @functools.cached_property
    def _alone(self):
        """The scale of the losses, and each record's clipped gradient, alone."""
        found = [self._probe.gradient([i]) for i in range(len(_SCALES))]
        gradients = np.stack(found).astype(np.float64)
        gradients[~np.all(np.isfinite(gradients), axis=1)] = 0.0
        norms = np.linalg.norm(gradients, axis=1)
        # About half of the records are clipped, to one: squares of other sizes may
        # leave single precision.
        scale = 1.0 / (float(np.median(norms)) or 1.0)
        factors = 1.0 / np.maximum(scale * norms, 1.0)
        return scale, scale * gradients * factors[:, np.newaxis]

    def _specs(self):
        records = tf.nest.map_structure(
            lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype), self._records
        )
        return tf.TensorSpec((2,), tf.int64), tf.TensorSpec((), tf.float32), records

    def _batch(self, indices):
        return tf.nest.map_structure(lambda t: tf.gather(t, indices), self._records)

    def problem_of(self, engine, is_by_record):
        """Describes where an engine disagrees with single records, or gives `None`.

        Args:
            engine: An engine.
            is_by_record: Whether it computes the loss of each record by itself, so that
                the loss in a batch of many does not matter.
        """
        with futures.ThreadPoolExecutor(max_workers=1) as pool:
            # To trace the engine keeps Python busy; the probe runs what is traced.
            alone = pool.submit(lambda: self._alone)
            probing = None if is_by_record else pool.submit(self._probe.difference)
            problem = self._disagreement(engine, alone)
            context = probing and probing.result()
        if problem is None and (is_by_record or context is not None):
            # A network that mixes rows is refused. A loss that does is computed by
            # record.
            self._check_network()
        return _mixed(context.name) if problem is None and context else problem

    def _disagreement(self, engine, alone):
        """Where an engine's sums are not those of single records, or `None`."""

        def clipped(seed, scale, records):
            n = clipping.contract.num_rows(records)
            seeds = tf.tile(seed[tf.newaxis], [n, 1])
            with isolation.same_draws(seed):
                return engine(
                    lambda records: scale * self._loss_fn(records),
                    self._variables,
                    records,
                    1.0,
                    None,
                    seeds,
                ).sums

        specs = self._specs()
        traced = tf.function(clipped, specs, autograph=False)
        tried = [(name, traced) for name in _BATCHES]
        if self._jit_compile:
            # Each size would be compiled anew: one is tried.
            by_xla = tf.function(clipped, specs, autograph=False, jit_compile=True)
            tried.append((list(_BATCHES)[-1], by_xla))
        try:
            traced.get_concrete_function()
        except _OF_AN_ENGINE as error:
            return _failure(error)
        scale, expected = alone.result()
        scale = tf.constant(scale, tf.float32)
        for name, function in tried:
            indices = _BATCHES[name]
            batch = self._batch(indices)
            try:
                found = _flat(function(tf.constant(isolation.NO_SEED), scale, batch))
            except _OF_AN_ENGINE as error:
                return _failure(error)
            apart = np.linalg.norm(found - expected[indices].sum(0))
            if not apart <= self._tolerance * len(indices):
                return _mixed(name)
        return None


# What an engine raises for a model that it cannot follow.
_OF_AN_ENGINE = (tf.errors.OpError, TypeError, ValueError, LookupError)


def _failure(error):
    return (
        f"an engine fails on random records ({type(error).__name__}: "
        f"{str(error)[-200:]})"
    )


def _coarsest_dtype(model):
    """The least precise dtype in which a layer of a model computes."""
    dtypes = {layer.compute_dtype for layer in keras_internals.all_layers(model)}
    found = [d for d in ("bfloat16", "float16") if d in dtypes]
    return found[0] if found else model.compute_dtype


def _mixed(where):
    return f"the gradient of a record depends on the other records ({where})"


def _flat(tensors):
    flat = [np.ravel(tf.convert_to_tensor(t).numpy()) for t in tensors]
    return np.concatenate(flat).astype(np.float64)


def _described(operation):
    """What the operation that `find_effect` has found does, and the remedy."""
    named = f"operation {operation.type} ({operation.name})"
    if tensorflow_internals.draws(operation):
        return (
            f"{named} draws random numbers from TensorFlow, which a known seed repeats "
            "and which depend on the row's place in the batch. Draw by `keras.random` "
            "and a `keras.random.SeedGenerator`, which training gives secret seeds."
        )
    return (
        f"{named} changes or reads something outside of the loss, such as a variable. "
        "Compute the loss from its inputs and the weights alone, and change variables "
        "in a callback."
    )


def _random_records(step, row_shape):
    """Records as training makes them, of random rows of different scales."""
    rng = np.random.default_rng(0)
    condition = step.generation.condition
    n = len(_SCALES)

    def rows(n):
        scales = np.resize(_SCALES, n).reshape((n,) + (1,) * len(row_shape))
        return tf.constant(rng.uniform(-1, 1, (n, *row_shape)) * scales, tf.float32)

    labels = None if condition is None else condition.random(n, rng)
    pool = rows(4 * (step.generation.num_classes or 1))
    if step.generation.vector_condition is not None:
        pool = (pool, condition.random(4, rng))
    draws = PublicDraws(0, tf.constant(0, tf.int64), randomness.EVALUATION)
    return step.records(rows(n), labels, pool, draws)
