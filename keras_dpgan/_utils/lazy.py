"""Submodules that are loaded when they are first used."""

import importlib
import sys


def submodules(package, names, old_paths=None):
    """The `__getattr__` and `__dir__` of a package whose submodules load lazily.

    Args:
        package: String, the package's `__name__`.
        names: Strings, the submodules.
        old_paths: The module `old_paths`, if old names are to be found, too. Defaults
            to `None`.

    Returns:
        The two functions, to be assigned in the package's `__init__.py`.
    """

    def load(name):
        if old_paths is not None and name in old_paths.MOVED:
            return old_paths.load(name)
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f"{package}.{name}")

    def list_names():
        return sorted({*vars(sys.modules[package]), *names})

    return load, list_names
