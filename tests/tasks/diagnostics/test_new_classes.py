"""A new image data set and a new task are evaluated without changes in other modules."""

from typing import Any

import torch
from helpers import make_task
from matplotlib.figure import Figure
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.robustness import robustness
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


class SmallImages(DataModule):
    """Random images of 8 x 8 pixels of two classes."""

    in_features, out_features, image_side = 64, 2, 8
    class_names = ("left", "right")

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        x = torch.rand(20, 64, generator=torch.Generator().manual_seed(0))
        return {"test": (x.to(device), torch.arange(20, device=device) % 2)}


class CountingClassification(Classification):
    """Adds a table and a figure of its predictions."""

    def diagnostics(self, predictions: SplitPredictions) -> list[Diagnostic]:
        rows = [{"examples": len(predictions.predictions)}]
        return [*super().diagnostics(predictions), Diagnostic("count", rows, {"count": Figure})]


def predictions(**settings: Any) -> SplitPredictions:
    data = SmallImages(batch_size=5, seed=0, limits={})
    data.setup()
    network = torch.nn.Linear(64, 2)
    task = make_task(
        CountingClassification, network=network, output="softmax", loss="cross_entropy"
    )
    return SplitPredictions(data, task, "test", **settings)


def test_a_new_image_data_set_has_an_error_gallery() -> None:
    classes, *_ = predictions().task.diagnostics(predictions())
    assert classes.name == "classes"
    assert "errors_01" in classes.figures
    assert isinstance(classes.figures["errors_01"](), Figure)


def test_a_new_task_adds_its_diagnostics() -> None:
    given = predictions()
    names = [diagnostic.name for diagnostic in given.task.diagnostics(given)]
    assert names == ["classes", "calibration", "count"]


def test_a_new_image_data_set_has_its_robustness() -> None:
    given = predictions()
    clean = robustness(given).rows[0]
    assert clean["error"] == given.task.evaluate(given.data.loader("test"))["error"]
