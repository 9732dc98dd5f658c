"""Classes of plug-ins, torch and Lightning in stacks, compared with the same jobs one by one."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import assert_all_close, assert_same_runs, weights
from launch_helpers import TrainingStub
from omegaconf import OmegaConf
from plugin_sources import SMALL, plain_config
from stacked_jobs import MakeJobs, assert_stack_equals_single_runs, train_as_stack, train_singly
from torch import Tensor, nn

from mlp_lab import register
from mlp_lab.config.check import check
from mlp_lab.config.plugin_modules import VARIABLE
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.images.augmentations import InputAugmentation
from mlp_lab.lightning import pl
from mlp_lab.runs.build import target_of
from mlp_lab.storage.results import Status
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.groups import Job, training_groups
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.stack_member import uncalled_hooks

pytestmark = pytest.mark.usefixtures("plugins")
SEEDS = (["seed=1"], ["seed=2"], ["seed=2", "optimizer.lr=0.05"])


class Copy(nn.Sequential):
    """The layers of ``network=mlp`` of depth 1."""

    def __init__(self, in_features: int, out_features: int, *, width: int) -> None:
        layers = nn.Linear(in_features, width), nn.ReLU(), nn.Linear(width, out_features)
        super().__init__(*layers)


class Doubled(Copy):
    """A network with a method ``forward`` that has no stacked form."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def with_options(jobs: Sequence[Job], **options: Any) -> list[Job]:
    """Return jobs with other options of config groups."""

    def changed(job: Job) -> Any:
        plain = OmegaConf.to_container(job.cfg)
        assert isinstance(plain, dict)
        return check(OmegaConf.create(plain | options), Train)

    return [replace(job, cfg=changed(job)) for job in jobs]


def target(cls: type) -> dict[str, str]:
    return {"_target_": f"{cls.__module__}.{cls.__qualname__}"}


@pytest.mark.parametrize("gradients", ["auto", "autograd"])
def test_a_copy_of_mlp_gets_its_weights(gradients: str, make_jobs: MakeJobs) -> None:
    register("network")(Copy)
    common = ["network.width=8", f"gradients={gradients}"]
    node = target(Copy) | {"width": 8}
    built_in = train_singly(make_jobs("mlp", *SEEDS, common=common))
    alone = train_singly(with_options(make_jobs("alone", *SEEDS, common=common), network=node))
    for one, other in zip(built_in, alone, strict=True):
        assert_all_close(weights(one), weights(other))
        assert all(map(torch.equal, weights(one).values(), weights(other).values()))
    jobs = with_options(make_jobs("stacked", *SEEDS, common=common), network=node)
    assert_same_runs(alone, train_as_stack(jobs))


def test_activations_of_plugins_are_stacked(make_jobs: MakeJobs) -> None:
    @register("activation")
    def bent(x: Tensor) -> Tensor:
        return x.tanh() + 0.1 * x

    @register("activation")
    class Share(nn.Module):
        """Not pointwise: the units of an example share an output of 1."""

        def forward(self, x: Tensor) -> Tensor:
            return x.softmax(1)

    names = ["bent", "relu", "share", "share"]
    jobs = [[f"network.activation={name}", f"seed={i}"] for i, name in enumerate(names)]
    # The training with tanh amplifies rounding by a factor of 1e3.
    common = ["network.width=8", "trainer.precision=64-true"]
    assert_stack_equals_single_runs(make_jobs, *jobs, common=common)


@pytest.mark.parametrize(
    "settings",
    [
        "name=Adam lr=0.01 +fused=true +amsgrad=true",
        "name=SGD lr=0.01 +dampening=0.5 +momentum=0.5 +fused=true",
        "name=Adamax lr=0.01",
        *(
            pytest.param(settings, marks=pytest.mark.slow)
            for settings in (
                "name=Adam lr=0.01 +fused=true +decoupled_weight_decay=true +weight_decay=0.5",
                "name=SGD lr=0.001 +maximize=true",
            )
        ),
    ],
)
def test_optimizers_of_torch_are_stacked(settings: str, make_jobs: MakeJobs) -> None:
    def override(setting: str) -> str:
        return f"{'+' * setting.startswith('+')}optimizer.{setting.lstrip('+')}"

    common = ["optimizer=torch", *map(override, settings.split()), "network.width=8"]
    jobs = [["seed=1"], ["seed=2"]]
    assert_stack_equals_single_runs(make_jobs, *jobs, common=[*common, "trainer.max_epochs=2"])


