"""Per-record gradients, clipped and summed."""

from keras_dpgan.clipping.contract import ClippedSum as ClippedSum
from keras_dpgan.clipping.vectorized import vectorized as vectorized


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
    return vectorized
