"""The one door to TenSEAL.

TenSEAL and TensorFlow each bring a protobuf of their own. Loaded after
TensorFlow in the usual way, TenSEAL 0.3.18 takes TensorFlow's for its own and
crashes when it writes a ciphertext. Where the system's loader can be told to
look for a library's symbols in the library first, it is.
"""

import importlib
import os
import sys

INSTALL = 'pip install "keras-dpgan[federated]"'


def load():
    """Imports TenSEAL.

    Returns:
        The module `tenseal`.

    Raises:
        ImportError: If it is not installed; says what to install.
    """
    if "tenseal" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
        return _import()
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    try:
        return _import()
    finally:
        sys.setdlopenflags(flags)


def _import():
    try:
        return importlib.import_module("tenseal")
    except ImportError as error:
        raise ImportError(
            f"Encrypted sums need TenSEAL, which is not installed. Run: {INSTALL}"
        ) from error