def test_schedules_of_torch_are_stacked(make_jobs: MakeJobs) -> None:
    common = ["schedule=torch", "schedule.name=ExponentialLR", "network.width=8"]
    jobs = [["+schedule.gamma=0.5"], ["+schedule.gamma=0.9", "optimizer.lr=0.2"]]
    assert_stack_equals_single_runs(make_jobs, *jobs, common=common)


def test_augmentations_of_plugins_are_stacked(make_jobs: MakeJobs) -> None:
    @register("augmentation")
    class Noise(InputAugmentation):
        def __init__(self, *, std: float) -> None:
            self.std = std

        def __call__(
            self, inputs: Tensor, /, generator: torch.Generator, strength: float = 1.0
        ) -> Tensor:
            return inputs + strength * self.std * torch.randn(inputs.shape, generator=generator)

    overrides = (["seed=1"], ["seed=1"], ["seed=2"])
    common = ["network.width=8"]

    def jobs(name: str) -> list[Job]:
        made = make_jobs(name, *overrides, common=common)
        stds = [0.1, 0.5, 0.1]
        nodes = [target(Noise) | {"std": std} for std in stds]
        return [
            with_options([job], augmentation=node)[0] for job, node in zip(made, nodes, strict=True)
        ]

    singles = train_singly(jobs("apart"))
    assert_same_runs(singles, train_as_stack(jobs("stacked")))
    losses = [result.best["loss/train"] for result in singles if result.best]
    assert len(set(losses)) == 3


class SeesBatches(pl.Callback):
    def on_train_batch_start(self, *_: Any) -> None: ...


class SeesEpochs(pl.Callback):
    def on_train_epoch_end(self, *_: Any) -> None: ...


class OwnStep(Classification):
    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return super().differentiate(x, y)


class OwnLoss(Classification):
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return super().loss(output, target)


@pytest.mark.parametrize(
    ("group", "cls", "reason"),
    [
        ("network", Doubled, "Doubled has no stacked form"),
        ("callbacks", SeesBatches, "SeesBatches needs on_train_batch_start"),
        ("callbacks", SeesEpochs, ""),
        ("task", OwnStep, "OwnStep defines differentiate"),
        ("task", OwnLoss, ""),
    ],
)
def test_jobs_that_a_stack_would_change_train_alone(
    group: str, cls: Callable, reason: str, make_jobs: MakeJobs
) -> None:
    register(group)(cls)
    node: dict[str, Any] = target(cls)
    node |= {"network": {"width": 8}, "task": {"output": "softmax", "loss": "cross_entropy"}}.get(
        group, {}
    )
    node = {"mine": node} if group == "callbacks" else node
    jobs = with_options(make_jobs("together", ["seed=1"], ["seed=2"]), **{group: node})
    groups = training_groups(jobs)
    assert len(groups) == (2 if reason else 1)
    assert not reason or groups[0].reason_alone == reason


@pytest.mark.parametrize("schema", GROUPS["callbacks"], ids=lambda schema: schema.__name__)
def test_stacks_call_all_hooks_of_the_callbacks_of_mlp_lab(schema: Any) -> None:
    assert uncalled_hooks(target_of(OmegaConf.create({"_target_": schema._target_}))) == []


def test_job_runners_import_plugins_in_other_processes(
    training_stub: TrainingStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small_plugin.py").write_text(SMALL)
    monkeypatch.setenv(VARIABLE, "small_plugin")
    folder = SweepFolder.create("logs", "x", ["experiment=points_mlp"], [])
    pickled = pickle.dumps(JobRunner(folder))
    monkeypatch.setenv(VARIABLE, "")  # of the other process
    cfg = plain_config(network={"_target_": "small_plugin.Small", "size": 2})
    with pytest.raises(UserError, match="needs its plug-in"):
        check(cfg, Train)
    pickle.loads(pickled).train([(0, cfg, [])])
    assert training_stub.names == [["0"]]
    assert check(cfg, Train).network.size == 2


@pytest.mark.parametrize(("gradients", "sizes"), [("auto", [3]), ("closed_form", [1, 1, 1])])
def test_losses_without_closed_form_have_closed_forms_of_single_networks(
    gradients: str, sizes: list[int], make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classification, "output_delta", lambda *_: None)
    jobs = make_jobs("none", *SEEDS, common=["network.width=8", f"gradients={gradients}"])
    assert [len(group.jobs) for group in training_groups(jobs)] == sizes
    results = train_singly(jobs)
    assert all(result.status is Status.FINISHED for result in results)
