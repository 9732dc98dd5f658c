"""The base class of all data modules: splits of tensors in memory, and loaders for them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from mlp_lab.data.batches import ChunkLoader, EpochOrder
from mlp_lab.data.encoded import Splits, encoded
from mlp_lab.data.scenes.camera import Camera
from mlp_lab.data.section import Section
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.nn.encodings import aliasing_hint, period_hint

# Examples in a batch of evaluation: enough for speed, few enough for the processor's cache.
_EVALUATION_BATCH = 2_000


class DataModule(pl.LightningDataModule):
    """Inputs and targets of the splits ``train``, ``validation`` and ``test``.

    ``prepare_data`` fetches the data. ``setup`` puts them on the trainer's device and encodes the
    inputs with ``encoding``, if that has been set before.

    A subclass defines ``in_features``, ``out_features`` and ``read``. It also describes its inputs
    and targets with the attributes and methods below; the rest of the package uses these, and
    never tests the class:

    - targets that are classes: ``class_names``;
    - inputs that are square grey images, such as MNIST: ``image_side``, and ``images`` and
      ``inputs`` if an input is not the flattened image; ``light_on_dark`` if all of them are;
      ``mnist_preprocessing`` of digits;
    - inputs that are tables of features: ``feature_names``, ``features`` and ``from_features``;
    - targets in units other than the user's: ``target_name`` and ``values``;
    - targets that are the pixels of one image or measurements of it, whose inputs are coordinates:
      ``target_size``, ``target_image``, ``target_parts`` and ``nyquist``; for coordinates in space,
      the image is a ``section``, or what a ``camera`` sees.

    Args:
        batch_size: number of examples in a training minibatch.
        seed: seed of the order of the training examples.
        limits: maximum number of minibatches per epoch by split; None: no limit.
        passes: number of passes over the training examples per epoch. For data sets of few
            examples, validation and checkpoints cost much more than a pass.
        drop_last: whether a pass omits its last minibatch if that one is smaller than the others.
    """

    #: Length of an input, and of the network's output for it.
    in_features: int
    out_features: int
    #: Names of the classes by number; empty if the targets are not classes.
    class_names: tuple[str, ...] = ()
    #: Height and width in pixels of the images that the inputs are; None: they are not images.
    image_side: int | None = None
    #: Whether all images show light objects on a dark background.
    light_on_dark = False
    #: Whether the images are handwritten digits with MNIST's preprocessing.
    mnist_preprocessing = False
    #: The value that an input has outside the image.
    image_fill: float = 0.0
    #: Names of the features if an input is a row of a table, such as a point; else empty.
    feature_names: tuple[str, ...] = ()
    #: Name of the target.
    target_name = "target"
    #: Whether predictions need the files of the data: for names, means or standard deviations.
    defined_by_files = False
    #: Whether the inputs are coordinates in [0, 1), for which encodings are.
    in_unit_cube = False
    #: Width and height of the image whose pixels are the targets; None: they are not pixels.
    target_size: tuple[int, int] | None = None
    #: Rows and columns of that image that belong to each split.
    target_parts: Mapping[str, tuple[slice, slice]] = {}
    #: Whether validation and test data differ from the training data.
    held_out = True
    #: The plane of that image in space; None: the inputs are coordinates of the image.
    section: Section | None = None
    #: Whether predictions are probabilities that points of space are inside a solid.
    has_surface = False
    #: Whether the training split includes the validation data, so that no epoch can be selected.
    refit = False

    def __init__(
        self,
        *,
        batch_size: int,
        seed: int,
        limits: Mapping[str, int | None],
        passes: int = 1,
        drop_last: bool = False,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.limits = limits
        self.passes = passes
        self.drop_last = drop_last
        self.encoding: nn.Module = nn.Identity()
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """Return inputs ``[examples, in_features]`` and targets ``[examples, ...]`` by split."""

    @property
    def content_digest(self) -> str | None:
        """A digest of the files that the data are read from; None if they are computed.

        It is available after ``prepare_data``.
        """
        return None

    @property
    def target_kind(self) -> str:
        """``classes``, ``numbers`` or another kind: a task must have the same ``target_kind``."""
        return "classes" if self.class_names else "numbers"

    def split_label(self, split: str) -> str:
        """Return the name of a split in tables, which says whether a network is trained on it."""
        return split if self.held_out or split == "train" else f"{split} (the training data)"

    def images(self, inputs: Tensor) -> Tensor | None:
        """Return the images ``[n, side, side]`` in [0, 1] that inputs ``[n, in_features]`` show.

        Return None if the inputs are not images (``image_side`` is None).
        """
        if self.image_side is None:
            return None
        return inputs.reshape(-1, self.image_side, self.image_side)

    def from_images(self, images: Tensor) -> Tensor:
        """Return the inputs that show images: the inverse of ``images``."""
        return images.flatten(1)

    def inputs(self, images: Tensor) -> Tensor:
        """Return the inputs ``[n, in_features]`` for images ``[n, side, side]`` in [0, 255].

        Images are normalized as those of the data. Only data with an ``image_side`` have this.
        """
        return self.from_images(images / 255)

    def normalized_examples(self) -> dict[str, Tensor]:
        """Return some images before and after their normalization, by its name.

        Each value is ``[examples, side, side]`` in [0, 1]. Empty if images are not normalized.
        """
        return {}

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """Return the features of inputs ``[n, features]`` in their original units.

        Only data with ``feature_names`` have this.
        """
        return inputs

    def from_features(self, features: np.ndarray) -> np.ndarray:
        """Return the inputs for features ``[n, features]``: the inverse of ``features``."""
        return features

    def values(self, predictions: np.ndarray) -> np.ndarray:
        """Return predictions of numbers ``[n, outputs]`` in the units of the user's data."""
        return predictions

    @property
    def target_image(self) -> np.ndarray | None:
        """The image whose pixels are the targets, float32 ``[height, width, channels]`` in [0, 1].

        None if ``target_size`` is None.
        """
        return None

    @cached_property
    def interpolations(self) -> Mapping[str, np.ndarray]:
        """The target image by classical interpolations of the training pixels, by their names.

        Each has the shape of ``target_image``. Empty if the training pixels are not a part of it.
        """
        return {}

    @property
    def camera(self) -> Camera | None:
        """The camera that took the target image; None: it is not an image of a scene."""
        return None

    @property
    def nyquist(self) -> float | None:
        """The highest frequency that the training examples can show, in cycles over [0, 1).

        None if the training inputs are not a regular grid.
        """
        return None

    def encoding_hint(self, encoding: nn.Module) -> str | None:
        """Return a warning if ``encoding`` is unsuitable for these data, else None.

        This is the case if many of its frequencies are above ``nyquist``, or if it has the period 1
        and the inputs are not ``in_unit_cube``.
        """
        if not self.in_unit_cube:
            return period_hint(encoding)
        return None if self.nyquist is None else aliasing_hint(encoding, self.nyquist)

    def warnings(self) -> Sequence[str]:
        """Return what a user should know about these data before the training."""
        return ()

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        if self.trainer is None:
            self.splits = self.encoded(self.read(torch.device("cpu")))
            return
        strategy = self.trainer.strategy
        convert = strategy.precision_plugin.convert_input
        splits = self.encoded(self.read(strategy.root_device)).items()
        self.splits = {name: (convert(x), convert(y)) for name, (x, y) in splits}

    def encoded(self, splits: Splits) -> Splits:
        """Return the splits with encoded inputs; see ``data/encoded.py``."""
        return encoded(splits, self.encoding)

    def loader(self, split: str) -> ChunkLoader:
        """Return a loader of all examples of a split, in their stored order.

        Raises:
            UserError: the split is ``validation``, which a refit does not have.
        """
        if self.refit and split == "validation":
            raise UserError(
                "split=validation: data.refit=true trains on these data; must be train or test"
            )
        return self._evaluation_loader(self.splits[split])

    def train_dataloader(self) -> ChunkLoader:
        assert self.trainer is not None
        if self.batch_size < self.trainer.world_size:
            devices = self.trainer.world_size
            raise UserError(
                f"data.batch_size={self.batch_size}: must be at least trainer.devices={devices}"
            )
        x, y = self.splits["train"]
        # A minibatch of all examples needs no order, and its rows need not be gathered.
        whole = self.batch_size >= len(x) and self.trainer.world_size == 1
        order = None if whole else EpochOrder(len(x), self.seed, x.device)
        return self._shared(self._training_loader((x, y), order))

    def check_batch_normalization(self, processes: int) -> None:
        """Check that each training minibatch has the 2 examples that batch normalization needs.

        Args:
            processes: number of processes, each of which normalizes its share of a minibatch.

        Raises:
            UserError: a minibatch, or a share of it, has 1 example.
        """
        x, y = self.read(torch.device("cpu"))["train"]
        loader = self._training_loader((x, y), EpochOrder(len(x), self.seed))
        if loader.share(0, processes).smallest >= 2:
            return
        size, least = f"data.batch_size={self.batch_size}", 2 * processes
        if self.batch_size < least:
            raise UserError(f"{size}: batch normalization needs at least {least} examples")
        remedy = "" if len(x) < self.batch_size else "data.drop_last=true, "
        raise UserError(
            f"{size}: the last minibatch of {len(x)} examples has {len(x) % self.batch_size}, but"
            f" batch normalization needs {least}; set {remedy}another data.batch_size or"
            " another network"
        )

    def _training_loader(
        self, tensors: tuple[Tensor, Tensor], order: EpochOrder | None
    ) -> ChunkLoader:
        limit = self.limits["train"]
        return ChunkLoader(tensors, self.batch_size, order, limit, self.passes, self.drop_last)

    def val_dataloader(self) -> ChunkLoader:
        tensors, limit = self.splits["validation"], self.limits["validation"]
        return self._shared(self._evaluation_loader(tensors, limit))

    def _evaluation_loader(
        self, tensors: tuple[Tensor, Tensor], limit: int | None = None
    ) -> ChunkLoader:
        return ChunkLoader(tensors, _EVALUATION_BATCH, limit=limit)

    def _shared(self, loader: ChunkLoader) -> ChunkLoader:
        """Restrict a loader to this process's share of each minibatch; return it."""
        assert self.trainer is not None
        return loader.share(self.trainer.global_rank, self.trainer.world_size)
