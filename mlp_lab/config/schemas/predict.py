"""Schema of the keys in conf/predict.yaml."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import CHECKPOINTS


@schema
class Predict:
    """Predict the classes of images of digits, or the pixels of a learned image."""

    run: str = MISSING
    images: str | None = MISSING
    output: str | None = MISSING
    size: list[int] | None = limited(minimum=1, maximum=1_000_000, length=2)
    region: list[float] | None = limited(minimum=-1_000, maximum=1_000, length=4)
    checkpoint: str = limited(one_of=CHECKPOINTS)
    preprocessing: str = limited(one_of=("auto", "mnist", "none"))
    invert: str = limited(one_of=("auto", "yes", "no"))
    threads: int | None = limited(minimum=1, maximum=10_000)
