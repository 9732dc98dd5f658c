"""Learning which points are inside a solid."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from helpers import assert_same_runs, composed, history, make_task, weights
from sklearn.metrics import jaccard_score

from mlp_lab.data.shape import near_surface, shape_of
from mlp_lab.errors import UserError
from mlp_lab.images.codecs import read_png
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.occupancy import Occupancy

TINY = ["experiment=shape", "data.solid=torus_knot", "data.batch_size=200", "data.passes=20",
        "data.evaluation_size=500", "network.width=16", "encoding.frequencies=16",
        "trainer.max_epochs=2", "trainer.accelerator=cpu"]  # fmt: skip


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Return random outputs and occupancies of 50 points."""
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(50, 1, generator=generator, dtype=torch.float64)
    return output, (torch.rand(50, 1, generator=generator) < 0.4).double()


def test_metrics_equal_those_of_scikit_learn() -> None:
    output, target = example()
    task = make_task(Occupancy)
    metrics = task.evaluate([[[output, target]]])
    predicted, truth = output[:, 0].numpy() > 0, target[:, 0].numpy() > 0
    assert metrics["iou"] == pytest.approx(jaccard_score(truth, predicted))
    assert metrics["error"] == pytest.approx(np.mean(predicted != truth))
    p = 1 / (1 + np.exp(-output[:, 0].numpy()))
    expected = -np.mean(np.where(truth, np.log(p), np.log(1 - p)))
    assert metrics["loss"] == pytest.approx(expected)


def test_two_empty_solids_are_equal() -> None:
    assert make_task(Occupancy).derived({"intersection": 0.0, "error": 0.0}) == {"iou": 1.0}


def test_the_closed_form_is_the_gradient() -> None:
    output, target = example()
    task = make_task(Occupancy)
    [gradient] = torch.autograd.grad(task.loss(output.requires_grad_(), target), output)
    delta = task.output_delta([task])(output.detach().mT, target.mT).mT / len(output)
    torch.testing.assert_close(gradient, delta)


def test_training_equals_a_plain_loop(compose: Callable, tmp_path: Path) -> None:
    cfg = compose(*TINY, f"logs='{tmp_path}'", "callbacks=none", "schedule=constant", "seed=3")
    folder = train(cfg).folder
    data, task = build_task(cfg)
    data.setup()
    loader = shape_of(data)._training_loader(data.splits["train"], None)
    optimizer = torch.optim.Adam(task.network.parameters(), lr=1e-3)
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        for x, y in (minibatch for chunk in loader for minibatch in chunk):
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(task.network(x), y).backward()
            optimizer.step()
    state = weights(folder)
    for name, weight in task.network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-3, atol=1e-5)
    losses = [row["loss/train"] for row in history(folder)]
    assert losses[1] < losses[0]


def test_double_precision_changes_rounding_only(compose: Callable, tmp_path: Path) -> None:
    common = [*TINY, f"logs='{tmp_path}'", "callbacks=none"]
    single, double = (
        weights(train(compose(*common, f"trainer.precision={precision}")))
        for precision in ("32-true", "64-true")
    )
    for name in (name for name in single if name.startswith("network.")):
        assert double[name].dtype == torch.float64
        torch.testing.assert_close(single[name].double(), double[name], rtol=1e-3, atol=1e-5)


