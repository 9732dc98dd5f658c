"""Networks, encodings and augmentations are used alone: plain arguments, no config."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mlp_lab.config.schemas import GROUPS
from mlp_lab.images.augmentations import Augmentation
from mlp_lab.nn.convolutional import Convolutional
from mlp_lab.nn.encodings import Basic, Centred, Gaussian, Identity, Positional
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.perceptron import Perceptron
from mlp_lab.nn.siren import Siren

NETWORKS: dict[type, Callable[[], nn.Module]] = {
    Convolutional: lambda: Convolutional(4, 2, channels=[3], dropout=0.1),
    MLP: lambda: MLP(4, 2, widths=[5, 4], activation="tanh", dropout=0.1),
    Perceptron: lambda: Perceptron(4, 2, std=0.1),
    Siren: lambda: Siren(4, 2, width=8, depth=2, first_omega=30.0, omega=30.0),
}
ENCODINGS: dict[type, Callable[[], nn.Module]] = {
    Identity: lambda: Identity(3),
    Centred: lambda: Centred(3),
    Basic: lambda: Basic(3),
    Positional: lambda: Positional(3, frequencies=6, scale=2.0, spacing="octaves"),
    Gaussian: lambda: Gaussian(3, frequencies=8, sigma=2.0),
    HashGrid: lambda: HashGrid(
        3, levels=2, features_per_level=2, table_size=32, coarsest=2, finest=8
    ),
}


@pytest.mark.parametrize("cls", NETWORKS, ids=lambda cls: cls.__name__)
def test_networks(cls: type) -> None:
    network, x = NETWORKS[cls]().eval(), torch.rand(7, 4)
    outputs = network(x)
    assert outputs.shape == (7, 2)
    torch.testing.assert_close(outputs[2:3], network(x[2:3]))  # examples are independent


@pytest.mark.parametrize("cls", ENCODINGS, ids=lambda cls: cls.__name__)
def test_encodings(cls: type) -> None:
    encoding, x = ENCODINGS[cls](), torch.rand(7, 3)
    features = encoding(x)
    assert features.shape == (7, encoding.out_features)
    torch.testing.assert_close(features[2:3], encoding(x[2:3]))


def test_augmentations() -> None:
    def augmented(images: Tensor, **options: float) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return Augmentation(side=8, **options)(images, generator)

    x = torch.rand(5, 64)
    assert torch.equal(augmented(x), x)
    turned = augmented(x, rotation=20.0)
    assert turned.shape == x.shape
    assert not torch.equal(turned, x)


def test_all_options_are_tested() -> None:
    for group, tested in (("network", NETWORKS), ("encoding", ENCODINGS)):
        targets = {schema._target_ for schema in GROUPS[group]}
        assert {f"{cls.__module__}.{cls.__name__}" for cls in tested} == targets


def test_they_are_imported_without_hydra_and_lightning() -> None:
    modules = sorted({cls.__module__ for cls in (*NETWORKS, *ENCODINGS, Augmentation)})
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"hydra", "omegaconf", "pytorch_lightning", "matplotlib"} & set(loaded)
