"""Schemas of the options in conf/data/."""

from omegaconf import MISSING, DictConfig

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import (
    BACKGAMMON_OUTPUTS,
    CURVE_FUNCTIONS,
    IMAGE_PROTOCOLS,
    POINT_SETS,
    SCENES,
    SOLIDS,
    TARGET_KINDS,
)

#: Keys of a run's config whose values are paths of data; the last two can also be names.
DATA_PATHS = ("data.root", "data.path", "data.image", "data.volume")


@schema
class DataPathOverrides:
    """New paths of the data of an existing run; null: the path in its config."""

    root: str | None = MISSING
    path: str | None = MISSING
    image: str | None = MISSING
    volume: str | None = MISSING


@schema
class DataModule:
    """Keys that data modules of plug-ins inherit."""

    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class MNIST:
    _target_: str = "mlp_lab.data.mnist.MNIST"
    root: str | None = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    train_size: int | None = limited(minimum=1, maximum=50_000)
    refit: bool = MISSING
    fold: int | None = limited(minimum=0, maximum=4)
    standardize: bool = MISSING
    normalize_width: int | None = limited(minimum=4, maximum=28)
    deslant: bool = MISSING


@schema
class FashionMNIST(MNIST):
    _target_: str = "mlp_lab.data.mnist.FashionMNIST"


@schema
class Boolean:
    _target_: str = "mlp_lab.data.truth_tables.Boolean"
    bits: int = limited(minimum=1, maximum=16)
    function: str = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Curve:
    _target_: str = "mlp_lab.data.curve.Curve"
    function: str = limited(one_of=CURVE_FUNCTIONS)
    size: int = limited(minimum=2, maximum=10_000_000)
    noise: float = limited(minimum=0, below=float("inf"))
    noise_seed: int = limited(minimum=0, below=2**32)
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Points:
    _target_: str = "mlp_lab.data.points.Points"
    set: str = limited(one_of=POINT_SETS)
    size: int = limited(minimum=2, maximum=1_000_000)
    noise: float = limited(minimum=0, maximum=1_000)
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    train_size: int | None = limited(minimum=1, maximum=1_000_000)
    points_seed: int = limited(minimum=0, below=2**32)


@schema
class SplitExamples:
    """Keys that all data sets of a user share."""

    _target_: str = MISSING
    path: str = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    train_size: int | None = limited(minimum=1, maximum=1_000_000_000)
    split_seed: int = limited(minimum=0, below=2**32)
    stratify: bool = MISSING
    standardize: bool = MISSING


@schema
class CSVFile(SplitExamples):
    _target_: str = "mlp_lab.data.csv_file.CSVFile"
    target: str | None = MISSING
    features: list[str] | None = MISSING
    kind: str = limited(one_of=TARGET_KINDS)
    header: bool | None = MISSING
    standardize_targets: bool = MISSING


@schema
class ImageFolder(SplitExamples):
    _target_: str = "mlp_lab.data.image_folder.ImageFolder"
    side: int = limited(minimum=2, maximum=1_000)


@schema
class NpzFile(SplitExamples):
    _target_: str = "mlp_lab.data.npz_file.NpzFile"
    inputs: str = MISSING
    targets: str = MISSING
    kind: str = limited(one_of=TARGET_KINDS)
    standardize_targets: bool = MISSING


@schema
class Image:
    _target_: str = "mlp_lab.data.image.Image"
    image: str = MISSING
    text_seed: int = limited(minimum=0, below=2**32)
    size: int = limited(minimum=2, maximum=16_384)
    crop: int | None = limited(minimum=2, maximum=1_000_000)
    grey: bool = MISSING
    protocol: str = limited(one_of=IMAGE_PROTOCOLS)
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    drop_last: bool = MISSING
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class CT:
    _target_: str = "mlp_lab.data.ct.CT"
    image: str | None = MISSING
    phantom: int = limited(minimum=0, below=2**32)
    size: int = limited(minimum=2, maximum=4_096)
    projections: int = limited(minimum=1, maximum=10_000)
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class MRI:
    _target_: str = "mlp_lab.data.mri.MRI"
    volume: str = MISSING
    phantom: int = limited(minimum=0, below=2**32)
    size: int = limited(minimum=2, maximum=256)
    fraction: float = limited(above=0, maximum=0.4)
    mask_seed: int = limited(minimum=0, below=2**32)
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Shape:
    _target_: str = "mlp_lab.data.shape.Shape"
    path: str | None = MISSING
    solid: str = limited(one_of=SOLIDS)
    evaluation_size: int = limited(minimum=2, maximum=2**24)
    batch_size: int = limited(minimum=1, maximum=2**24)
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Views:
    _target_: str = "mlp_lab.data.views.Views"
    path: str | None = MISSING
    scene: str = limited(one_of=SCENES)
    distance: float = limited(above=0, maximum=1_000)
    size: int = limited(minimum=2, maximum=4_096)
    views: int = limited(minimum=1, maximum=10_000)
    held_out_views: int = limited(minimum=1, maximum=10_000)
    near: float = limited(minimum=0, below=float("inf"))
    far: float = limited(above=0, below=float("inf"))
    samples: int = limited(minimum=1, maximum=4_096)
    batch_size: int = limited(minimum=1, maximum=2**24)
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Backgammon:
    _target_: str = "mlp_lab.data.backgammon.Backgammon"
    outputs: int = limited(one_of=BACKGAMMON_OUTPUTS)
    expert_inputs: bool = MISSING
    size: int = limited(minimum=1, maximum=100_000_000)
    batch_size: int = limited(minimum=1, maximum=1_000_000)
    opponent: str = MISSING
    validation_size: int = limited(minimum=2, maximum=100_000)
    test_opponents: list[str] = MISSING
    test_size: int = limited(minimum=2, maximum=100_000)


def is_refit(cfg: DictConfig) -> bool:
    """Return whether a run also trains on the validation data.

    Such a run cannot select an epoch by a validation metric, and uses its last epoch.
    """
    return bool(cfg.data.get("refit", False))
