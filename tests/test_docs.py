"""Every Python block of the documentation runs."""

import docs_snippets
import keras
import pytest

import keras_dpgan.export

pytestmark = [
    pytest.mark.slow,
    # KerasTuner's own: `threading.currentThread().getName()`.
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]

NEEDS = {
    "docs/how_to/tools.md": ("keras_tuner", "tensorboard"),
    "docs/how_to/export.md": ("tensorflow_hub",),
    "docs/how_to/tables.md": ("pandas",),
    "docs/privacy.md": ("cryptography",),
}
# A page that goes on from another one runs after it.
AFTER = {"docs/how_to/tfds.md": "docs/how_to/export.md"}
PAGES = sorted(
    path.relative_to(docs_snippets.ROOT).as_posix()
    for path in (docs_snippets.ROOT / "docs").rglob("*.md")
    if path.name != "index.md" and docs_snippets.blocks(path)
)


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory):
    """The names that the quick start leaves behind, and its model in a file."""
    folder = tmp_path_factory.mktemp("quick_start")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names = docs_snippets.run("docs/index.md", {})
    assert (folder / "digits.png").is_file()
    assert keras_dpgan.export.read_card(folder / "export" / "generator")["private"]
    names.pop("gan").save(folder / "gan.keras")
    return names, folder / "gan.keras"


@pytest.fixture
def quick_start(left_behind):
    """The same for each page: one may have bound the model to its ledger."""
    names, file = left_behind
    return {**names, "gan": keras.saving.load_model(file)}


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_after_the_quick_start(
    page, quick_start, tmp_path, monkeypatch
):
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    if page in AFTER:
        docs_snippets.run(AFTER[page], quick_start)
    docs_snippets.run(page, quick_start)


def test_the_readme_runs_with_less_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    docs_snippets.run_readme_with_less_data()
    assert (tmp_path / "export" / "generator" / "privacy.json").is_file()
