"""What each option of conf/ may hold: types, limits and the class that it configures.

Values live in conf/, types and limits here. A node of the config is checked against the schema
that bears its ``_target_``, so that these schemas are also the list of all that a config can
build. The roots at the end stand for the files of conf/ itself: train.yaml, evaluate.yaml ...
"""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from omegaconf import MISSING

# An epoch leaves metrics of these, and is chosen by the last; ``test`` is touched once, at the end.
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Limits:
    """Which values a field takes; the limits of a list hold for each of its elements."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] = ()
    length: int | None = None
    pattern: str | None = None

    def allow(self, value: Any) -> bool:
        """Whether ``value`` (a number, a string, or a list of these; not None) lies inside."""
        if isinstance(value, list):
            fits = len(value) > 0 if self.length is None else len(value) == self.length
            return fits and all(self.allow(element) for element in value)
        return (
            # Written so that nan, which compares false with everything, is refused.
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
            and (not self.one_of or value in self.one_of)
            and (self.pattern is None or re.fullmatch(self.pattern, value) is not None)
        )

    def __str__(self) -> str:
        if self.one_of:
            return "one of " + ", ".join(self.one_of)
        if self.pattern:
            return "of letters, digits, dots, dashes and underscores"
        words = {"minimum": "at least", "above": "above", "maximum": "at most", "below": "below"}
        bounds = ((word, getattr(self, key)) for key, word in words.items())
        said = (f"{word} {bound:.10g}" for word, bound in bounds if bound is not None)
        return " and ".join(said).replace("below inf", "finite")


def limited(
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    one_of: tuple[str, ...] = (),
    length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """A dataclass field with limits and without a default."""
    limits = Limits(minimum, above, maximum, below, one_of, length, pattern)
    return field(default=MISSING, metadata={"limits": limits})


# Only fields and defaults are of use here; leaving the generated methods out halves the time
# that it takes to refuse a wrong override.
schema = partial(dataclass, init=False, repr=False, eq=False)


# --- task ---------------------------------------------------------------------------------------


@schema
class Classification:
    _target_: str = "mlp_lab.tasks.Classification"
    output: str = limited(one_of=("softmax", "sigmoid"))
    loss: str = limited(one_of=("cross_entropy", "squared_error"))
    label_smoothing: float = limited(minimum=0, maximum=1)


@schema
class ClassificationByHand(Classification):
    _target_: str = "mlp_lab.tasks.ClassificationByHand"


@schema
class Regression:
    _target_: str = "mlp_lab.tasks.Regression"
    output: str = limited(one_of=("identity", "sigmoid"))
    loss: str = limited(one_of=("half_squared_error", "squared_error"))
    peak: float | None = limited(above=0, below=float("inf"))


@schema
class PerceptronTask:
    _target_: str = "mlp_lab.tasks.Perceptron"
    rule: str = limited(one_of=("lecture", "rosenblatt"))


# --- data ---------------------------------------------------------------------------------------


@schema
class MNIST:
    _target_: str = "mlp_lab.data.MNIST"
    root: str | None = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    train_size: int | None = limited(minimum=1, maximum=50_000)
    refit: bool = MISSING
    standardize: bool = MISSING


@schema
class FashionMNIST(MNIST):
    _target_: str = "mlp_lab.data.FashionMNIST"


@schema
class Boolean:
    _target_: str = "mlp_lab.data.Boolean"
    bits: int = limited(minimum=1, maximum=16)
    function: str = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    passes: int = limited(minimum=1, maximum=1_000_000)


@schema
class Curve:
    _target_: str = "mlp_lab.data.Curve"
    function: str = limited(one_of=("sine", "chirp", "bumps", "triangle", "step"))
    size: int = limited(minimum=2, maximum=10_000_000)
    noise: float = limited(minimum=0, below=float("inf"))
    noise_seed: int = limited(minimum=0, below=2**32)
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    passes: int = limited(minimum=1, maximum=1_000_000)


SETS = ("separable", "xor", "spirals", "rings", "moons", "overlapping")


@schema
class LabelledPoints:
    """What all points in the plane have."""

    _target_: str = MISSING
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    train_size: int | None = limited(minimum=1, maximum=1_000_000)
    points_seed: int = limited(minimum=0, below=2**32)


@schema
class Points(LabelledPoints):
    _target_: str = "mlp_lab.data.Points"
    set: str = limited(one_of=SETS)
    size: int = limited(minimum=2, maximum=1_000_000)
    noise: float = limited(minimum=0, maximum=1_000)


@schema
class PointsFile(LabelledPoints):
    _target_: str = "mlp_lab.data.PointsFile"
    file: str = MISSING
    standardize: bool = MISSING


@schema
class Image:
    _target_: str = "mlp_lab.data.Image"
    image: str = MISSING
    text_seed: int = limited(minimum=0, below=2**32)
    size: int = limited(minimum=2, maximum=16_384)
    crop: int | None = limited(minimum=2, maximum=1_000_000)
    grey: bool = MISSING
    protocol: str = limited(one_of=("fit", "upsample"))
    batch_size: int = limited(minimum=1, maximum=1_000_000_000)
    passes: int = limited(minimum=1, maximum=1_000_000)


# --- encoding -----------------------------------------------------------------------------------


@schema
class Identity:
    _target_: str = "mlp_lab.encodings.Identity"


@schema
class Centred:
    _target_: str = "mlp_lab.encodings.Centred"


@schema
class Basic:
    _target_: str = "mlp_lab.encodings.Basic"


@schema
class Positional:
    _target_: str = "mlp_lab.encodings.Positional"
    frequencies: int = limited(minimum=1, maximum=1_000_000)
    scale: float = limited(minimum=0, maximum=20)
    spacing: str = limited(one_of=("log", "octaves"))


@schema
class Gaussian:
    _target_: str = "mlp_lab.encodings.Gaussian"
    frequencies: int = limited(minimum=1, maximum=1_000_000)
    sigma: float = limited(minimum=0, maximum=1_000_000)


@schema
class HashGrid:
    _target_: str = "mlp_lab.encodings.HashGrid"
    levels: int = limited(minimum=1, maximum=32)
    features_per_level: int = limited(minimum=1, maximum=64)
    table_size: int = limited(minimum=1, maximum=2**26)
    coarsest: int = limited(minimum=1, maximum=65_536)
    finest: int = limited(minimum=1, maximum=65_536)


# --- network ------------------------------------------------------------------------------------

ACTIVATIONS = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
)
NORMALIZATIONS = ("none", "batch", "layer")
INITIALIZATIONS = ("uniform", "xavier", "he", "normal")


@schema
class MLP:
    _target_: str = "mlp_lab.networks.MLP"
    width: int = limited(minimum=1, maximum=1_000_000)
    depth: int = limited(minimum=0, maximum=1_000)
    widths: list[int] | None = limited(minimum=1, maximum=1_000_000)
    activation: str = limited(one_of=ACTIVATIONS)
    dropout: float = limited(minimum=0, below=1)
    normalization: str = limited(one_of=NORMALIZATIONS)
    residual: bool = MISSING
    initialization: str = limited(one_of=INITIALIZATIONS)
    gain: float = limited(minimum=0, below=float("inf"))


@schema
class Siren:
    _target_: str = "mlp_lab.networks.Siren"
    width: int = limited(minimum=1, maximum=1_000_000)
    depth: int = limited(minimum=1, maximum=1_000)
    first_omega: float = limited(above=0, maximum=10_000)
    omega: float = limited(above=0, maximum=10_000)


@schema
class PerceptronNetwork:
    _target_: str = "mlp_lab.networks.Perceptron"
    std: float = limited(minimum=0, below=float("inf"))


# --- augmentation -------------------------------------------------------------------------------


@schema
class Augmentation:
    _target_: str = "mlp_lab.augmentations.Augmentation"
    rotation: float = limited(minimum=0, maximum=180)
    shear: float = limited(minimum=0, below=90)
    scale: float = limited(minimum=0, below=100)
    shift: float = limited(minimum=0, maximum=1_000)
    alpha: float = limited(minimum=0, maximum=10_000)
    sigma: float = limited(minimum=0.1, maximum=100)
    cooldown: float = limited(minimum=0, maximum=1)


# --- optimizer ----------------------------------------------------------------------------------


@schema
class Optimizer:
    """What every optimizer has."""

    _target_: str = MISSING
    lr: float = limited(above=0, below=float("inf"))
    weight_decay: float = limited(minimum=0, below=float("inf"))


@schema
class SGD(Optimizer):
    _target_: str = "torch.optim.SGD"
    momentum: float = limited(minimum=0, below=1)
    nesterov: bool = MISSING
    fused: bool = MISSING


@schema
class Adam(Optimizer):
    _target_: str = "torch.optim.Adam"
    betas: list[float] = limited(minimum=0, below=1, length=2)
    eps: float = limited(minimum=0, below=float("inf"))
    fused: bool = MISSING


@schema
class AdamW(Adam):
    _target_: str = "torch.optim.AdamW"


@schema
class NAdam(Optimizer):
    _target_: str = "torch.optim.NAdam"
    betas: list[float] = limited(minimum=0, below=1, length=2)
    eps: float = limited(minimum=0, below=float("inf"))


@schema
class RMSprop(Optimizer):
    _target_: str = "torch.optim.RMSprop"
    alpha: float = limited(minimum=0, below=1)
    momentum: float = limited(minimum=0, below=1)
    eps: float = limited(minimum=0, below=float("inf"))


@schema
class Adagrad(Optimizer):
    _target_: str = "torch.optim.Adagrad"
    eps: float = limited(minimum=0, below=float("inf"))
    fused: bool = MISSING


# --- schedule -----------------------------------------------------------------------------------


@schema
class Constant:
    _target_: str = "mlp_lab.schedules.Constant"


@schema
class InverseTime:
    _target_: str = "mlp_lab.schedules.InverseTime"


@schema
class Step:
    _target_: str = "mlp_lab.schedules.Step"
    step_size: int = limited(minimum=1)
    gamma: float = limited(above=0, maximum=1)


@schema
class Cosine:
    _target_: str = "mlp_lab.schedules.Cosine"
    warmup: float = limited(minimum=0, below=float("inf"))


@schema
class Cooldown:
    _target_: str = "mlp_lab.schedules.Cooldown"
    part: float = limited(minimum=0, maximum=1)


@schema
class OneCycle:
    _target_: str = "mlp_lab.schedules.OneCycle"
    pct_start: float = limited(minimum=0, maximum=1)
    div_factor: float = limited(minimum=1, below=float("inf"))
    final_div_factor: float = limited(minimum=1, below=float("inf"))


# --- trainer ------------------------------------------------------------------------------------


@schema
class Trainer:
    _target_: str = "pytorch_lightning.Trainer"
    max_epochs: int = limited(minimum=1)
    max_steps: int | None = limited(minimum=1)
    limit_train_batches: int | None = limited(minimum=1)
    limit_val_batches: int | None = limited(minimum=1)
    check_val_every_n_epoch: int = limited(minimum=1)
    log_every_n_steps: int = limited(minimum=0)
    accelerator: str = limited(one_of=("auto", "cpu", "gpu", "mps"))
    devices: int = limited(minimum=1)
    strategy: str = limited(one_of=("auto", "ddp"))
    precision: str = limited(one_of=("32-true", "64-true", "bf16-true", "bf16-mixed"))
    profiler: str | None = limited(one_of=("simple", "advanced", "pytorch"))


# --- callbacks and logger -----------------------------------------------------------------------


@schema
class Progress:
    _target_: str = "mlp_lab.callbacks.Progress"


@schema
class LossCurves:
    _target_: str = "mlp_lab.callbacks.LossCurves"


@schema
class Layers:
    _target_: str = "mlp_lab.callbacks.Layers"
    examples: int = limited(minimum=1)


@schema
class CurveFit:
    _target_: str = "mlp_lab.callbacks.CurveFit"


@schema
class DecisionRegions:
    _target_: str = "mlp_lab.callbacks.DecisionRegions"


@schema
class Weights:
    _target_: str = "mlp_lab.callbacks.Weights"


@schema
class Pictures:
    _target_: str = "mlp_lab.callbacks.Pictures"
    every: int = limited(minimum=1)


@schema
class Variants:
    _target_: str = "mlp_lab.callbacks.Variants"
    count: int = limited(minimum=1, maximum=1_000)


@schema
class Features:
    _target_: str = "mlp_lab.callbacks.Features"


@schema
class EarlyStopping:
    _target_: str = "pytorch_lightning.callbacks.EarlyStopping"
    monitor: str = MISSING
    mode: str = limited(one_of=("min", "max"))
    patience: int = limited(minimum=0)
    min_delta: float = limited(minimum=0, below=float("inf"))
    stopping_threshold: float | None = limited(below=float("inf"))


@schema
class Pruning:
    _target_: str = "mlp_lab.callbacks.pruning.Pruning"
    trial: int = limited(minimum=0)
    seeds: int = limited(minimum=1)
    after: int = limited(minimum=0)


@schema
class TensorBoard:
    _target_: str = "mlp_lab.logger.TensorBoard"
    x_axis: str = limited(one_of=("epoch", "step"))


# --- roots --------------------------------------------------------------------------------------

# Which schemas stand behind which folder of conf/.
GROUPS: dict[str, tuple[type, ...]] = {
    "task": (Classification, ClassificationByHand, Regression, PerceptronTask),
    "data": (MNIST, FashionMNIST, Boolean, Curve, Points, PointsFile, Image),
    "network": (MLP, Siren, PerceptronNetwork),
    "encoding": (Identity, Centred, Basic, Positional, Gaussian, HashGrid),
    "augmentation": (Augmentation,),
    "optimizer": (SGD, Adam, AdamW, NAdam, RMSprop, Adagrad),
    "schedule": (Constant, InverseTime, Step, Cosine, Cooldown, OneCycle),
    "trainer": (Trainer,),
    "callbacks": (
        Progress,
        LossCurves,
        CurveFit,
        DecisionRegions,
        Layers,
        Weights,
        Variants,
        EarlyStopping,
        Pruning,
        Pictures,
        Features,
    ),
    "logger": (TensorBoard,),
}


@schema
class Select:
    """Which epoch is kept: the best value of a metric on the validation data."""

    metric: str = MISSING
    mode: str = limited(one_of=("min", "max"))


@schema
class Sweep:
    """How the jobs of a sweep hang together."""

    fail_fast: bool = MISSING
    test: str = limited(one_of=("chosen", "each", "last"))
    zip: list[str] = MISSING


@schema
class Train:
    task: Any = MISSING
    data: Any = MISSING
    encoding: Any = MISSING
    network: Any = MISSING
    augmentation: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    select: Select = field(default_factory=Select)
    sweep: Sweep = field(default_factory=Sweep)
    average_decay: float = limited(minimum=0, below=1)
    name: str = limited(pattern=r"\w[\w.-]*")
    seed: int = limited(minimum=0, below=2**32)
    threads: int | None = limited(minimum=1)
    logs: str = MISSING
    resume: str | None = MISSING


@schema
class Vectorized:
    """The keys of ``hydra.launcher`` with ``hydra/launcher=vectorized``."""

    _target_: str = "hydra_plugins.mlp_lab.Vectorized"
    processes: int | None = limited(minimum=1)


@schema
class Grid:
    """The keys of ``hydra.sweeper`` with ``hydra/sweeper=grid``."""

    _target_: str = "hydra_plugins.mlp_lab.Grid"
    max_batch_size: int | None = limited(minimum=1)
    params: Any = MISSING
    zipped: list[str] = MISSING


@schema
class Search:
    """The keys of ``hydra.sweeper`` with ``hydra/sweeper=search``."""

    _target_: str = "hydra_plugins.mlp_lab.Search"
    n_trials: int = limited(minimum=1)
    n_jobs: int = limited(minimum=1)
    prune_after: int | None = limited(minimum=0)
    seed: int = limited(minimum=0, below=2**32)
    params: Any = MISSING


@schema
class Evaluate:
    run: Any = field(
        default=MISSING, metadata={"words": "a run's folder, a sweep's, or a list of these"}
    )
    split: str = limited(one_of=(*SPLITS, "test"))
    checkpoint: str = limited(one_of=("best", "last"))
    temperature: bool = MISSING
    robustness: bool = MISSING
    embeddings: int = limited(minimum=0, maximum=10_000)
    average: str = limited(one_of=("probabilities", "logits", "votes"))
    threads: int | None = limited(minimum=1)


@schema
class Predict:
    run: str = MISSING
    images: str | None = MISSING
    output: str | None = MISSING
    size: list[int] | None = limited(minimum=1, maximum=1_000_000, length=2)
    region: list[float] | None = limited(minimum=-1_000, maximum=1_000, length=4)
    checkpoint: str = limited(one_of=("best", "last"))
    invert: str = limited(one_of=("auto", "yes", "no"))
    threads: int | None = limited(minimum=1)


NUMBER = Limits(minimum=-1_000_000, maximum=1_000_000)


@schema
class Backprop:
    example: str = limited(one_of=("lecture_2_2_1", "lecture_2_2_1_relu", "lecture_2_2_2_1"))
    weights: Any = field(
        default=MISSING, metadata={"words": "a list of all, some by name, or null"}
    )
    inputs: list[float] | None = field(default=MISSING, metadata={"limits": NUMBER})
    target: float | None = field(default=MISSING, metadata={"limits": NUMBER})
    activation: str | None = limited(one_of=("identity", "relu", "sigmoid", "tanh"))
    logs: str = MISSING
