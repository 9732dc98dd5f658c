"""Schemas of the options in conf/callbacks/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import MODES


@schema
class Progress:
    _target_: str = "mlp_lab.runs.callbacks.progress_bar.Progress"


@schema
class LossCurves:
    _target_: str = "mlp_lab.runs.callbacks.loss_curves.LossCurves"


@schema
class Layers:
    _target_: str = "mlp_lab.runs.callbacks.layer_statistics.LayerRecorder"
    examples: int = limited(minimum=1, maximum=1_000_000_000)


@schema
class WeightHistograms:
    _target_: str = "mlp_lab.runs.callbacks.weight_histograms.WeightHistograms"


@schema
class CurveFit:
    _target_: str = "mlp_lab.runs.callbacks.curve_fit.CurveFit"


@schema
class DecisionRegions:
    _target_: str = "mlp_lab.runs.callbacks.decision_regions.DecisionRegions"


@schema
class Weights:
    _target_: str = "mlp_lab.runs.callbacks.first_layer.FirstLayerWeights"


@schema
class ImageProgress:
    _target_: str = "mlp_lab.runs.callbacks.image_progress.ImageProgress"
    every: int = limited(minimum=1, maximum=1_000_000_000)


@schema
class Reconstructions:
    _target_: str = "mlp_lab.runs.callbacks.reconstructions.Reconstructions"


@schema
class Surface:
    _target_: str = "mlp_lab.runs.callbacks.surface.Surface"
    resolution: int = limited(minimum=2, maximum=512)


@schema
class NovelViews:
    _target_: str = "mlp_lab.runs.callbacks.novel_views.NovelViews"
    frames: int = limited(minimum=1, maximum=360)
    elevation: float = limited(minimum=-90, maximum=90)


@schema
class AugmentedExamples:
    _target_: str = "mlp_lab.runs.callbacks.augmented_examples.AugmentedExamples"
    count: int = limited(minimum=1, maximum=1_000)


@schema
class EncodingFeatures:
    _target_: str = "mlp_lab.runs.callbacks.encoding_features.EncodingFeatures"


@schema
class BackgammonInspection:
    _target_: str = "mlp_lab.runs.callbacks.backgammon_inspection.BackgammonInspection"
    units: int = limited(minimum=1, maximum=30)


@schema
class EarlyStopping:
    _target_: str = "pytorch_lightning.callbacks.EarlyStopping"
    monitor: str = MISSING
    mode: str = limited(one_of=MODES)
    patience: int = limited(minimum=0, maximum=1_000_000_000)
    min_delta: float = limited(minimum=0, below=float("inf"))
    stopping_threshold: float | None = limited(below=float("inf"))


@schema
class Pruning:
    _target_: str = "mlp_lab.sweeps.pruning.Pruning"
    trial: int = limited(minimum=0, maximum=1_000_000_000)
    seeds: int = limited(minimum=1, maximum=1_000_000_000)
    after: int = limited(minimum=0, maximum=1_000_000_000)
