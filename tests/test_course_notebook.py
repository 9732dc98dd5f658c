"""The notebook of the course runs from its first cell to its last."""

from pathlib import Path

import nbformat
import pytest
from helpers import CHECKOUT
from nbclient import NotebookClient

NOTEBOOK = CHECKOUT / "scripts" / "course.ipynb"


def test_the_repository_has_no_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(code) == 10
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
# Jupyter's client leaves sockets to the garbage collection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_all_cells_run(tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells contain assertions. MNIST is replaced by a small data set."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    [first] = [cell for cell in notebook.cells if "\nMNIST = None" in cell.source]
    first.source = first.source.replace("MNIST = None", f"MNIST = {str(tiny_mnist)!r}")
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    images = [out for cell in shown for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(images) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]
