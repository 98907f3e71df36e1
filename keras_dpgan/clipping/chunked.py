"""Batches that are larger than memory, in parts."""

import collections.abc
import typing

import tensorflow as tf

from keras_dpgan.clipping import contract

if typing.TYPE_CHECKING:
    from keras_dpgan.clipping.contract import ClippedSum


def chunked(
    engine: "collections.abc.Callable[..., ClippedSum]", physical_batch_size: int
) -> "collections.abc.Callable[..., ClippedSum]":
    """An engine that gives another one a limited number of records at a time.

    The clipped sums of the parts are added before any noise. So only the use
    of memory changes.

    Args:
        engine: See `keras_dpgan.clipping.contract`.
        physical_batch_size: Positive int.

    Returns:
        An engine.
    """

    def engine_by_parts(
        loss_fn, variables, records, l2_norm_clip, mask=None, seeds=None
    ):
        n = contract.num_rows(records)

        def add_part(start, sums, *counts):
            part = slice(start, start + physical_batch_size)
            total = engine(
                loss_fn,
                variables,
                tf.nest.map_structure(lambda t: t[part], records),
                l2_norm_clip,
                None if mask is None else mask[part],
                None if seeds is None else seeds[part],
            )
            sums = [a + b for a, b in zip(sums, total.sums, strict=True)]
            added = [a + b for a, b in zip(counts, total[1:], strict=True)]
            return start + physical_batch_size, sums, *added

        nothing = contract.empty_sum([contract.as_tensor(v) for v in variables])
        _, *total = tf.while_loop(
            lambda start, *_: start < n,
            add_part,
            (tf.constant(0), *nothing),
            parallel_iterations=1,
        )
        return contract.ClippedSum(*total)

    return engine_by_parts
