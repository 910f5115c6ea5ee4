"""The tutorials run from top to bottom, and are committed without what a run leaves in them."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 300  # seconds per cell; a cell that takes longer is no tutorial


def run(notebook, folder, monkeypatch):
    """Run a notebook in a folder, with the package of this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # else they lie in the user's home
        monkeypatch.setenv(name, str(folder / name))
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def test_there_is_a_tutorial():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    run(nbformat.read(path, as_version=4), tmp_path, monkeypatch)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_committed_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    left = [i for i, cell in enumerate(notebook.cells) if cell.get("outputs")]
    counted = [i for i, cell in enumerate(notebook.cells) if cell.get("execution_count")]
    assert (left, counted) == ([], [])
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


def test_a_notebook_that_fails_is_seen(tmp_path, monkeypatch):
    cell = nbformat.v4.new_code_cell("import lensfinder\nassert lensfinder.__version__ == 'seen'")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    with pytest.raises(CellExecutionError, match="AssertionError"):
        run(notebook, tmp_path, monkeypatch)
