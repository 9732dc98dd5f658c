"""Schemas of the options in conf/trainer/."""

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import CLIPPING_ALGORITHMS


@schema
class Trainer:
    _target_: str = "pytorch_lightning.Trainer"
    max_epochs: int = limited(minimum=1, maximum=1_000_000_000)
    max_steps: int | None = limited(minimum=1, maximum=1_000_000_000)
    limit_train_batches: int | None = limited(minimum=1, maximum=1_000_000_000)
    limit_val_batches: int | None = limited(minimum=1, maximum=1_000_000_000)
    check_val_every_n_epoch: int = limited(minimum=1, maximum=1_000_000_000)
    gradient_clip_val: float | None = limited(minimum=0, below=float("inf"))
    gradient_clip_algorithm: str = limited(one_of=CLIPPING_ALGORITHMS)
    log_every_n_steps: int = limited(minimum=0, maximum=1_000_000_000)
    accelerator: str = limited(one_of=("auto", "cpu", "gpu", "mps"))
    devices: int = limited(minimum=1, maximum=10_000)
    strategy: str = limited(one_of=("auto", "ddp"))
    precision: str = limited(one_of=("auto", "32-true", "64-true", "bf16-true", "bf16-mixed"))
    profiler: str | None = limited(one_of=("simple", "advanced", "pytorch"))
