"""The BUILD files, held against the tree."""

import ast
import graphlib
import pathlib
import shutil
import subprocess

import pytest

from tools import build_files

ROOT = build_files.ROOT
BUILDIFIER = ["npx", "--offline", "@bazel/buildifier@8.2.1"]

needs_the_tree = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="needs the source tree"
)


def rules_of(folder):
    """The Python rules of a folder's BUILD file, as dicts of their attributes."""
    tree = ast.parse((folder / "BUILD").read_text(encoding="utf-8"))
    for call in (statement.value for statement in tree.body):
        if isinstance(call, ast.Call) and call.func.id.startswith("py_"):
            attributes = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            yield {"rule": call.func.id, **attributes}


def label_of(label, folder):
    """The full label of one that is short for its folder."""
    name = folder.relative_to(ROOT).as_posix()
    if label.startswith(":"):
        return f"//{name}{label}"
    return label if ":" in label else f"{label}:{label.rpartition('/')[2]}"


def python_folders():
    """The folders with Python files, those of environments left out."""
    return sorted(
        {
            path.parent
            for top in build_files.FOLDERS
            for path in (ROOT / top).rglob("*.py")
            if "/." not in path.relative_to(ROOT).as_posix()
        }
    )


@needs_the_tree
def test_the_build_files_are_up_to_date(capsys):
    assert build_files.main(["--check"]) == 0, capsys.readouterr().out


@needs_the_tree
def test_each_python_file_has_exactly_one_target_and_tests_are_tests():
    for folder in python_folders():
        rules = list(rules_of(folder))
        assert sorted(rule["srcs"][0] for rule in rules) == sorted(
            path.name for path in folder.glob("*.py")
        )
        assert len({rule["name"] for rule in rules}) == len(rules)
        for rule in rules:
            is_test = rule["srcs"][0].startswith("test_")
            assert (rule["rule"] == "py_test") == is_test
            assert ("size" in rule and "timeout" in rule) == is_test


@needs_the_tree
def test_every_dep_is_a_target_and_none_goes_round_in_a_circle():
    graph = {
        label_of(f":{rule['name']}", folder): {
            label_of(label, folder) for label in rule.get("deps", [])
        }
        for folder in python_folders()
        for rule in rules_of(folder)
    }
    assert set().union(*graph.values()) <= set(graph)
    graphlib.TopologicalSorter(graph).prepare()


