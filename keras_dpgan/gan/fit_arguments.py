"""Arguments of `keras.Model.fit` that a privately trained GAN cannot follow."""

import keras

from keras_dpgan._utils import validate
from keras_dpgan.gan.keras_methods import check_checkpoints


def check(
    validation_split,
    shuffle,
    class_weight,
    sample_weight,
    validation_batch_size,
    callbacks,
):
    """Raises for arguments of Keras' `fit` that private training cannot follow.

    Args:
        validation_split: Only 0 (or `None`).
        shuffle: Only `True`.
        class_weight: Only `None`.
        sample_weight: Only `None`.
        validation_batch_size: Positive int, or `None`.
        callbacks: List of callbacks, or `None`.

    Raises:
        ValueError: For any other value; says what to do instead.
    """
    if validation_split:
        raise ValueError(
            "`validation_split` must be 0: `evaluate` computes nothing on real rows, "
            "so rows held back for it would be lost. Split the rows before `fit`, and "
            "compare with `keras_dpgan.evaluation`. Received: "
            f"validation_split={validation_split!r}"
        )
    if shuffle is not True:
        raise ValueError(
            "`shuffle` must be True, Keras' default: each update draws a fresh Poisson "
            "batch, which has no order to keep. Batches of your own, in a "
            "`tf.data.Dataset` or `keras.utils.PyDataset`, keep their order in any "
            f"case. Received: shuffle={shuffle!r}"
        )
    if class_weight is not None:
        raise ValueError(
            "`class_weight` must be None: each record is clipped to one norm and "
            "counts as one. How often the generator makes each label is `compile("
            f"label_prior=...)`. Received: class_weight={class_weight!r:.80}"
        )
    if sample_weight is not None:
        raise ValueError(SAMPLE_WEIGHT)
    if validation_batch_size is not None:
        validate.check_int("validation_batch_size", validation_batch_size, minimum=1)
    _check_callbacks(callbacks or [])


def refuse_records(**arguments):
    """Raises a `ValueError` for records given to a `fit` that reads none."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out: the model was compiled with a `critic`, "
                "which was released from the records before, so that training reads "
                "none. Compile it with a `d_optimizer` to train on records. Received: "
                f"{name} of type {type(value).__name__}"
            )


def _check_callbacks(callbacks):
    check_checkpoints(callbacks)
    if any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in callbacks):
        raise ValueError(
            "`TerminateOnNaN` watches a log named `loss`, which a GAN does not have: "
            "it would never stop the training. Watch `g_loss`, as in "
            "`keras.callbacks.LambdaCallback("
            "on_train_batch_end=lambda batch, logs: setattr(gan, 'stop_training', "
            "not math.isfinite(logs['g_loss'])))`."
        )


SAMPLE_WEIGHT = (
    "`sample_weight` must be None: each record is clipped to one norm and counts as "
    "one. Give `fit` `x` and `y`, or batches of `x` or `(x, y)`. Received: weights"
)
