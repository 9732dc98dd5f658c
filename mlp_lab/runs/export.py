"""Export a network for other programs: ONNX, and the format of torch.export.

The network in the file is run on random inputs and compared with the original.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError, first_line

_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_EXAMPLES = 7  # of the comparison; the trace has another number
_TOLERANCE = 1e-4  # of outputs, relative to the largest one
Function = Callable[[Tensor], Tensor]


def export(network: Any, path: Path) -> Path:
    """Write a network to a file in the format of its suffix; return the path.

    The file has the network with its encoding and weights. It takes inputs ``x`` of the shape
    ``[batch, in_features]`` for any batch size.

    Args:
        network: module with the attribute ``in_features``, in evaluation mode on the CPU.
        path: file with the suffix ``.onnx`` or ``.pt2`` (see ``torch.export.load``).

    Raises:
        UserError: another suffix, the extra ``export`` is not installed, the network can't be
            exported, or the network in the file gives other outputs. No file is written.
    """
    if path.suffix not in _FORMATS:
        raise UserError(f"{path}: the suffix must be one of {', '.join(_FORMATS)}")
    save, load = _FORMATS[path.suffix]
    dtype = next(network.parameters()).dtype
    generator = torch.Generator().manual_seed(0)
    traced, compared = (
        torch.rand(size, network.in_features, generator=generator).to(dtype)
        for size in (2, _EXAMPLES)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        with _quiet():
            try:
                save(network, traced, temporary)
            except UserError:
                raise
            except Exception as error:  # exporters raise exceptions of many classes
                raise UserError(f"{path}: can't be exported: {first_line(error)}") from error
            actual, expected = load(temporary)(compared), network(compared)
        difference = float((actual - expected).abs().amax())
        if not difference <= _TOLERANCE * max(1.0, float(expected.abs().amax())):
            raise UserError(f"{path}: its outputs differ from the network's by {difference:.3g}")
        os.replace(temporary, path)
    return path


def _save_onnx(network: nn.Module, x: Tensor, path: Path) -> None:
    _check_extra()
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        network, (x,), dynamo=True, input_names=["x"], output_names=["y"],
        dynamic_shapes=({0: batch},), verbose=False,
    )  # fmt: skip
    assert program is not None
    program.save(path, external_data=False)


def _load_onnx(path: Path) -> Function:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def _save_pt2(network: nn.Module, x: Tensor, path: Path) -> None:
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def _load_pt2(path: Path) -> Function:
    return torch.export.load(path).module()


def _check_extra() -> None:
    """Raise UserError if a package for ONNX is not installed."""
    if missing := [name for name in _ONNX_PACKAGES if find_spec(name) is None]:
        raise UserError(f"{missing[0]} is not installed: pip install 'mlp-lab[export]'")


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of the exporters, which are about their own code."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


_FORMATS: dict[
    str, tuple[Callable[[nn.Module, Tensor, Path], None], Callable[[Path], Function]]
] = {
    ".onnx": (_save_onnx, _load_onnx),
    ".pt2": (_save_pt2, _load_pt2),
}