@needs_the_tree
def test_buildifier_has_nothing_to_say():
    if shutil.which("npx") is None:
        pytest.skip("needs npx")
    version = subprocess.run(
        [*BUILDIFIER, "--version"], capture_output=True, check=False
    )
    if version.returncode:
        pytest.skip("needs buildifier: make lint fetches it")
    files = [ROOT / "BUILD", ROOT / "MODULE.bazel"]
    files += [folder / "BUILD" for folder in python_folders()]
    result = subprocess.run(
        [*BUILDIFIER, "--mode=check", "--lint=warn", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture
def tree(tmp_path):
    """A small repository, from paths to texts."""

    def write(files):
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


def deps_of(root, path):
    targets = build_files.find_targets(root)
    return {str(dep) for dep in targets[pathlib.PurePosixPath(path)].deps}


@pytest.mark.parametrize(
    ("statement", "dep"),
    [
        ("import keras_dpgan", "keras_dpgan/__init__.py"),
        ("import keras_dpgan.privacy.pld", "keras_dpgan/privacy/pld.py"),
        ("from keras_dpgan import losses", "keras_dpgan/losses.py"),
        ("from keras_dpgan import privacy", "keras_dpgan/privacy/__init__.py"),
        ("from keras_dpgan import DPGAN", "keras_dpgan/__init__.py"),
        ("from keras_dpgan.privacy import pld", "keras_dpgan/privacy/pld.py"),
        ("from keras_dpgan.privacy.pld import f", "keras_dpgan/privacy/pld.py"),
        ("def f():\n    import keras_dpgan.losses", "keras_dpgan/losses.py"),
        ("import helpers", "tests/helpers.py"),
    ],
)
def test_an_import_becomes_a_dep_on_the_file_that_it_names(tree, statement, dep):
    root = tree(
        {
            "keras_dpgan/__init__.py": "",
            "keras_dpgan/losses.py": "",
            "keras_dpgan/privacy/__init__.py": "",
            "keras_dpgan/privacy/pld.py": "",
            "tests/helpers.py": "",
            "tests/privacy/test_it.py": statement,
        }
    )
    assert deps_of(root, "tests/privacy/test_it.py") == {dep}


def test_a_test_depends_on_its_conftests_and_on_the_scripts_that_it_runs(tree):
    guard = "if __name__ == '__main__':\n    pass\n"
    root = tree(
        {
            "examples/digits/train.py": guard + "import train_lib",
            "examples/digits/train_lib.py": "",
            "tests/conftest.py": "",
            "tests/test_examples.py": "SCRIPT = 'digits/train.py'",
        }
    )
    assert deps_of(root, "tests/test_examples.py") == {
        "tests/conftest.py",
        "examples/digits/train.py",
    }
    assert deps_of(root, "examples/digits/train.py") == {"examples/digits/train_lib.py"}


def test_a_third_party_or_a_module_of_the_same_name_is_no_dep(tree):
    root = tree(
        {
            "keras_dpgan/data/__init__.py": "",
            "keras_dpgan/data/json.py": "import json\nimport keras",
            "keras_dpgan/data/records.py": "import json\nfrom sklearn import data",
        }
    )
    assert deps_of(root, "keras_dpgan/data/json.py") == set()
    assert deps_of(root, "keras_dpgan/data/records.py") == set()


def test_a_file_beside_that_is_read_becomes_data(tree):
    root = tree(
        {
            "keras_dpgan/export/card.py": "NAME = 'card.schema.json'",
            "keras_dpgan/export/card.schema.json": "{}",
        }
    )
    (target,) = build_files.find_targets(root).values()
    assert target.data == ("card.schema.json",)


def test_what_an_environment_holds_gets_no_target(tree):
    root = tree(
        {
            "benchmarks/speed.py": "",
            "benchmarks/.venv-jax/lib/jax.py": "",
            "benchmarks/.venv-jax/BUILD": "",
        }
    )
    paths = map(str, build_files.find_targets(root))
    assert list(paths) == ["benchmarks/speed.py"]
    assert set(map(str, build_files.out_of_date(root))) == {"benchmarks/BUILD"}


def test_a_module_with_the_name_of_its_folder_leaves_it_to_the_package(tree):
    root = tree(
        {
            "keras_dpgan/ledger/__init__.py": "from keras_dpgan.ledger import ledger",
            "keras_dpgan/ledger/ledger.py": "",
        }
    )
    package, module = build_files.find_targets(root).values()
    assert (package.name, module.name) == ("ledger", "ledger_module")


def test_a_file_with_slow_tests_is_large_and_long(tree):
    root = tree(
        {
            "tests/test_fast.py": "def test_it(): pass",
            "tests/test_slow.py": "@pytest.mark.slow\ndef test_it(): pass",
        }
    )
    text = build_files.render_build_files(build_files.find_targets(root))
    fast, slow = text[pathlib.PurePosixPath("tests/BUILD")].split("py_test(")[1:]
    assert '"medium"' in fast
    assert '"moderate"' in fast
    assert '"large"' in slow
    assert '"long"' in slow


def test_check_reports_and_writing_mends(tree, capsys):
    root = tree({"keras_dpgan/losses.py": "", "keras_dpgan/old/BUILD": "# stale"})
    assert build_files.main(["--check"], root) == 1
    reported = capsys.readouterr().out
    assert "keras_dpgan/BUILD" in reported
    assert "keras_dpgan/old/BUILD" in reported
    assert not (root / "keras_dpgan" / "BUILD").exists()
    assert build_files.main([], root) == 0
    assert build_files.main(["--check"], root) == 0
    assert (root / "keras_dpgan" / "BUILD").exists()
    assert not (root / "keras_dpgan" / "old" / "BUILD").exists()
