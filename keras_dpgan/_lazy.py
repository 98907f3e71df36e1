"""Submodules that are loaded when they are first asked for."""

import importlib
import sys


def submodules(package, names):
    """The `__getattr__` and `__dir__` of a package whose submodules load lazily.

    Args:
        package: String, the package's `__name__`.
        names: Strings, the submodules.

    Returns:
        The two functions, to be assigned in the package's `__init__.py`.
    """

    def load(name):
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f"{package}.{name}")

    def list_names():
        return sorted({*vars(sys.modules[package]), *names})

    return load, list_names
