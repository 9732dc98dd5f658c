"""What all data have in common: splits of tensors in memory, and loaders for them."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mlp_lab.data.batches import ChunkLoader, EpochOrder
from mlp_lab.data.encoded import encoded
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl

# Examples in a batch of evaluation: enough for speed, few enough for the processor's cache.
_EVALUATION_BATCH = 2_000


class DataModule(pl.LightningDataModule):
    """Inputs and targets of the splits ``train``, ``validation`` and ``test``.

    ``prepare_data`` fetches them; from ``setup`` on they lie on the trainer's device, the inputs
    encoded by ``encoding``, if that is set before.

    Args:
        batch_size: examples in a training minibatch.
        seed: of the order in which the examples are seen.
        limits: at most so many minibatches an epoch, by split; None: all.
        passes: over the training examples in an epoch. What an epoch costs beside its steps,
            validation and checkpoints above all, is much more than a pass over few examples.
    """

    #: Numbers in one input, and in what a network is to put out for it.
    in_features: int
    out_features: int
    #: Of the classes that the targets number; empty where targets are no classes.
    class_names: tuple[str, ...] = ()
    #: ``side`` of the square pictures that the inputs are, in pixels, and ``fill``, the value of
    #: what lies outside; None where the inputs are no pictures.
    picture: dict[str, float] | None = None
    #: Whether the training split holds all that could validate, and there is no other to choose by.
    refit = False

    def __init__(
        self, *, batch_size: int, seed: int, limits: Mapping[str, int | None], passes: int = 1
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.limits = limits
        self.passes = passes
        self.encoding: nn.Module = nn.Identity()
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """Inputs ``[examples, in_features]`` and targets ``[examples, ...]`` of each split."""

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        if self.trainer is None:
            self.splits = encoded(self.read(torch.device("cpu")), self.encoding)
            return
        strategy = self.trainer.strategy
        as_trained = strategy.precision_plugin.convert_input
        splits = encoded(self.read(strategy.root_device), self.encoding).items()
        self.splits = {name: (as_trained(x), as_trained(y)) for name, (x, y) in splits}

    def loader(self, split: str) -> ChunkLoader:
        """All examples of a split, in the order in which they lie.

        Raises UserError for the validation split of a refit, which there isn't.
        """
        if self.refit and split == "validation":
            raise UserError("split=validation: data.refit=true leaves none; or train, test")
        return ChunkLoader(self.splits[split], _EVALUATION_BATCH)

    def train_dataloader(self) -> ChunkLoader:
        assert self.trainer is not None
        if self.batch_size < self.trainer.world_size:
            devices = self.trainer.world_size
            raise UserError(
                f"data.batch_size={self.batch_size}: must be at least trainer.devices={devices}"
            )
        x, y = self.splits["train"]
        # A batch of all examples has no order, and what lies as it is needed isn't gathered.
        whole = self.batch_size >= len(x) and self.trainer.world_size == 1
        order = None if whole else EpochOrder(len(x), self.seed, x.device)
        limit = self.limits["train"]
        return self._shared(ChunkLoader((x, y), self.batch_size, order, limit, self.passes))

    def val_dataloader(self) -> ChunkLoader:
        tensors, limit = self.splits["validation"], self.limits["validation"]
        return self._shared(ChunkLoader(tensors, _EVALUATION_BATCH, limit=limit))

    def _shared(self, loader: ChunkLoader) -> ChunkLoader:
        """This process's share of each batch, where several train together."""
        assert self.trainer is not None
        return loader.share(self.trainer.global_rank, self.trainer.world_size)
