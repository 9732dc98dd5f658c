"""The precision ``auto`` by the features of a device, and inputs in mixed precision."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import assert_equal_weights

from mlp_lab.data.datamodule import DataModule
from mlp_lab.runs.precision import resolve_precision
from mlp_lab.runs.train import train


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine without a GPU, whose processor has the features of the parameter."""
    features = {"avx2": True, "avx512_bf16": False, "amx_bf16": False} | request.param
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({}, "32-true"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
    ],
    indirect=["processor"],
)
@pytest.mark.parametrize("accelerator", ["auto", "cpu"])
def test_auto_is_bfloat16_where_the_processor_has_its_products(
    processor: None, expected: str, accelerator: str
) -> None:
    assert resolve_precision("auto", accelerator) == expected
    assert resolve_precision("64-true", accelerator) == "64-true"


@pytest.mark.parametrize("supported", [True, False])
def test_auto_is_bfloat16_where_the_gpu_has_its_products(
    supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    for accelerator in ("auto", "gpu"):
        expected = "bf16-mixed" if supported else "32-true"
        assert resolve_precision("auto", accelerator) == expected


@pytest.mark.parametrize("processor", [{"avx512_bf16": True}], indirect=True)
def test_auto_is_single_precision_on_apples_gpu(
    processor: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.mps, "is_available", lambda: True)
    for accelerator in ("auto", "gpu", "mps"):
        assert resolve_precision("auto", accelerator) == "32-true"
    assert resolve_precision("auto", "cpu") == "bf16-mixed"


@pytest.mark.parametrize(
    ("processor", "warnings"), [({}, 1), ({"avx512_bf16": True}, 0)], indirect=["processor"]
)
def test_bfloat16_without_its_products_is_a_warning(
    processor: None, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"
    assert len(caplog.messages) == warnings
    assert all("trainer.precision=bf16-mixed: slow" in message for message in caplog.messages)


@pytest.mark.parametrize("experiment", ["image_tancik", "ct"])
def test_encoded_inputs_that_are_rounded_once_give_the_same_weights(
    compose: Callable, tmp_path: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"image_tancik": ["data.image=text"], "ct": ["data.projections=4"]}[experiment]
    small += [f"experiment={experiment}", "data.size=16", "network.width=16", "data.passes=3"]
    small += ["trainer.max_epochs=2", "trainer.precision=bf16-mixed", "trainer.accelerator=cpu"]
    cfg = compose(*small, f"logs='{tmp_path}'", "callbacks=layers", "logger=none")
    rounded, types = DataModule._rounded, []

    def watched(data: DataModule, x: torch.Tensor) -> torch.Tensor:
        types.append(rounded(data, x).dtype)
        return rounded(data, x)

    monkeypatch.setattr(DataModule, "_rounded", watched)
    result = train(cfg)
    assert types == [torch.bfloat16]
    monkeypatch.setattr(DataModule, "_rounded", lambda _, x: x)
    assert_equal_weights(result, train(cfg))
