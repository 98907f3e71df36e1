"""Per-record gradients, clipped and summed."""

import collections.abc

from keras_dpgan.clipping.chunked import chunked
from keras_dpgan.clipping.contract import ClippedSum as ClippedSum
from keras_dpgan.clipping.ghost import ghost as ghost
from keras_dpgan.clipping.layer_rules import register_layer_rule as register_layer_rule
from keras_dpgan.clipping.tf_privacy_reference import tf_privacy_reference
from keras_dpgan.clipping.vectorized import one_by_one
from keras_dpgan.clipping.vectorized import vectorized as vectorized

_ENGINES = {
    "ghost": ghost,
    "vectorized": vectorized,
    "tf_privacy": tf_privacy_reference,
}


def get_engine(
    name: str, physical_batch_size: int | None = None, jit_compile: bool = False
) -> collections.abc.Callable[..., ClippedSum]:
    """The clipping engine of a name.

    Examples:
        >>> engine = dpgan.clipping.get_engine("auto")
        >>> engine.__name__
        'ghost'

    Args:
        name: `"ghost"`: norms without gradients, the fastest. `"vectorized"`: each
            record's gradient by itself. `"tf_privacy"`: TensorFlow Privacy's
            own, many times slower, to compare with. `"auto"`: `"ghost"`, or
            `"vectorized"` under XLA.
        physical_batch_size: Int or `None`: the most records at once.
        jit_compile: Whether XLA will compile it.

    Returns:
        An engine; see `keras_dpgan.clipping.contract`.

    Raises:
        ValueError: For another name, and for `"ghost"` under XLA.
    """
    if name == "auto":
        name = "vectorized" if jit_compile else "ghost"
    if name not in _ENGINES:
        raise ValueError(
            f"`engine` must be one of {['auto', *_ENGINES]}. Received: engine={name!r}"
        )
    if name == "ghost" and jit_compile:
        raise ValueError(
            '`engine="ghost"` works on slices of a size that XLA cannot compile: use '
            '`engine="vectorized"`, or leave `jit_compile` out, which is faster on a '
            f"processor. Received: engine={name!r}, jit_compile={jit_compile}"
        )
    return _in_parts(_ENGINES[name], physical_batch_size)


def get_engines_by_record(
    physical_batch_size: int | None = None,
) -> list[collections.abc.Callable[..., ClippedSum]]:
    """The engines that compute each record's gradient by itself, the faster first.

    Examples:
        >>> engines = dpgan.clipping.get_engines_by_record()
        >>> engines[0].__name__
        'vectorized'

    Args:
        physical_batch_size: Int or `None`: the most records at once.
    """
    return [_in_parts(e, physical_batch_size) for e in (vectorized, one_by_one)]


def _in_parts(engine, physical_batch_size):
    if physical_batch_size is None:
        return engine
    return chunked(engine, physical_batch_size)
