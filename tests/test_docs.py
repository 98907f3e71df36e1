"""Every Python block of the documentation runs."""

import pathlib

import docs_snippets
import numpy as np
import pytest

import keras_dpgan

pytestmark = [
    pytest.mark.slow,
    # KerasTuner's own: `threading.currentThread().getName()`.
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]

NEEDS = {"docs/how_to/tools.md": ("keras_tuner", "tensorboard")}
# A page that goes on from another one runs after it.
AFTER = {"docs/how_to/tfds.md": "docs/how_to/export.md"}
PAGES = sorted(
    path.relative_to(docs_snippets.ROOT).as_posix()
    for path in (docs_snippets.ROOT / "docs").rglob("*.md")
    if path.name != "index.md" and docs_snippets.blocks(path)
)


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory):
    """The names that the quick start leaves behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("quick_start"))
        names = docs_snippets.run("docs/index.md", {})
        assert pathlib.Path("digits.png").is_file()
        assert keras_dpgan.DPGAN.__name__ in str(type(names["gan"]))
    return names


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_after_the_quick_start(
    page, quick_start, tmp_path, monkeypatch
):
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    names = dict(quick_start)
    if page in AFTER:
        docs_snippets.run(AFTER[page], names)
    docs_snippets.run(page, names)


def test_the_readme_runs_with_less_data(tmp_path, monkeypatch):
    x = np.zeros((300, 28, 28, 1), np.float32)
    y = np.arange(300, dtype=np.int32) % 10
    monkeypatch.setattr(keras_dpgan.data, "load_fashion_mnist", lambda: ((x, y), None))
    monkeypatch.chdir(tmp_path)
    (block,) = docs_snippets.blocks("README.md")
    for written, smaller in (
        ("num_examples=60_000", "num_examples=300"),
        ("batch_size=256", "batch_size=60"),
        ("epochs=20", "epochs=1"),
    ):
        assert written in block
        block = block.replace(written, smaller)
    exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "export" / "generator" / "privacy.json").is_file()
