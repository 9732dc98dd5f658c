"""Classes of torch and Lightning that a config names without a schema of mlp_lab."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from helpers import composed
from hydra.errors import ConfigCompositionException
from plugin_sources import plain_config

from mlp_lab.config.check import check
from mlp_lab.config.error_messages import explain
from mlp_lab.config.library_classes import LIBRARIES, library_class, library_schema
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.runs.build import build, build_schedule, build_task
from mlp_lab.runs.trainer import build_trainer
from mlp_lab.storage.run_folder import RunFolder

OPTIMIZERS = [
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam", "RAdam",
    "RMSprop", "Rprop", "SGD",
]  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_have_the_defaults_of_torch(name: str) -> None:
    cfg = composed("optimizer=torch", f"optimizer.name={name}", "optimizer.lr=0.01")
    cls = getattr(torch.optim, name)
    weights = [torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2)]  # Muon needs matrices
    optimizers = build(cfg.optimizer, [weights[0]]), cls([weights[1]], lr=0.01)
    for optimizer, weight in zip(optimizers, weights, strict=True):
        assert type(optimizer) is cls
        for _ in range(3):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()
    assert torch.equal(*weights)


def test_arguments_are_further_keys() -> None:
    cfg = composed("optimizer=torch", "optimizer.name=RAdam", "+optimizer.betas=[0.5,0.75]")
    assert cfg.optimizer.name == "RAdam"  # the option is found in the config of the run
    optimizer = build(cfg.optimizer, [torch.zeros(1)])
    assert list(optimizer.defaults["betas"]) == [0.5, 0.75]
    again = check(cfg, Train)
    assert again == cfg


def test_a_class_of_torch_can_be_a_target() -> None:
    node = {"_target_": "torch.optim.Adamax", "lr": 0.5}
    cfg = check(plain_config(optimizer=node), Train)
    assert build(cfg.optimizer, [torch.zeros(1)]).defaults["lr"] == 0.5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer=torch", "optimizer.name=Adamx"], "Adamx: no such class; did you mean Adam"),
        (["optimizer=torch", "optimizer.name=LBFGS"], "LBFGS: can't be used: it computes the loss"),
        (["optimizer=torch", "optimizer.name=SparseAdam"], "can't be used: it needs sparse"),
        (["optimizer=torch", "optimizer.name=Optimizer"], "torch.optim.Optimizer: no such class"),
        (["optimizer=torch", "+optimizer.beta=1"], "optimizer.beta: no such key; did you mean "),
        (["optimizer=torch", "+optimizer.eps=x"], "optimizer.eps=x: must be a number"),
        (["optimizer=torch", "+optimizer.betas=[1]"], "must be a list of 2, each element a number"),
        (["schedule=torch", "schedule.name=StepL"], "StepL: no such class; did you mean StepLR?"),
        (
            ["schedule=torch", "schedule.name=LambdaLR"],
            "can't be used: a config can't contain its lr",
        ),
        (["schedule=torch", "schedule.name=ReduceLROnPlateau"], "can't be used: it depends on a"),
        (["schedule=torch", "schedule.name=SequentialLR"], "can't be used: it needs objects"),
        (["schedule=torch", "schedule.name=StepLR"], "schedule.step_size: a value is needed"),
        (["callbacks=lightning", "callbacks.lightning.name=Time"], "Time: no such class; did you"),
        (["callbacks=lightning", "callbacks.lightning.name=ModelCheckpoint"], "keeps its best"),
        (["callbacks=lightning", "callbacks.lightning.name=BatchSizeFinder"], "one minibatch per"),
        (["callbacks=lightning", "callbacks.lightning.name=WeightAveraging"], "average_decay"),
        (["logger=wandb", "+logger.dir=/tmp"], "logger.dir: no such key"),
        (["callbacks=lightning", "+callbacks.lightning.x=1"], "callbacks.lightning.x: no such key"),
        (
            ["logger=csv", "+logger.prefixx=a"],
            "logger.prefixx: no such key; did you mean",
        ),
        (["logger=csv", "+logger.save_dir=/tmp"], "logger.save_dir: no such key"),
    ],
)
def test_wrong_names_and_keys_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        composed(*overrides)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_key_without_a_plus_gets_a_hint() -> None:
    with pytest.raises(ConfigCompositionException) as caught:
        composed("optimizer=torch", "optimizer.betas=[0.5,0.75]")
    hint = "optimizer=torch takes further keys with a plus: +optimizer.betas"
    assert hint in explain(caught.value, Train)


@pytest.mark.parametrize(
    "target",
    [
        "torch.optim.sgd.SGD", "torch.optim._multi_tensor", "torch.optim.lr_scheduler", "os.system",
        "torch.optim.SGD.__init__", "torch.load", "pytorch_lightning.Trainer", "torch.optim.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("group", LIBRARIES)
def test_nothing_else_of_the_libraries_can_be_named(group: str, target: str) -> None:
    with suppress(UserError):
        assert library_class(group, target) is None


def test_the_schemas_of_all_classes_can_be_derived() -> None:
    usable = []
    for group, library in LIBRARIES.items():
        module = __import__(library.module, fromlist=["*"])
        for name in vars(module):
            with suppress(UserError):
                if library_schema(group, f"{library.module}.{name}"):
                    usable.append(name)
    assert {*OPTIMIZERS, "StepLR", "OneCycleLR", "Timer", "WandbLogger", "CSVLogger"} <= {*usable}


SCHEDULERS: dict[str, dict[str, Any]] = {
    "ExponentialLR": {"gamma": 0.9},
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 3]},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "LinearLR": {"start_factor": 0.5, "total_iters": 3},
    "PolynomialLR": {"total_iters": 4, "power": 2.0},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 6},
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules_are_those_of_torch(name: str) -> None:
    """The learning rates are those of torch's optimizer, which steps once per epoch."""
    keys = [f"+schedule.{key}={value}" for key, value in SCHEDULERS[name].items()]
    common = ["optimizer.lr=0.2", "trainer.max_epochs=6"]
    cfg = composed("schedule=torch", f"schedule.name={name}", *keys, *common)
    schedule = build_schedule(cfg)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.2, momentum=0.5)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **SCHEDULERS[name])
    for epoch in range(6):
        [group] = optimizer.param_groups
        for time in (epoch, epoch + 0.75):
            assert 0.2 * schedule(time, 6) == pytest.approx(group["lr"], rel=1e-6), epoch
        optimizer.step()
        if epoch < 5:
            scheduler.step()
    assert 0.2 * schedule(1.5, 6) == pytest.approx(0.2 * schedule(1, 6))  # in any order


