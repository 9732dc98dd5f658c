"""Which part of training steps matrix products take, for networks of coordinates."""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch.profiler import ProfilerActivity, profile

from mlp_lab.config.compose import compose
from mlp_lab.formatting import markdown
from mlp_lab.lightning import callbacks_of, pl
from mlp_lab.runs.train import Training, fit_alone

_COMMON = ["callbacks=none", "logger=none", "trainer.max_epochs=2", "trainer.accelerator=cpu",
           "trainer.check_val_every_n_epoch=2"]  # fmt: skip
_PAPER_SHAPE = ["encoding=gaussian_shape", "network.depth=7", "network.width=256",
                "data.batch_size=32768", "data.passes=2"]  # fmt: skip
_PAPER_NERF = ["encoding=gaussian_nerf", "network.width=256", "data.batch_size=256",
               "data.samples=128", "data.passes=2"]  # fmt: skip
#: Overrides by title. The networks, encodings and batches of ``paper`` are those of Tancik et al.
#: 2020; of the rays of ``nerf``, a quarter.
RUNS = {
    "image_tancik": ["experiment=image_tancik", "data.image=text", "data.passes=2"],
    "ct": ["experiment=ct", "data.passes=5"],
    "mri": ["experiment=mri", "data.passes=5"],
    "shape": ["experiment=shape", "data.passes=20"],
    "shape, paper": ["experiment=shape", *_PAPER_SHAPE],
    "nerf": ["experiment=nerf", "data.passes=20"],
    "nerf, paper": ["experiment=nerf", *_PAPER_NERF],
}
_GROUPS = {
    "products": ("mm", "addmm", "bmm", "baddbmm"),
    "activations": ("relu", "relu_", "clamp_min", "clamp_min_", "threshold_backward"),
    "sines": ("sin", "cos", "sin_", "cos_"),
    "copies": ("copy_", "cat"),
}


def measure(precision: str) -> str:
    """Return a Markdown table: for each of ``RUNS``, the time of a step and its parts.

    The times are wall times: other programs must not use the core.

    Args:
        precision: value of ``trainer.precision``.
    """
    rows = []
    for title, own in RUNS.items():
        steps = _profiled_steps([*own, *_COMMON, f"trainer.precision={precision}"])
        parts = [steps.times[name] for name in _GROUPS]
        rest = steps.seconds - sum(parts)
        per_cent = [f"{100 * part / steps.seconds:.0f} %" for part in (*parts, rest)]
        rows.append([title, f"{1000 * steps.seconds / steps.count:.0f}", *per_cent])
    return markdown([precision, "ms / step", *_GROUPS, "other"], rows)


class ProfiledSteps(pl.callbacks.Callback):
    """Measures the training steps of the second epoch; the first one is a warm-up.

    Attributes:
        seconds: time of the steps.
        count: their number.
        times: time of the operations of each of ``_GROUPS``.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0
        self.times: Counter[str] = Counter()
        self._profile = profile(activities=[ProfilerActivity.CPU])

    def on_train_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, chunk: Any, index: int
    ) -> None:
        if trainer.current_epoch == 1 and index == 0:
            self._profile.start()
            self._first, self._start = trainer.global_step, time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == 1 and trainer.is_last_batch:
            self.seconds = time.perf_counter() - self._start
            self._profile.stop()
            self.count = trainer.global_step - self._first
            groups = {f"aten::{name}": group for group, names in _GROUPS.items() for name in names}
            for event in self._profile.key_averages():
                if event.key in groups:
                    self.times[groups[event.key]] += event.self_cpu_time_total / 1e6


def _profiled_steps(overrides: Sequence[str]) -> ProfiledSteps:
    """Train with a config; return the measured steps."""
    with tempfile.TemporaryDirectory() as logs:
        training = Training.new(compose([*overrides, f"logs='{logs}'"]))
        steps = ProfiledSteps()
        callbacks_of(training.trainer).append(steps)
        fit_alone(training, test=False, terminal=False)
    return steps
