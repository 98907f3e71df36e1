"""What is installed, and what the Makefile does on a fresh machine."""

import ast
import importlib.metadata
import os
import pathlib
import re
import runpy
import shutil
import stat
import subprocess
import sys

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.version import Version

import keras_dpgan

ROOT = pathlib.Path(__file__).parents[1]
BASE = {
    "absl-py",
    "dp-accounting",
    "importlib-resources",
    "keras",
    "numpy",
    "scikit-learn",
    "tensorflow",
    "tensorflow-datasets",
    "tensorflow-privacy",
}
COMES_WITH_THE_BASE = {"h5py": "keras", "scipy": "scikit-learn"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="needs the source tree"
)


@pytest.fixture
def setup_arguments(monkeypatch):
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return arguments


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements):
    return {normalised(Requirement(line).name) for line in requirements}


def test_the_version_stands_in_one_place(setup_arguments):
    version = keras_dpgan.__version__
    assert setup_arguments["version"] == version
    others = ["setup.py", "pyproject.toml", "MODULE.bazel", "BUILD"]
    assert not [n for n in others if f'"{version}"' in (ROOT / n).read_text()]


def test_the_version_is_the_last_release_or_one_in_development_after_it():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased"
    version, released = Version(keras_dpgan.__version__), Version(headings[1])
    assert version == released or (version.is_devrelease and version > released)


def test_the_base_needs_no_more_than_its_list(setup_arguments):
    assert names_of(setup_arguments["install_requires"]) == BASE


@pytest.mark.parametrize(("python", "wanted"), [("3.11", True), ("3.12", False)])
def test_tf_privacy_is_needed_only_where_it_can_be_installed(
    setup_arguments, python, wanted
):
    (line,) = [
        line
        for line in map(Requirement, setup_arguments["install_requires"])
        if line.name == "tensorflow-privacy"
    ]
    assert str(line.specifier) == "==0.9.0"
    assert line.marker.evaluate({"python_version": python}) == wanted


def test_the_extras_are_what_the_readme_may_name(setup_arguments):
    extras = setup_arguments["extras_require"]
    assert set(extras) == {
        *("plots", "tensorboard", "hub", "federated", "gpu", "secure", "tables"),
        *("test", "dev", "docs", "all"),
    }
    optional = ("plots", "tensorboard", "hub", "federated", "secure", "tables")
    everything = set().union(*(names_of(extras[name]) for name in optional))
    assert names_of(extras["all"]) == everything
    assert names_of(extras["test"]) < names_of(extras["dev"])


def test_every_third_party_import_is_declared(setup_arguments):
    declared = set(BASE)
    for extra in setup_arguments["extras_require"].values():
        declared |= names_of(extra)
    distributions = importlib.metadata.packages_distributions()
    undeclared = {}
    for path in (ROOT / "keras_dpgan").rglob("*.py"):
        for module in imported_packages(path) - set(sys.stdlib_module_names):
            names = {normalised(n) for n in distributions.get(module, [module])}
            if not names & (declared | set(COMES_WITH_THE_BASE) | {"keras-dpgan"}):
                undeclared.setdefault(module, []).append(path.name)
    undeclared.pop("keras_dpgan", None)
    assert not undeclared


def imported_packages(path):
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.split(".")[0])
    return packages


def test_what_comes_with_the_base_really_does():
    for package, carrier in COMES_WITH_THE_BASE.items():
        assert package in names_of(importlib.metadata.requires(carrier))


def test_every_folder_with_code_is_a_package_that_is_installed(setup_arguments):
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "keras_dpgan").rglob("*.py")
    }
    assert set(setup_arguments["packages"]) == folders


def test_every_file_beside_the_code_is_installed_with_it(setup_arguments):
    beside = {
        path
        for path in (ROOT / "keras_dpgan").rglob("*.*")
        if path.suffix not in (".py", ".pyc") and path.is_file()
        if "/." not in path.relative_to(ROOT).as_posix()
    }
    assert ROOT / "keras_dpgan" / "py.typed" in beside
    patterns = setup_arguments["package_data"][""]
    assert not [path for path in beside if not any(map(path.match, patterns))]


# Keras itself loads what it finds of some of them.
LIST_WHAT_IT_LOADS = """
import sys
import keras
import tensorflow
before = set(sys.modules)
import keras_dpgan
print(*set(sys.modules) - before)
"""


def test_import_loads_nothing_optional_that_keras_does_not_load():
    unwanted = {
        *("flwr", "tenseal", "matplotlib", "PIL", "tensorflow_hub", "tf_keras"),
        *("tensorflow_datasets", "sklearn", "cryptography", "tensorboard"),
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    loaded = subprocess.run(
        [sys.executable, "-c", LIST_WHAT_IT_LOADS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "keras_dpgan" in loaded
    assert not unwanted & {name.split(".")[0] for name in loaded}


# A Python that records what it is asked and makes virtual environments of itself.
FAKE_PYTHON = """\
#!/bin/sh
echo "$@" >> "{log}"
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin" && touch "$3/bin/pip" && cp "$0" "$3/bin/python"
fi
"""


class FreshMachine:
    """A clone with nothing installed, and a Python that only records."""

    def __init__(self, folder):
        self.folder = folder / "clone"
        self.folder.mkdir()
        for name in ("Makefile", "setup.py"):
            shutil.copy(ROOT / name, self.folder)
        self.log = folder / "log"
        self.python = folder / "python3.11"
        self.python.write_text(FAKE_PYTHON.format(log=self.log))
        self.python.chmod(self.python.stat().st_mode | stat.S_IXUSR)

    def make(self, target, python=None):
        """Runs make; returns its result and what Python was asked to do."""
        self.log.write_text("")
        # A make that runs these tests hands its own variables down.
        from_outside = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
        result = subprocess.run(
            ["make", f"PYTHON={self.python if python is None else python}", target],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in from_outside},
            capture_output=True,
            text=True,
            check=False,
        )
        return result, self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("needs make")
    return FreshMachine(tmp_path)


@pytest.mark.parametrize(
    ("target", "extras", "runs"),
    [
        ("test", "test", "-m pytest"),
        ("demo", "plots", "examples/digits/train.py"),
    ],
)
def test_make_installs_the_package_and_then_does_its_work(
    machine, target, extras, runs
):
    result, asked = machine.make(target)
    assert result.returncode == 0, result.stderr
    venv, install, work = asked
    assert venv == "-m venv .venv"
    assert install.startswith("-m pip install")
    assert install.endswith(f"--editable .[{extras}]")
    assert work.startswith(runs)


def test_make_installs_once_and_again_when_setup_has_changed(machine):
    machine.make("test")
    _, asked = machine.make("test")
    assert len(asked) == 1
    later = (machine.folder / ".venv" / "with-test").stat().st_mtime + 5
    os.utime(machine.folder / "setup.py", (later, later))
    _, asked = machine.make("test")
    assert [line.split()[1] for line in asked] == ["pip", "pytest"]


def test_make_says_what_to_do_where_there_is_no_python(machine):
    result, _ = machine.make("test", python="")
    assert result.returncode != 0
    assert "needs Python 3.11 or later" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (machine.folder / ".venv").exists()


def test_ci_runs_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text().split("\n")
