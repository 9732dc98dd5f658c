"""The floating-point precision of a run, which depends on its device for ``auto``."""

import logging

import torch

log = logging.getLogger(__name__)


def resolve_precision(precision: str, accelerator: str) -> str:
    """Return Lightning's precision for the keys ``trainer.precision`` and ``trainer.accelerator``.

    ``auto`` is ``bf16-mixed`` if the device multiplies bfloat16 matrices in hardware, otherwise
    ``32-true``: without such instructions, the products take up to 60 times as long. A warning is
    logged for other values with bfloat16 on such a device.
    """
    if not (precision == "auto" or precision.startswith("bf16")):
        return precision
    supported = _multiplies_bfloat16(accelerator)
    if precision == "auto":
        return "bf16-mixed" if supported else "32-true"
    if not supported:
        log.warning(
            "trainer.precision=%s: slow, this device has no bfloat16 products; better: auto",
            precision,
        )
    return precision


def _multiplies_bfloat16(accelerator: str) -> bool:
    """Return whether the device of an accelerator has products of bfloat16 matrices."""
    if accelerator == "mps":
        return False
    if accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available()):
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    features = torch.cpu.get_capabilities()
    return any(present for name, present in features.items() if name.endswith("bf16"))
