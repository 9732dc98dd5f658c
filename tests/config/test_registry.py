"""Schemas that are derived from the constructors of registered classes."""

import subprocess
import sys
from dataclasses import dataclass, fields
from inspect import signature
from typing import Annotated, Any, Literal

import pytest
import torch
from helpers import composed
from omegaconf import OmegaConf
from torch import Tensor

import mlp_lab
from mlp_lab import Range, add_metric, register
from mlp_lab.config.check import allowed_values, check
from mlp_lab.config.metrics import get_metric
from mlp_lab.config.registry import GIVEN
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.train import Train
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.points import Points
from mlp_lab.errors import UserError
from mlp_lab.images.augmentations import Augmentation
from mlp_lab.nn.mlp import MLP
from mlp_lab.runs.build import build, build_task
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.classification import Classification

pytestmark = pytest.mark.usefixtures("plugins")


class Wide(torch.nn.Linear):
    """A network with a parameter of each type that a config can have."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        size: Annotated[int, Range(1, 1000)],
        kind: Literal["a", "b"] = "a",
        scale: Annotated[float, Range(above=0, below=2)] = 1,
        shape: tuple[float, float] = (0.5, 0.25),
        widths: list[int] | None = None,
        name: "str" = "x",
        fast: bool = True,
    ) -> None:
        super().__init__(in_features, out_features)
        self.settings = (size, kind, scale, shape, widths, name, fast)


def allowed(group: str) -> dict[str, str]:
    """Return what the keys of the class that was registered last allow."""
    schema = GROUPS[group][-1]
    return {f.name: allowed_values(schema, f) for f in fields(schema) if f.name != "_target_"}


def checked(group: str, **keys: Any) -> Any:
    """Return the checked option of the class that was registered last."""
    plain = OmegaConf.to_container(composed("experiment=points_mlp", "callbacks=none"))
    plain[group] = {"_target_": GROUPS[group][-1]._target_, **keys}
    return check(OmegaConf.create(plain), Train)[group]


def test_types_and_limits_are_those_of_the_annotations() -> None:
    register("network")(Wide)
    assert allowed("network") == {
        "size": "a whole number at least 1 and at most 1000",
        "kind": "one of a, b",
        "scale": "a number above 0 and below 2",
        "shape": "a list of 2, each element a number",
        "widths": "a list, each element a whole number or null",
        "name": "a string",
        "fast": "true or false",
    }


def test_values_are_checked_converted_and_passed_on() -> None:
    register("network")(Wide)
    node = checked("network", size=3, shape=[1, 2], widths=[4])
    network = build(node, in_features=2, out_features=1)
    assert network.settings == (3, "a", 1.0, [1.0, 2.0], [4], "x", True)
    assert checked("network", size=3).shape == [0.5, 0.25]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "network.size: a value is needed: a whole number at least 1 and at most 1000"),
        ({"size": 0}, "network.size=0: must be a whole number at least 1"),
        ({"size": 1, "kind": "c"}, "network.kind=c: must be one of a, b"),
        ({"size": 1, "scale": 2}, "network.scale=2: must be a number above 0 and below 2"),
        ({"size": 1, "shape": [1]}, r"network.shape=\[1\]: must be a list of 2"),
        ({"size": 1, "fast": "x"}, "network.fast=x: must be true or false"),
        ({"size": 1, "skale": 1}, "network.skale: no such key; did you mean network.scale?"),
        ({"size": 1, "in_features": 1}, "network.in_features: no such key"),
    ],
)
def test_wrong_values_are_refused(keys: dict[str, Any], message: str) -> None:
    register("network")(Wide)
    with pytest.raises(UserError, match=f"^{message.replace('?', '[?]')}"):
        checked("network", **keys)


def test_keys_of_base_classes_are_inherited() -> None:
    @register("data")
    class Numbers(DataModule):
        def __init__(self, *, size: int, **common: Any) -> None:
            super().__init__(**common)

    @register("task")
    class Weighted(Task):
        def __init__(self, *, weight: float, teacher: float, **task: Any) -> None:
            super().__init__(**task)

    @register("network")
    class Deep(MLP):
        def __init__(self, in_features: int, out_features: int, *, extra: int, **mlp: Any) -> None:
            super().__init__(in_features, out_features, **mlp)

    assert list(allowed("data")) == ["size", "batch_size", "passes", "drop_last"]
    assert allowed("data")["batch_size"] == "a whole number at least 1 and at most 1000000000"
    assert checked("data", size=2, batch_size=1).passes == 1
    assert list(allowed("task")) == ["weight", "teacher"]
    assert checked("task", weight=1, teacher=2).teacher == 2.0  # no path of another run
    # Those of mlp_lab's own schema, with its limits.
    own = next(s for s in GROUPS["network"] if s.__name__ == "MLP")
    expected = {f.name: allowed_values(own, f) for f in fields(own) if f.name != "_target_"}
    assert allowed("network") == {"extra": "a whole number"} | expected


def test_keys_that_a_class_sets_itself_are_fixed() -> None:
    @register("task", fixed=("output", "loss"))
    class Softmax(Classification):
        def __init__(self, **task: Any) -> None:
            super().__init__(output="softmax", loss="cross_entropy", **task)

    @register("data", fixed=("set", "noise"))
    class Xor(Points):
        def __init__(self, **common: Any) -> None:
            super().__init__(set="xor", noise=0.0, **common)

    assert list(allowed("task")) == ["label_smoothing"]
    assert list(allowed("data")) == [
        "size",
        "points_seed",
        "train_size",
        "batch_size",
        "passes",
        "drop_last",
    ]


def test_dataclasses_can_be_registered() -> None:
    @register("schedule")
    @dataclass(frozen=True)
    class Linear:
        end: Annotated[float, Range(0, 1)]

        def __call__(self, epoch: float, epochs: float) -> float:
            return 1 + (self.end - 1) * epoch / epochs

    assert build(checked("schedule", end=0.5))(1, 2) == 0.75


def test_a_class_that_is_registered_again_is_replaced() -> None:
    before = len(GROUPS["network"])
    for default in (1, 2):

        @register("network")
        class Again(torch.nn.Linear):
            def __init__(self, in_features: int, out_features: int, size: int = default) -> None:
                super().__init__(in_features, out_features)

    assert len(GROUPS["network"]) == before + 1
    assert checked("network").size == 2


@pytest.mark.parametrize(
    ("annotation", "default", "message"),
    [
        (Any, 1, "needs the type int, float, bool, str, a list of these, Literal .* not Any$"),
        (torch.dtype, None, "needs the type .* not dtype$"),
        (int | str, 1, "needs one type, or one type and None"),
        (list[list[int]], None, "needs elements of one type"),
        (Literal[1, "a"], 1, "Literal needs strings, or whole numbers$"),
        (Annotated[int, Range(1, 2)], 3, "its default 3 must be at least 1 and at most 2$"),
        (int, torch, "its default <module .*> can't be in a config$"),
        ("Missing", 1, "its annotation can't be read: name 'Missing' is not defined"),
    ],
)
def test_parameters_that_a_config_cannot_contain_are_refused(
    annotation: Any, default: object, message: str
) -> None:
    class Wrong:
        def __init__(self, value: Any = default) -> None: ...

    Wrong.__init__.__annotations__["value"] = annotation
    before = GROUPS["network"]
    with pytest.raises(UserError, match=f"^{__name__}.*Wrong: value: {message}"):
        register("network")(Wrong)
    assert GROUPS["network"] == before


def test_groups_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UserError, match=r"^register\('networks'\): .*; did you mean network\?$"):
        register("networks")


def test_activations_have_the_names_of_functions_and_classes() -> None:
    @register("activation")
    def squared_relu(x: Tensor) -> Tensor:
        return x.relu() ** 2

    @register("activation")
    class LeakyTanh(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.tanh() + 0.1 * x

    x = torch.tensor([[-1.0, 2.0]])
    for name, expected in {"squared_relu": [0, 4], "leaky_tanh": [-0.8616, 1.1640]}.items():
        cfg = composed("experiment=points_mlp", f"network.activation={name}")
        _, task = build_task(cfg)
        torch.testing.assert_close(
            task.network[1](x), torch.tensor([expected]).float(), atol=1e-4, rtol=0
        )
    with pytest.raises(UserError, match=r"network\.activation=tan: must be one of .*leaky_tanh"):
        composed("experiment=points_mlp", "network.activation=tan")
    with pytest.raises(UserError, match="relu exists already"):
        register("activation")(type("Relu", (), {}))


def test_metrics_can_have_properties() -> None:
    add_metric("f1", percent=True, direction="max")
    assert get_metric("f1/test").text(0.5) == "50.00 %"
    with pytest.raises(UserError, match="error: exists with other properties"):
        add_metric("error", direction="max")
    with pytest.raises(UserError, match="direction=up: must be one of min, max"):
        add_metric("up", direction="up")


def test_the_given_parameters_are_those_of_the_base_classes() -> None:
    of_tasks = {*signature(ChunkedTraining).parameters, *signature(Task).parameters}
    assert set(GIVEN["task"]) == of_tasks - {"training"}
    assert set(GIVEN["data"]) < set(signature(DataModule).parameters)
    assert set(GIVEN["network"]) < set(signature(MLP).parameters)
    assert set(GIVEN["augmentation"]) < set(signature(Augmentation).parameters)


def test_the_package_is_imported_quickly() -> None:
    code = (
        "import sys, mlp_lab; first = set(sys.modules); from mlp_lab import register, Range;"
        "assert not any(m.startswith('mlp_lab.') for m in first), first;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        mlp_lab.nothing  # noqa: B018
