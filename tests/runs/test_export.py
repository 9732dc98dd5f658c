"""Exported networks have the outputs of the original for any batch size."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.nn.convolutional import Convolutional
from mlp_lab.nn.encodings import Identity, Positional
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.siren import Siren
from mlp_lab.runs import export as exporting
from mlp_lab.runs.export import export
from mlp_lab.runs.run import Network


def networks() -> dict[str, Network]:
    torch.manual_seed(0)
    batch = MLP(3, 4, widths=[8, 8], normalization="batch", residual=True, activation="gelu")
    batch(torch.rand(64, 3))  # running means
    positional = Positional(2, frequencies=6, scale=1.0, spacing="octaves")
    grid = HashGrid(2, levels=3, features_per_level=2, table_size=64, coarsest=4, finest=32)
    return {
        "mlp": Network(Identity(3), MLP(3, 4, width=8), 3),
        "batch normalization": Network(Identity(3), batch, 3),
        "siren": Network(
            Identity(2), Siren(2, 3, width=16, depth=2, first_omega=30.0, omega=30.0), 2
        ),
        "positional": Network(positional, MLP(positional.out_features, 1, width=8), 2),
        "convolutional": Network(
            Identity(64), Convolutional(64, 3, channels=[4, 5], dropout=0.1), 64
        ),
        "hash grid": Network(Identity(2), nn.Sequential(grid, MLP(grid.out_features, 1)), 2),
    }


def read(path: Path, x: Tensor) -> np.ndarray:
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(x).detach().numpy()
    return onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})[0]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("mlp", ".pt2"),
        ("batch normalization", ".onnx"),
        ("siren", ".pt2"),
        ("positional", ".pt2"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in [
                ("mlp", ".onnx"), ("batch normalization", ".pt2"), ("siren", ".onnx"),
                ("positional", ".onnx"), ("hash grid", ".onnx"), ("hash grid", ".pt2"),
                ("convolutional", ".onnx"),
            ]
        ),
    ],
)  # fmt: skip
def test_a_file_has_the_outputs_of_the_network(name: str, suffix: str, tmp_path: Path) -> None:
    network = networks()[name]
    path = export(network, tmp_path / f"network{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    for batch in (1, 5):
        x = torch.rand(batch, network.in_features)
        np.testing.assert_allclose(read(path, x), network(x).numpy(), rtol=1e-4, atol=1e-5)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"network\.pb: the suffix must be one of \.onnx, \.pt2"):
        export(networks()["mlp"], tmp_path / "network.pb")


def test_a_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^onnx is not installed: pip install 'mlp-lab\[export\]'"):
        export(networks()["mlp"], tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


def test_other_outputs_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, load = exporting._FORMATS[".pt2"]
    wrong = {".pt2": (save, lambda path: lambda x: load(path)(x) + 0.01)}
    monkeypatch.setattr(exporting, "_FORMATS", wrong)
    with pytest.raises(UserError, match=r"network\.pt2: its outputs differ from the network's by"):
        export(networks()["mlp"], tmp_path / "network.pt2")
    assert not list(tmp_path.iterdir())
