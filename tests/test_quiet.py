"""Our own commands show our own lines; a user's program is left alone."""

import logging
import os
import subprocess
import sys

import pytest

from keras_dpgan._utils import quiet

NOISE = """WARNING: All log messages before absl::InitializeLog() is called are written
I0000 00:00:1795869839.648081    6645 port.cc:153] oneDNN custom operations are on.
2026-11-28 12:00:00.000000: I tensorflow/core/util/port.cc:153] oneDNN
To enable the following instructions: AVX2 FMA, rebuild TensorFlow
E0000 00:00:1795869839.648081 6645 cuda_platform.cc:52] failed call to cuInit: 303
E0000 00:00:1795869839.648081 6645 cuda_dnn.cc:8310] Unable to register cuDNN factory
"""
MATTERS = """W0000 00:00:1795869839.648081 6645 gpu.cc:1] This GPU is too old.
RuntimeWarning: something of the user's own
"""
FAKE = """import os
import types
os.write(2, {said!r}.encode())
{then}
config = types.SimpleNamespace(list_physical_devices=lambda: [])
"""


def start_with(folder, then=""):
    (folder / "tensorflow.py").write_text(FAKE.format(said=NOISE + MATTERS, then=then))
    code = (
        "import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('q', {quiet.__file__!r})\n"
        "quiet = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(quiet)\n"
        "quiet.start()\n"
        "import sys; print('afterwards', file=sys.stderr)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    ).stderr


def test_what_matters_is_shown(tmp_path):
    assert start_with(tmp_path) == f"{MATTERS}afterwards\n"


def test_all_is_shown_where_tensorflow_cannot_be_loaded(tmp_path):
    said = start_with(tmp_path, then="raise ImportError('no such library')")
    assert said.startswith(NOISE + MATTERS)
    assert "ImportError: no such library" in said


@pytest.mark.parametrize(
    ("first", "arguments", "is_command"),
    [
        ("-m", ["python", "-m", "keras_dpgan.sample", "export"], True),
        ("-m", ["python", "-W", "error", "-m", "keras_dpgan.evaluate"], True),
        ("-m", ["python", "-m", "pytest"], False),
        ("train.py", ["python", "train.py", "-m", "keras_dpgan.sample"], False),
        ("", ["python"], False),
    ],
)
def test_a_users_own_program_is_none_of_our_commands(
    monkeypatch, first, arguments, is_command
):
    monkeypatch.setattr(sys, "argv", [first, *arguments[2:]])
    monkeypatch.setattr(sys, "orig_argv", arguments)
    assert quiet.is_command() is is_command
    assert logging.getLogger("tensorflow").level != logging.WARNING


def test_an_import_runs_no_operation():
    """A process that has imported the package can be forked, as TensorFlow has it."""
    program = (
        "import keras_dpgan, keras_dpgan.evaluation\n"
        "from tensorflow.python.eager import context\n"
        "assert not context.context()._initialized"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)
