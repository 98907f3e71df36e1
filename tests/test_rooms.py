"""The folders of the package, and which of them may know which."""

import ast
import graphlib
import pathlib

import keras_dpgan

PACKAGE = pathlib.Path(keras_dpgan.__file__).parent

# From the bottom up: each may import from those before it.
ROOMS = """
    _version _utils mechanisms clipping optimizers privacy models losses sampling export
    data distribution mixture features critics tables gan callbacks recipes evaluation
    federated cli
""".split()


def modules():
    """Paths of all modules by name, those of packages without `__init__`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path, known, everywhere):
    """The modules of the package that a file imports.

    Args:
        path: The file.
        known: The names of all modules.
        everywhere: Whether to count imports inside functions, too.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def room_of(module):
    return module.split(".")[1] if "." in module else None


def test_the_root_has_two_modules_and_folders():
    files = {path.name for path in PACKAGE.glob("*.py")}
    assert files == {"__init__.py", "_version.py"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"_version"} == set(ROOMS)


def test_no_arrow_runs_upward():
    known = modules()
    upward = [
        (module, other)
        for module, path in known.items()
        for other in imports(path, known, everywhere=True)
        if room_of(module) is not None
        and (room_of(other) is None or _rank(other) > _rank(module))
    ]
    assert not upward


def _rank(module):
    return ROOMS.index(room_of(module))


def test_no_import_runs_in_a_circle():
    known = modules()
    # A package loads its modules: who imports one of these waits for none of the rest.
    graph = {
        module: set(imports(path, known, everywhere=False)) - {module}
        for module, path in known.items()
    }
    assert list(graphlib.TopologicalSorter(graph).static_order())
