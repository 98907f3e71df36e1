"""The one door to pandas, which is an extra."""

import importlib

INSTALL = '`pip install "keras-dpgan[tables]"`'


def pandas():
    """The module `pandas`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError(
            f"`keras_dpgan.tables` needs the package pandas. Install it by {INSTALL}."
        ) from error
