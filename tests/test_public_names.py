"""One import reaches every public name, and examples use no other."""

import ast
import builtins
import importlib
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import types

import keras
import pytest

import keras_dpgan as dpgan
from keras_dpgan._utils import backend

PACKAGE = pathlib.Path(dpgan.__file__).parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

# What a reader of an example has: a model, and what Flower gives.
READERS_OWN = {
    "gan",
    "grid",
    "group",
    "mechanism",
    "discriminator",
    "interpolates",
    "schema",
    "generator",
}
# `import tensorflow as tf`, `import keras_dpgan as dpgan`.
IMPORTED = {"keras": keras, "tf": None, "dpgan": dpgan}


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        check=False,
    )


def test_all_rooms_are_reached_by_one_import_and_loaded_when_used():
    code = (
        "import sys\n"
        "import keras_dpgan as dpgan\n"
        "lazy = ('evaluation', 'federated')\n"
        "for name in lazy:\n"
        "    assert 'keras_dpgan.' + name not in sys.modules, name\n"
        "    assert name in dir(dpgan), name\n"
        "print(dpgan.evaluation.report.__name__, dpgan.federated.KeptModel.__name__)\n"
        "print(dpgan.export.load.__name__)\n"
    )
    done = run(code)
    assert done.stdout.split() == ["report", "KeptModel", "load"], done.stderr


def test_a_name_that_there_is_not_is_an_attribute_error():
    for module in (dpgan, dpgan.federated):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing


def test_the_rooms_of_an_extra_are_reached_where_it_is_installed():
    pytest.importorskip("flwr")
    assert "flower" in dir(dpgan.federated)
    flower = dpgan.federated.flower
    assert "training" in dir(flower)
    assert flower.training.train_rounds.__name__ == "train_rounds"


def examples():
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for block in BLOCK.findall(ast.get_docstring(node) or ""):
                    name = getattr(node, "name", "module")
                    yield pytest.param(block, id=f"{path.stem}.{name}")


@pytest.mark.parametrize("block", list(examples()))
def test_the_names_of_an_example_are_there_after_its_imports(block):
    if "federated.flower" in block:
        pytest.importorskip("flwr")
    tree = ast.parse(textwrap.dedent(block))
    made = set(dir(builtins)) | READERS_OWN | set(IMPORTED)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assert set(used) - made == set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("dpgan."):
            value = dpgan
            for part in ast.unparse(node).split(".")[1:]:
                value = getattr(value, part)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused_before_it_is_loaded(backend):
    done = run("import keras_dpgan", KERAS_BACKEND=backend)
    assert "ImportError: `keras_dpgan` needs Keras on TensorFlow" in done.stderr
    assert "KERAS_BACKEND=tensorflow before Python starts" in done.stderr
    assert f"backend='{backend}'" in done.stderr.splitlines()[-1]


def test_a_backend_of_the_configuration_file_is_refused_too(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    code = "import os; os.environ.pop('KERAS_BACKEND', None); import keras_dpgan"
    done = run(code, KERAS_HOME=str(tmp_path))
    assert "ImportError: `keras_dpgan` needs Keras on TensorFlow" in done.stderr
    assert "backend='jax'" in done.stderr


def test_a_backend_that_is_loaded_counts_and_not_what_the_environment_says(
    monkeypatch,
):
    loaded = types.SimpleNamespace(
        config=types.SimpleNamespace(backend=lambda: "torch")
    )
    monkeypatch.setitem(sys.modules, "keras", loaded)
    with pytest.raises(ImportError, match="Received: backend='torch'"):
        backend.check()
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    backend.check()
    assert importlib.import_module("keras").config.backend() == "tensorflow"
