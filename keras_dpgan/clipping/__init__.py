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
    name: str, physical_batch_size: int | None = None
) -> collections.abc.Callable[..., ClippedSum]:
    """The clipping engine of a name.

    Examples:
        >>> engine = dpgan.clipping.get_engine("auto")
        >>> engine.__name__
        'ghost'

    Args:
        name: `"ghost"`: norms without gradients, the fastest. `"vectorized"`: each
            record's gradient by itself. `"tf_privacy"`: TensorFlow Privacy's
            own, many times slower, to compare with. `"auto"`: `"ghost"`.
        physical_batch_size: Int or `None`: the most records at once.

    Returns:
        An engine; see `keras_dpgan.clipping.contract`.

    Raises:
        ValueError: For another name.
    """
    if name == "auto":
        name = "ghost"
    if name not in _ENGINES:
        raise ValueError(
            f"`engine` must be one of {['auto', *_ENGINES]}. Received: engine={name!r}"
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
