"""The precision ``auto`` by the features of a device."""

import logging

import pytest
import torch

from mlp_lab.runs.precision import resolve_precision


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
