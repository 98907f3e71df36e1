"""Each public name has an example in its docstring, which runs as it is written."""

import ast
import doctest
import importlib
import inspect
import pathlib
import types

import pytest

import keras_dpgan as dpgan
from keras_dpgan.data import fashion_mnist
from keras_dpgan.evaluation import features

PACKAGE = pathlib.Path(dpgan.__file__).parent
PARSER = doctest.DocTestParser()
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def packages():
    """The dotted name and the syntax tree of each package that exports names.

    `federated.flower` exports modules alone. Their examples need clients that run;
    `test_public_names.py` looks at them.
    """
    for path in sorted(PACKAGE.rglob("__init__.py")):
        parts = path.parent.relative_to(PACKAGE.parent).parts
        if not any(part in ("_utils", "cli", "flower") for part in parts):
            yield ".".join(parts), ast.parse(path.read_text(encoding="utf-8"))


def exported(tree):
    """The names that an `__init__.py` exports: `X as X`, and what is defined there."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            yield from (a.name for a in node.names if a.name == a.asname)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name


def public_objects():
    """The public classes and functions, by the first name under which they appear."""
    found = {}
    for package, tree in packages():
        room = importlib.import_module(package)
        for name in sorted(exported(tree)):
            value = getattr(room, name)
            for full_name, member in members(f"{package}.{name}", value):
                found.setdefault(member, full_name)
    return {full_name: member for member, full_name in found.items()}


def members(full_name, value):
    """An exported class or function, or those that an exported module defines."""
    if not isinstance(value, types.ModuleType):
        if inspect.isclass(value) or inspect.isfunction(value):
            yield full_name, value
    elif not hasattr(value, "__path__"):  # A package has an `__init__.py` of its own.
        for name, member in vars(value).items():
            own = getattr(member, "__module__", None) == value.__name__
            if own and not name.startswith("_"):
                yield from members(f"{full_name}.{name}", member)


PUBLIC = public_objects()


def docstring(name):
    return inspect.cleandoc(PUBLIC[name].__doc__ or "")


# What only a machine with these files can show, by the function that reads them.
FILES = {
    "keras_dpgan.data.load_fashion_mnist": fashion_mnist.DEBIAN_DIR,
    "keras_dpgan.evaluation.inception_features": features.INCEPTION_WEIGHTS,
}


def run(name, text):
    """Runs the `>>>` lines of a docstring.

    Only `dpgan` is there; what else an example uses, it imports or makes itself.
    """
    test = PARSER.get_doctest(text, {"dpgan": dpgan}, name, None, 0)
    try:
        doctest.DebugRunner(optionflags=OPTIONS).run(test)
    except doctest.UnexpectedException as error:
        raise error.exc_info[1] from None
    except doctest.DocTestFailure as error:
        pytest.fail(f"{error.example.source} does not give what it says: {error.got}")


def cases():
    for name in PUBLIC:
        # 2,000 updates, none of which is an option.
        slow = name == "keras_dpgan.evaluation.feature_classifier"
        yield pytest.param(name, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("name", list(cases()))
def test_the_example_of_a_public_name_runs_as_it_is_written(
    name, tmp_path, monkeypatch
):
    text = docstring(name)
    assert PARSER.get_examples(text), f"`{name}` has no example in its docstring."
    files = FILES.get(name)
    if files is not None and not files.expanduser().exists():
        pytest.skip(f"needs {files}")
    monkeypatch.chdir(tmp_path)
    try:
        run(name, text)
    except ImportError as error:
        if 'pip install "keras-dpgan[' not in str(error):
            raise
        pytest.skip(str(error))
