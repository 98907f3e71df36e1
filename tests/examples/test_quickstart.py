"""The notebook runs from its first cell to its last."""

import pathlib

import pytest

pytestmark = [
    pytest.mark.slow,
    # Of the client that talks to the notebook's kernel.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
NOTEBOOK = pathlib.Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


def images_of(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    return [o for o in outputs if "image/png" in o.get("data", {})]


def text_of(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    return "".join(o.get("text", "") for o in outputs)


def check(notebook):
    assert len(images_of(notebook)) == 2
    assert all(name in text_of(notebook) for name in ("g_loss", "epsilon", "delta"))


def test_the_notebook_was_committed_with_its_outputs():
    nbformat = pytest.importorskip("nbformat")
    check(nbformat.read(NOTEBOOK, as_version=4))
    assert NOTEBOOK.stat().st_size < 300_000


def test_the_notebook_runs(monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
    check(notebook)
