"""Every argument of a public function says its type: a user's editor knows it."""

import ast
import functools
import importlib
import inspect
import pkgutil

import keras_dpgan

# These rooms are for the others: users meet none of their names.
INNER = ("_utils", "cli", "gan", "sampling")
ROOMS = [keras_dpgan]
ROOMS += [
    importlib.import_module(f"keras_dpgan.{module.name}")
    for module in pkgutil.iter_modules(keras_dpgan.__path__)
    if module.ispkg and module.name not in INNER
]


def modules_of(room):
    """The modules that a room's `__init__` gives to users."""
    tree = ast.parse(inspect.getsource(room))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == room.__name__:
            for alias in node.names:
                try:
                    module = importlib.import_module(f"{room.__name__}.{alias.name}")
                except ImportError:
                    continue  # An extra that is not installed.
                if alias.asname and module not in ROOMS:
                    yield module


def of_ours(thing):
    return getattr(thing, "__module__", "").startswith("keras_dpgan")


def functions_of(name, public):
    """Name and function of a public function, or of a class and its methods."""
    if not inspect.isclass(public):
        yield from unwrapped(name, public)
        return
    # A method of an inherited class of ours is as public as one of the class.
    for base in filter(of_ours, public.__mro__):
        for attribute, value in vars(base).items():
            if not attribute.startswith("_") or attribute in ("__init__", "__call__"):
                yield from unwrapped(
                    f"{base.__module__}.{base.__name__}.{attribute}", value
                )


def unwrapped(name, value):
    """The functions behind a method, a property or a decorated function."""
    if isinstance(value, property):
        parts = {name: value.fget, f"{name}.setter": value.fset}
    elif isinstance(value, functools.cached_property):
        parts = {name: value.func}
    else:
        parts = {name: inspect.unwrap(getattr(value, "__func__", value))}
    for part, function in parts.items():
        if inspect.isfunction(function) and of_ours(function):
            yield part, function


def public_functions():
    found = {}
    modules = [module for room in ROOMS[1:] for module in modules_of(room)]
    for room in ROOMS + modules:
        for name, public in vars(room).items():
            if not name.startswith("_") and of_ours(public):
                found.update(functions_of(f"{room.__name__}.{name}", public))
    return found


def missing(function):
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.annotation is inspect.Parameter.empty:
            yield parameter.name
    constructor = function.__name__ == "__init__"
    if signature.return_annotation is inspect.Signature.empty and not constructor:
        yield "return"


def test_public_functions_annotate_their_arguments():
    functions = public_functions()
    assert len(functions) > 200  # The walk has found them.
    unannotated = {
        name: names
        for name, function in functions.items()
        if (names := list(missing(function)))
    }
    assert not unannotated
