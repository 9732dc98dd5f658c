"""Schema of the keys in conf/predict.yaml."""

from dataclasses import field

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import AXES, CHECKPOINTS


@schema
class MovedData:
    """The new path of the data of a run; null: the path in its config."""

    path: str | None = MISSING


@schema
class Predict:
    """Predict classes of images, targets of a table, or a learned image, surface or scene."""

    run: str = MISSING
    images: str | None = MISSING
    table: str | None = MISSING
    output: str | None = MISSING
    size: list[int] | None = limited(minimum=1, maximum=1_000_000, length=2)
    region: list[float] | None = limited(minimum=-1_000, maximum=1_000, length=4)
    axis: str | None = limited(one_of=AXES)
    position: float | None = limited(minimum=-1_000, maximum=1_000)
    azimuth: float | None = limited(minimum=-3_600, maximum=3_600)
    elevation: float | None = limited(minimum=-90, maximum=90)
    mesh: int | None = limited(minimum=2, maximum=1_024)
    checkpoint: str = limited(one_of=CHECKPOINTS)
    preprocessing: str = limited(one_of=("auto", "mnist", "none"))
    invert: str = limited(one_of=("auto", "yes", "no"))
    data: MovedData = field(default_factory=MovedData)
    threads: int | None = limited(minimum=1, maximum=10_000)
