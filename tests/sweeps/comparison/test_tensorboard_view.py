"""The folder that shows runs in TensorBoard. TensorBoard itself is the oracle."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard_plugins import hparams

from mlp_lab.errors import UserError
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.tensorboard_view import arrange


@pytest.fixture
def view(tmp_path: Path) -> Path:
    """The folder of the links."""
    folder = tmp_path / "view"
    folder.mkdir()
    return folder


def test_links_are_named_by_what_differs(make_run: Callable, tmp_path: Path, view: Path) -> None:
    first, second, third = (
        make_run([2, 1], f"optimizer.lr={lr}", "data.root=a/b") for lr in (0.1, 0.2, 0.2)
    )
    logs = str(first.parent)
    compare([logs])
    assert arrange([logs], view) == 3
    links = {path.name: path.resolve() for path in view.iterdir() if path.is_symlink()}
    assert links["lr=0.1"] == first.resolve()
    assert {links["lr=0.2"], *links.values()} == {p.resolve() for p in (first, second, third)}
    assert len(links) == 3
    [summary] = (view / f"all runs of {first.parent.name}").iterdir()
    assert summary.resolve().parent == first.parent.resolve()


def test_charts_contain_training_and_validation(
    make_run: Callable, tmp_path: Path, view: Path
) -> None:
    arrange([str(make_run([2, 1]))], view)
    [event] = EventAccumulator(str(view)).Reload().Tensors("custom_scalars__config__")
    [category] = Layout.FromString(event.tensor_proto.string_val[0]).category
    charts = {chart.title: chart.multiline.tag[0] for chart in category.chart}
    assert list(charts) == ["loss", "error"]
    curves = ["loss/train", "loss/validation", "~best/loss/train", "loss/minibatch", "error/train"]
    shown = [curve for curve in curves if re.search(charts["loss"], curve)]
    assert shown == ["loss/train", "loss/validation"]


def test_hparams_have_the_swept_keys_and_metrics_of_all_runs(
    compose: Callable, tmp_path: Path, view: Path
) -> None:
    common = ["experiment=points_mlp", "callbacks=none", "trainer.max_epochs=1", "data.size=20"]
    for width in (2, 3):
        overrides = [*common, f"network.width={width}"]
        result = train(compose(*overrides), overrides, tmp_path / "logs" / str(width))
    RunFolder(tmp_path / "logs/3").write_result(replace(result, evaluations=[]))  # not tested
    arrange([str(tmp_path / "logs")], view)
    columns, rows = hparams(view)
    assert [column.name for column in columns.hparam_infos] == ["network.width"]
    names = [metric.name.tag for metric in columns.metric_infos]
    assert names[:2] == ["~best/loss/train", "~best/loss/validation"]
    assert set(rows) == {"width=2", "width=3"}
    for row in rows.values():
        assert {metric.name.tag for metric in row.metric_values} == set(names)


def test_folders_without_runs(tmp_path: Path, view: Path) -> None:
    with pytest.raises(UserError, match="no runs in this folder"):
        arrange([str(view)], view)
