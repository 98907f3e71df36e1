"""Writes the BUILD files: a target for each Python file, its deps the imports.

python tools/build_files.py            writes them
python tools/build_files.py --check    fails where one is not up to date
"""

import argparse
import ast
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("keras_dpgan", "tests", "examples", "benchmarks", "tools")
PYTEST_MAIN = pathlib.PurePosixPath("tests/pytest_main.py")

_HEADER = """\
# Written by tools/build_files.py from the imports: run it, do not edit this.

load("@rules_python//python:defs.bzl", {rules})

package(default_visibility = ["//visibility:public"])
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """The one target of a Python file.

    Attributes:
        path: The file's path in the repository, a `PurePosixPath`.
        rule: `"py_library"`, `"py_binary"` or `"py_test"`.
        deps: The paths of the files that it imports, or runs in a process.
        data: The names of the files beside it that it reads.
        slow: Whether the file holds tests marked `slow`.
    """

    path: pathlib.PurePosixPath
    rule: str
    deps: frozenset
    data: tuple = ()
    slow: bool = False

    @property
    def name(self):
        """The target's name: the file's, or the folder's for `__init__.py`."""
        folder, stem = self.path.parent.name, self.path.stem
        if stem == "__init__":
            return folder
        return f"{stem}_module" if stem == folder else stem

    def label_from(self, folder):
        """The target's label as the BUILD file of `folder` writes it."""
        if self.path.parent == folder:
            return f":{self.name}"
        if self.path.parent.name == self.name:
            return f"//{self.path.parent}"
        return f"//{self.path.parent}:{self.name}"

    def render(self, targets):
        """The text of the rule.

        Args:
            targets: Dict from paths to targets, to name the deps.

        Returns:
            A string, formatted as buildifier does.
        """
        attributes = {"name": self.name, "srcs": [self.path.name]}
        data = list(self.data)
        deps = [targets[path].label_from(self.path.parent) for path in self.deps]
        if self.rule == "py_test":
            attributes |= {
                "size": "large" if self.slow else "medium",
                "timeout": "long" if self.slow else "moderate",
                "srcs": [self.path.name, f"//{PYTEST_MAIN.parent}:{PYTEST_MAIN.name}"],
                "args": [f"$(rootpath {self.path.name})"],
                "main": f"//{PYTEST_MAIN.parent}:{PYTEST_MAIN.name}",
            }
            data.append("//:pyproject.toml")
        if data:
            attributes["data"] = data
        if deps:
            attributes["deps"] = sorted(deps, key=_buildifier_order)
        order = ("name", "size", "timeout", "srcs", "args", "data", "main", "deps")
        lines = [
            f"    {key} = {_literal(attributes[key])},\n"
            for key in order
            if key in attributes
        ]
        return f"{self.rule}(\n{''.join(lines)})\n"


def find_targets(root):
    """Reads every Python file in the folders of the repository.

    Args:
        root: Path of the repository.

    Returns:
        Dict from paths in the repository to targets.
    """
    paths = sorted(
        pathlib.PurePosixPath(path.relative_to(root).as_posix())
        for folder in FOLDERS
        for path in _find(root / folder, "*.py")
    )
    trees = {path: _parse(root, path) for path in paths}
    return {path: _target(root, path, trees) for path in paths}


def render_build_files(targets):
    """Makes the text of each folder's BUILD file.

    Args:
        targets: Dict from paths to targets.

    Returns:
        Dict from the paths of the BUILD files to their texts.
    """
    folders = {}
    for path in sorted(targets, key=lambda path: (path.stem != "__init__", path)):
        folders.setdefault(path.parent, []).append(targets[path])
    texts = {}
    for folder, inside in folders.items():
        rules = ", ".join(f'"{rule}"' for rule in sorted({t.rule for t in inside}))
        parts = [_HEADER.format(rules=rules)]
        if folder == PYTEST_MAIN.parent:
            parts.append(f'exports_files(["{PYTEST_MAIN.name}"])\n')
        parts += [target.render(targets) for target in inside]
        texts[folder / "BUILD"] = "\n".join(parts)
    return texts


