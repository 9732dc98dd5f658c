"""Typed access to the data that are attached to a trainer."""

from mlp_lab.data.batches import ChunkLoader
from mlp_lab.data.datamodule import DataModule
from mlp_lab.lightning import pl


def data_of(trainer: pl.Trainer) -> DataModule:
    """Return the data module of a trainer."""
    return trainer.datamodule  # type: ignore[attr-defined]  # set by its data connector


def training_loader(trainer: pl.Trainer) -> ChunkLoader:
    """Return the loader of the training data of a trainer."""
    loader = trainer.train_dataloader
    assert isinstance(loader, ChunkLoader)
    return loader
