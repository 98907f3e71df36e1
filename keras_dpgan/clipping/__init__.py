"""Per-record gradients, clipped and summed."""

from keras_dpgan.clipping.chunked import chunked
from keras_dpgan.clipping.contract import ClippedSum as ClippedSum
from keras_dpgan.clipping.ghost import ghost as ghost
from keras_dpgan.clipping.rule_registry import (
    register_layer_rule as register_layer_rule,
)
from keras_dpgan.clipping.tf_privacy_reference import tf_privacy_reference
from keras_dpgan.clipping.vectorized import vectorized as vectorized

_ENGINES = {
    "auto": vectorized,
    "ghost": ghost,
    "vectorized": vectorized,
    "tf_privacy": tf_privacy_reference,
}


def get_engine(name, physical_batch_size=None):
    """The clipping engine of a name.

    Args:
        name: `"auto"` (which is `"vectorized"`), `"vectorized"`, `"tf_privacy"`, or
            `"ghost"`, a preview: faster, and not ready for every model.
        physical_batch_size: Int or `None`: the most records at once.

    Returns:
        An engine; see `keras_dpgan.clipping.contract`.

    Raises:
        ValueError: For another name.
    """
    if name not in _ENGINES:
        raise ValueError(
            f"`engine` must be one of {sorted(_ENGINES)}. Received: engine={name!r}"
        )
    engine = _ENGINES[name]
    return (
        engine if physical_batch_size is None else chunked(engine, physical_batch_size)
    )
