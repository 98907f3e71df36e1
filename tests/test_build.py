"""The BUILD file, read as Bazel would read it."""

import fnmatch
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="needs the source tree"
)


def glob(include, exclude=()):
    found = {
        path.relative_to(ROOT).as_posix()
        for pattern in include
        for path in ROOT.glob(pattern if not pattern.endswith("**") else f"{pattern}/*")
        if path.is_file() and "/." not in path.relative_to(ROOT).as_posix()
    }
    return sorted(f for f in found if not any(fnmatch.fnmatch(f, e) for e in exclude))


def targets():
    """The targets of the BUILD file, as dicts of their attributes."""
    found = []

    def rule(**attributes):
        found.append(attributes)

    names = {"py_library": rule, "py_test": rule, "glob": glob}
    names |= dict.fromkeys(
        ("exports_files", "licenses", "load", "package"), lambda *a, **k: None
    )
    exec((ROOT / "BUILD").read_text(encoding="utf-8"), names)
    return found


def test_each_python_file_is_in_a_target_and_each_test_file_is_a_test():
    sources = {source for target in targets() for source in target["srcs"]}
    folders = ("keras_dpgan", "tests", "examples", "benchmarks", "tools")
    files = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "/." not in path.relative_to(ROOT).as_posix()
    }
    assert sources == files
    names = [target["name"] for target in targets()]
    assert len(set(names)) == len(names)
    assert {f"tests/{p.stem}" for p in (ROOT / "tests").glob("test_*.py")} <= set(names)


def test_each_dependency_is_a_target():
    names = {f":{target['name']}" for target in targets()}
    assert {d for target in targets() for d in target.get("deps", ())} <= names
