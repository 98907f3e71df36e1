"""Per-record gradients, clipped and summed."""

from keras_dpgan.clipping.contract import ClippedSum as ClippedSum
from keras_dpgan.clipping.ghost import ghost as ghost
from keras_dpgan.clipping.rule_registry import (
    register_layer_rule as register_layer_rule,
)
from keras_dpgan.clipping.tf_privacy_reference import tf_privacy_reference
from keras_dpgan.clipping.vectorized import vectorized as vectorized

_ENGINES = {
    "auto": ghost,
    "ghost": ghost,
    "vectorized": vectorized,
    "tf_privacy": tf_privacy_reference,
}


def get_engine(name, physical_batch_size=None):
    """The clipping engine of a name.

    Args:
        name: `"auto"`, `"ghost"`, `"vectorized"` or `"tf_privacy"`.
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
    return _ENGINES[name]
