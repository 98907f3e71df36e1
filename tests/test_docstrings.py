"""Each public name has an example in its docstring, which runs as it is written."""

import ast
import doctest
import importlib
import inspect
import pathlib
import re
import types

import pytest

import keras_dpgan as dpgan

PACKAGE = pathlib.Path(dpgan.__file__).parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
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


def run(name, text):
    """Runs what a docstring shows: its fenced programs, then its `>>>` lines.

    Only `dpgan` is there; what else an example uses, it imports or makes itself.
    """
    names = {"dpgan": dpgan}
    for block in BLOCK.findall(text):
        exec(compile(block, name, "exec"), names)
    test = PARSER.get_doctest(BLOCK.sub("", text), names, name, None, 0)
    doctest.DebugRunner(optionflags=OPTIONS).run(test)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_of_a_public_name_runs_as_it_is_written(
    name, tmp_path, monkeypatch
):
    text = docstring(name)
    assert BLOCK.search(text) or PARSER.get_examples(text), (
        f"`{name}` has no example in its docstring."
    )
    monkeypatch.chdir(tmp_path)
    run(name, text)
