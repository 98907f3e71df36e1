"""What clipping engines must equal: a loop over single records."""

import contextlib
import warnings

import numpy as np
import tensorflow as tf

from keras_dpgan.clipping.contract import ROUNDING_MARGIN
from keras_dpgan.gan.networks import scores_and_penalty

# Gradients below are nothing but rounding.
TINY = 1e-6


def make_records(n, shape, dtype="float32", seed=0):
    """Records of a real row, a fake row and a mixing weight."""
    rng = np.random.default_rng(seed)
    return {
        "real": tf.constant(rng.normal(size=(n, *shape)), dtype),
        "fake": tf.constant(rng.normal(size=(n, *shape)), dtype),
        "mixing": tf.constant(rng.uniform(size=n), dtype),
    }


def wasserstein(discriminator, penalty):
    """A Wasserstein loss of such records, with or without a penalty."""

    def loss_fn(records):
        real, fake, penalties = scores_and_penalty(
            discriminator,
            records["real"],
            records["fake"],
            records.get("labels"),
            records["mixing"],
            penalty,
        )
        return fake - real + penalties

    return loss_fn


def gradients(loss_fn, variables, records):
    """Each record's gradient: a list of arrays of shape `(n, *variable.shape)`."""
    n = len(tf.nest.flatten(records)[0])
    rows = []

    @tf.function(reduce_retracing=True)
    def gradient(record):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(loss_fn(record))
        return [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(tape.gradient(loss, variables), variables, strict=True)
        ]

    for i in range(n):
        record = tf.nest.map_structure(lambda t, i=i: t[i : i + 1], records)
        rows.append([np.asarray(g, np.float64) for g in gradient(record)])
    return [np.stack(arrays) for arrays in zip(*rows, strict=True)]


def norms(per_record):
    """The joint norm of each record's gradient."""
    squares = [np.sum(np.square(g), axis=tuple(range(1, g.ndim))) for g in per_record]
    return np.sqrt(np.sum(squares, axis=0))


def clipped_sums(per_record, l2_norm_clip):
    """The sum of clipped gradients, by the margin that engines leave to rounding."""
    bound = l2_norm_clip * (1.0 - ROUNDING_MARGIN)
    factors = np.minimum(1.0, bound / np.maximum(norms(per_record), TINY))
    return [np.tensordot(factors, g, 1) for g in per_record]


def check_engine(engine, loss_fn, variables, records, rtol):
    """Compares an engine with the loop, where about half the records are clipped.

    In double precision sums must be equal up to `rtol`. In single precision each
    record's part, too, must be at most the clip, and at least `1 - rtol` of it.
    """
    per_record = gradients(loss_fn, variables, records)
    # A network whose units are all dead has gradients of rounding alone.
    clip = max(float(np.median(norms(per_record))), TINY)
    run = tf.function(
        lambda records, mask: engine(loss_fn, variables, records, clip, mask)
    )
    everyone = tf.ones(len(norms(per_record)), tf.bool)
    clipped = run(records, everyone)
    for total, expected in zip(
        clipped.sums, clipped_sums(per_record, clip), strict=True
    ):
        scale = clip * len(everyone)
        np.testing.assert_allclose(total, expected, rtol=0, atol=rtol * scale)
    for i, norm in enumerate(norms(per_record)):
        only = tf.one_hot(i, len(everyone), on_value=True, off_value=False)
        part = run(records, only)
        part = np.sqrt(sum(np.sum(np.square(np.float64(s))) for s in part.sums))
        assert part <= clip * (1 + 1e-9)
        least = min(clip, norm) * (1 - rtol - 2 * ROUNDING_MARGIN)
        assert part >= least - rtol * TINY
    return clipped


@contextlib.contextmanager
def warning_that(start):
    """Checks that a warning begins so, among those that TensorFlow gives.

    Yields the list of all of them.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    assert any(str(w.message).startswith(start) for w in caught)
