"""The floating-point precision of a run, which depends on its device for ``auto``."""

import logging

import torch

log = logging.getLogger(__name__)


def resolve_precision(precision: str, accelerator: str) -> str:
    """Return Lightning's precision for the keys ``trainer.precision`` and ``trainer.accelerator``.

    ``auto`` is ``bf16-mixed`` if the device multiplies bfloat16 matrices in hardware, otherwise
    ``32-true``: without such instructions, the products take up to 60 times as long. If another
    value with bfloat16 is given for a device without them, a warning is logged.
    """
    if not (precision == "auto" or precision.startswith("bf16")):
        return precision
    supported = _multiplies_bfloat16(accelerator)
    if precision == "auto":
        return "bf16-mixed" if supported else "32-true"
    if not supported:
        log.warning(
            "trainer.precision=%s: slow: this device does not multiply bfloat16 matrices in"
            " hardware; use trainer.precision=auto",
            precision,
        )
    return precision


def _multiplies_bfloat16(accelerator: str) -> bool:
    """Return whether the device of an accelerator has products of bfloat16 matrices."""
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Lightning also takes Apple's GPU as gpu, and prefers it to the processor.
    if accelerator in ("gpu", "mps") or (accelerator == "auto" and torch.mps.is_available()):
        return False
    features = torch.cpu.get_capabilities()
    return any(present for name, present in features.items() if name.endswith("bf16"))