def out_of_date(root):
    """Compares the BUILD files on disk with the tree.

    Args:
        root: Path of the repository.

    Returns:
        Dict from the paths of the BUILD files that differ to the texts that they
        should have, `None` for one whose folder has no Python file.
    """
    texts = render_build_files(find_targets(root))
    for folder in FOLDERS:
        for path in _find(root / folder, "BUILD"):
            texts.setdefault(
                pathlib.PurePosixPath(path.relative_to(root).as_posix()), None
            )
    return {path: text for path, text in texts.items() if _read(root / path) != text}


def _parse(root, path):
    return ast.parse((root / path).read_text(encoding="utf-8"), filename=str(path))


def _find(folder, pattern):
    """The files below a folder, hidden folders such as `.venv` left out."""
    return [
        path
        for path in folder.rglob(pattern)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _target(root, path, trees):
    tree = trees[path]
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    deps = _imports(tree, path, trees) | _scripts(strings, trees)
    data = _data(strings, root / path.parent)
    if path.name.startswith("test_"):
        deps |= _conftests(path, trees)
        return Target(path, "py_test", deps - {path}, data, _is_slow(tree))
    rule = "py_binary" if _is_script(tree) else "py_library"
    return Target(path, rule, deps - {path}, data)


def _imports(tree, path, paths):
    """The repository's files that a file imports, inside functions too."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {(alias.name,) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name`: the name may be a module.
            modules |= {
                (f"{node.module}.{alias.name}", node.module) for alias in node.names
            }
    folders = _import_folders(path)
    found = {_first_file(candidates, folders, paths) for candidates in modules}
    return frozenset(found - {None})


def _import_folders(path):
    """Where imports are looked up: pytest adds `tests`, a script its own folder."""
    top = pathlib.PurePosixPath(path.parts[0])
    root = pathlib.PurePosixPath()
    return (root,) if top.name == "keras_dpgan" else (root, path.parent, top)


def _first_file(modules, folders, paths):
    for module in modules:
        for folder in folders:
            stem = folder.joinpath(*module.split("."))
            for file in (stem.with_suffix(".py"), stem / "__init__.py"):
                if file in paths:
                    return file
    return None


def _conftests(path, paths):
    return {folder / "conftest.py" for folder in path.parents} & set(paths)


def _scripts(strings, trees):
    """The repository's scripts that a file names, to run them in a process."""
    endings = tuple(f"/{string}" for string in strings if string.endswith(".py"))
    return {
        path
        for path in trees
        if _is_script(trees[path]) and f"/{path}".endswith(endings)
    }


def _data(strings, folder):
    """The files, and the folders of files, beside a Python file that it names."""
    beside = {p.name for p in folder.iterdir() if _is_data(p)}
    return tuple(sorted(strings & beside - {"BUILD"}))


def _is_data(path):
    if path.is_file():
        return path.suffix != ".py"
    return not any(file.suffix == ".py" for file in path.rglob("*"))


def _is_slow(tree):
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "slow"
        and ast.unparse(node) == "pytest.mark.slow"
        for node in ast.walk(tree)
    )


def _is_script(tree):
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in tree.body
    )


def _buildifier_order(label):
    return label.startswith("//"), label.replace(":", ".").split(".")


def _literal(value):
    if isinstance(value, str):
        return f'"{value}"'
    if len(value) == 1:
        return f'["{value[0]}"]'
    return "[\n" + "".join(f'        "{item}",\n' for item in value) + "    ]"


def _read(path):
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments=None, root=ROOT):
    """Writes or checks the BUILD files.

    Args:
        arguments: List of strings, the command line's by default.
        root: Path of the repository.

    Returns:
        Int: the exit status.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    stale = out_of_date(root)
    for path, text in stale.items():
        if check:
            print(f"{path} is not up to date: run python tools/build_files.py")
        elif text is None:
            (root / path).unlink()
        else:
            (root / path).write_text(text, encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
