"""Schemas of the options in conf/augmentation/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema


@schema
class Augmentation:
    _target_: str = "mlp_lab.images.augmentations.Augmentation"
    rotation: float = limited(minimum=0, maximum=180)
    shear: float = limited(minimum=0, below=90)
    scale: float = limited(minimum=0, below=100)
    shift: float = limited(minimum=0, maximum=1_000)
    alpha: float = limited(minimum=0, maximum=10_000)
    sigma: float = limited(minimum=0.1, maximum=100)
    cooldown: float = limited(minimum=0, maximum=1)
    rotation_or_shear: bool = MISSING
    weak_classes: list[int] | None = limited(minimum=0, maximum=1_000_000)
    weak_factor: float = limited(minimum=0, maximum=1)
