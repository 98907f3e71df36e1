"""What comes before TensorFlow is loaded: quiet commands, and the right backend."""

import os
import sys

from keras_dpgan._utils import quiet

_OTHERS = ("jax", "torch", "openvino")


def check() -> None:
    """Raises unless Keras runs on TensorFlow.

    Raises:
        ImportError: If Keras runs on another backend, or is about to.
    """
    name = os.environ.get("KERAS_BACKEND", "")
    if "keras" in sys.modules or name not in _OTHERS:
        name = _loaded_backend()
    if name != "tensorflow":
        raise ImportError(
            "`keras_dpgan` needs Keras on TensorFlow. Set the environment variable "
            "KERAS_BACKEND=tensorflow before Python starts (or `os.environ["
            '"KERAS_BACKEND"] = "tensorflow"` before the first `import keras`), and '
            'take "backend" out of ~/.keras/keras.json if it stands there. Received: '
            f"backend={name!r}"
        )


def _loaded_backend():
    try:
        import keras
    except ModuleNotFoundError as error:
        # The backend that the configuration file names is not installed.
        if error.name in _OTHERS:
            return error.name
        raise
    return keras.config.backend()


if quiet.is_command():
    quiet.start()
check()