def test_values_that_torch_refuses_end_in_one_line() -> None:
    cfg = composed("experiment=points_mlp", "optimizer=torch", "+optimizer.betas=[2,2]")
    _, task = build_task(cfg)
    with pytest.raises(UserError, match=r"^optimizer: torch\.optim\.Adamax: Invalid beta param"):
        task.configure_optimizers()
    cfg = composed("schedule=torch", "schedule.name=OneCycleLR", "+schedule.max_lr=1")
    with pytest.raises(UserError, match=r"^schedule: OneCycleLR: You must define either total"):
        build_schedule(cfg)
    short = ["schedule=torch", "schedule.name=OneCycleLR", "+schedule.max_lr=0.1"]
    cfg = composed(*short, "+schedule.total_steps=4", "trainer.max_epochs=9")
    with pytest.raises(UserError, match=r"^schedule: OneCycleLR: Tried to step 5 times"):
        build_schedule(cfg)


@pytest.mark.parametrize("option", ["mlflow", "wandb"])
def test_missing_packages_of_loggers_are_named(option: str, tmp_path: Any) -> None:
    with pytest.raises(UserError, match=f"^logger: .*{option}"):
        build_trainer(composed(f"logger={option}"), RunFolder(tmp_path))


def test_loggers_write_into_the_run_folder(tmp_path: Any) -> None:
    cfg = composed("logger=csv", "logger.name=../x")
    with pytest.raises(UserError, match=r"^logger\.name=\.\./x: must be a name without a slash"):
        build_trainer(cfg, RunFolder(tmp_path))
    logger = build_trainer(composed("logger=csv"), RunFolder(tmp_path)).logger
    assert logger.log_dir == str(tmp_path / "csv" / "version_0")


def test_callbacks_that_refuse_their_values_are_named(tmp_path: Any) -> None:
    overrides = ["callbacks.lightning.name=Timer", "+callbacks.lightning.duration=soon"]
    with pytest.raises(UserError, match=r"^callbacks\.lightning: `Timer\(duration='soon'\)`"):
        build_trainer(composed("callbacks=lightning", *overrides), RunFolder(tmp_path))


def test_callbacks_of_lightning_are_built(tmp_path: Any) -> None:
    timer = ["callbacks.lightning.name=Timer", "+callbacks.lightning.duration='00:00:01:00'"]
    cfg = composed("callbacks=lightning", *timer, "logger=none")
    callbacks = build_trainer(cfg, RunFolder(tmp_path)).callbacks
    [built] = [c for c in callbacks if isinstance(c, pl.callbacks.Timer)]
    assert built.time_remaining("train") == 60