def test_a_stack_of_seeds_equals_single_runs(compose: Callable, tmp_path: Path) -> None:
    common = [o for o in TINY if o != "encoding.frequencies=16"]
    common += ["callbacks=none", "encoding=basic_shape", "network.depth=1", "logger=none"]

    def jobs(name: str) -> list[Job]:
        overrides = [[f"seed={seed}"] for seed in (1, 2)]
        return [Job(compose(*common, *each), each, tmp_path / name / each[0]) for each in overrides]

    single = [train_jobs([job])[0] for job in jobs("single")]
    assert_same_runs(single, train_jobs(jobs("stack")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, drawn_figures: None) -> Result:
    """Return the result of a run with all figures."""
    folder = tmp_path_factory.mktemp("logs")
    return train(composed(*TINY, "callbacks.surface.resolution=16", f"logs='{folder}'"))


def test_a_run_reports_both_overlaps_and_its_surface(trained: Result, compose: Callable) -> None:
    run = RunFolder(trained.folder)
    [test] = trained.evaluations
    figures = run.folder / "figures"
    assert (figures / "surface.png").is_file()
    evaluation = evaluate(compose(f"run='{run.folder}'", root="evaluate"))
    assert evaluation.metrics["iou_near_surface"] == pytest.approx(test.metrics["iou_near_surface"])
    data, task = build_task(run.config)
    task.load_state_dict(weights(run.folder, "best"))
    data.setup()
    for name, metric in (("test", "iou"), (near_surface("test"), "iou_near_surface")):
        x, y = data.splits[name]
        with torch.no_grad():
            predicted = task.network(x)[:, 0] > 0
        expected = jaccard_score(y[:, 0].bool(), predicted, zero_division=1)
        assert test.metrics[metric] == pytest.approx(expected)
    section = predict(compose(f"run='{run.folder}'", "size=[128,128]", root="predict"))
    picture = read_png(run.picture(test.epoch))
    assert np.abs(read_png(section).astype(int) - picture).max() <= 1


@pytest.fixture(scope="module")
def inside_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose network has a probability above 1/2 everywhere except near z = 0."""
    from helpers import composed

    folder = tmp_path_factory.mktemp("logs")
    overrides = [o for o in TINY if o != "encoding.frequencies=16"]
    overrides += ["callbacks=none", "encoding=identity", "network.depth=0"]
    result = train(composed(*overrides, f"logs='{folder}'"))
    path = RunFolder(result.folder).checkpoints.existing("best")
    content = torch.load(path, weights_only=True)
    state = content["state_dict"]
    state["network.0.weight"].copy_(torch.tensor([[0.0, 0.0, 1.0]]))
    state["network.0.bias"].fill_(-0.25)
    torch.save(content, path)
    return Path(result.folder)


def test_predictions_are_sections_or_a_mesh(
    inside_out: Path, compose: Callable, tmp_path: Path
) -> None:
    def path(*overrides: str) -> Path:
        return predict(compose(f"run='{inside_out}'", *overrides, root="predict"))

    mesh = trimesh.load_mesh(path("mesh=21"))
    assert mesh.bounds[0, 2] == pytest.approx(0.25, abs=1e-3)
    assert mesh.is_watertight
    pixels = read_png(path("size=[5,10]", "axis=y", f"output='{tmp_path / 'a.png'}'"))
    expected = 255 / (1 + np.exp(0.25 - np.arange(10) / 10))
    assert np.abs(pixels[:, 2, 0] - expected).max() <= 1  # z downwards
    flat = read_png(path("size=[4,4]", "position=0.75"))
    assert np.abs(flat.astype(int) - round(255 / (1 + np.exp(-0.5)))).max() <= 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["images=a.png"], r"images=a\.png: must be null: .* has learned a solid"),
        (["mesh=8", "axis=x"], "axis=x: must be null: the mesh is the whole surface"),
        (["size=[4,4]", "output=a.csv"], r"output=a\.csv: must end in \.png"),
    ],
)
def test_unsuitable_predictions_are_one_clear_line(
    overrides: list[str], message: str, inside_out: Path, compose: Callable
) -> None:
    with pytest.raises(UserError, match=message):
        predict(compose(f"run='{inside_out}'", *overrides, root="predict"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=shape", "task=tomography"], "Tomography learns projections, but the"),
        (["experiment=shape", "data.path=none.ply"], r"data\.path=.*none\.ply: no such file"),
        (["experiment=image_hw", "data.image=text", "data.size=8", "callbacks=shape"],
         r"callbacks\.surface: needs data=shape"),
    ],
)  # fmt: skip
def test_unsuitable_settings_are_one_clear_line(
    overrides: list[str], message: str, compose: Callable, tmp_path: Path
) -> None:
    cfg = compose(*overrides, "trainer.accelerator=cpu", f"logs='{tmp_path}'")
    with pytest.raises(UserError, match=message):
        train(cfg)
