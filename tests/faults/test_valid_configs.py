"""Random valid configs over all groups train two steps, equally alone and stacked."""

import random
from collections import Counter
from pathlib import Path

import pytest
from helpers import assert_same_runs, composed

from mlp_lab.config.names import (
    ACTIVATIONS,
    CURVE_FUNCTIONS,
    INITIALIZATIONS,
    NORMALIZATIONS,
    POINT_SETS,
)
from mlp_lab.errors import UserError
from mlp_lab.runs.train import Training, fit_alone
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop", "adagrad")
SCHEDULES = ("constant", "step", "cosine", "cooldown", "one_cycle", "inverse_time")
ENCODINGS = (
    ["identity"], ["centred"], ["basic"], ["gaussian", "encoding.frequencies=8"],
    ["positional", "encoding.frequencies=4"],
    ["hash_grid", "encoding.levels=3", "encoding.table_size=64", "encoding.finest=32"],
)  # fmt: skip
COMMON = [
    "callbacks=none", "logger=none", "trainer.accelerator=cpu", "trainer.max_epochs=2",
    "trainer.max_steps=2",
]  # fmt: skip


def random_config(rng: random.Random, mnist: Path) -> list[str]:
    """Return the overrides of a config, whose parts need not fit together."""

    def one(*values: object) -> object:
        return rng.choice(values)

    kind = one("curve", "points", "boolean", "image", "mnist")
    data = {
        "curve": ["experiment=curve_fit", f"data.function={one(*CURVE_FUNCTIONS)}",
                  f"data.size={one(10, 23)}", "data.passes=1", f"data.noise={one(0.0, 0.1)}"],
        "points": ["experiment=points_mlp", f"data.set={one(*POINT_SETS)}",
                   f"data.size={one(20, 33)}", f"data.points_seed={one(0, 1)}"],
        "boolean": ["experiment=parity", f"data.bits={one(2, 3, 4)}", "data.passes=3",
                    f"data.function={one('parity', 'and', 'or', 'majority')}"],
        "image": ["experiment=image_hw", "data.image=camera", "data.size=8", "data.passes=3",
                  f"data.grey={one('true', 'false')}", f"data.protocol={one('fit', 'upsample')}"],
        "mnist": ["experiment=mnist_hw4", f"data.root='{mnist}'", "data.train_size=96",
                  f"augmentation={one('none', 'affine', 'elastic', 'affine_elastic')}",
                  f"data.standardize={one('true', 'false')}"],
    }[str(kind)]  # fmt: skip
    network = one("mlp", "mlp", "mlp", "siren", "perceptron")
    layers = {
        "mlp": [f"network.activation={one(*ACTIVATIONS)}", f"network.dropout={one(0.0, 0.0, 0.2)}",
                f"network.normalization={one(*NORMALIZATIONS)}",
                f"network.residual={one('true', 'false')}",
                f"network.initialization={one(*INITIALIZATIONS)}",
                f"network.depth={one(0, 1, 2, 3)}", f"network.width={one(3, 4, 9)}",
                "network.widths=null"],
        "siren": [f"network.width={one(4, 9)}", f"network.depth={one(1, 2)}"],
        "perceptron": [],
    }[str(network)]  # fmt: skip
    encoding = rng.choice(ENCODINGS) if kind != "mnist" else ["identity"]
    return [
        *data, f"data.batch_size={one(3, 10, 32)}", f"data.drop_last={one('true', 'false')}",
        f"network={network}", *layers, f"encoding={encoding[0]}", *encoding[1:],
        f"optimizer={one(*OPTIMIZERS)}", f"optimizer.weight_decay={one(0.0, 0.01)}",
        f"schedule={one(*SCHEDULES)}", f"average_decay={one(0.0, 0.0, 0.5)}",
        f"gradients={one('auto', 'autograd')}", f"trainer.gradient_clip_val={one('null', 0.3)}",
        f"trainer.gradient_clip_algorithm={one('norm', 'value')}",
        f"trainer.precision={one('32-true', '32-true', '64-true')}",
        f"trainer.log_every_n_steps={one(0, 1)}", *COMMON,
    ]  # fmt: skip


def train_both(overrides: list[str], folder: Path) -> str:
    """Train two jobs alone and together; return their status, or ``refused``."""
    varied = [["seed=1", "optimizer.lr=0.01"], ["seed=1", "optimizer.lr=0.02"]]
    try:
        jobs = [
            [Job(composed(*overrides, *v), v, folder / name / str(n)) for n, v in enumerate(varied)]
            for name in ("alone", "together")
        ]
        trainings = [Training.new(job.cfg, job.overrides, job.folder) for job in jobs[0]]
        alone = [fit_alone(training, test=False, terminal=False) for training in trainings]
    except UserError:
        return "refused"
    together = train_jobs(jobs[1])
    assert [r.status for r in alone] == [r.status for r in together], together
    assert all(1 <= result.steps <= 2 for result in alone if result.status == "finished")
    assert_same_runs(alone, together)
    return str(alone[0].status)


@pytest.mark.parametrize("cases", [1, pytest.param(220, marks=pytest.mark.faults)])
def test_random_configs_train_equally_alone_and_stacked(
    cases: int, tiny_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    statuses: Counter[str] = Counter()
    failures = []
    while statuses.total() - statuses["refused"] < cases:
        overrides = random_config(rng, tiny_mnist)
        if "network.normalization=none" not in overrides:
            # The gradient of a bias before a normalization is 0 except for rounding. An adaptive
            # optimizer divides it by its own size, unless it is far below eps, as in float64.
            overrides.append("trainer.precision=64-true")
        try:
            status = train_both(overrides, tmp_path / str(statuses.total()))
        except Exception as error:  # all failures are reported at once
            failures.append(f"{overrides}\n    {type(error).__name__}: {str(error)[:500]}")
            status = "failed"
        statuses[status] += 1
    capsys.readouterr()
    assert not failures, f"{statuses}\n" + "\n".join(failures)
    assert statuses["refused"] < cases
