"""Schemas of the options in conf/task/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import (
    CLASSIFICATION_LOSSES,
    CLASSIFICATION_OUTPUTS,
    DENSITIES,
    PERCEPTRON_RULES,
    REGRESSION_LOSSES,
    REGRESSION_OUTPUTS,
)


@schema
class Classification:
    _target_: str = "mlp_lab.tasks.classification.Classification"
    output: str = limited(one_of=CLASSIFICATION_OUTPUTS)
    loss: str = limited(one_of=CLASSIFICATION_LOSSES)
    label_smoothing: float = limited(minimum=0, maximum=1)


@schema
class ClassificationByHand(Classification):
    _target_: str = "mlp_lab.tasks.classification_by_hand.ClassificationByHand"


@schema
class Mixup(Classification):
    _target_: str = "mlp_lab.tasks.mixup.Mixup"
    alpha: float = limited(above=0, below=float("inf"))


@schema
class SharpnessAware(Classification):
    _target_: str = "mlp_lab.tasks.sharpness_aware.SharpnessAware"
    rho: float = limited(minimum=0, below=float("inf"))


@schema
class Distillation(Classification):
    _target_: str = "mlp_lab.tasks.distillation.Distillation"
    teacher: str = MISSING
    share: float = limited(minimum=0, maximum=1)
    temperature: float = limited(above=0, below=float("inf"))


@schema
class Regression:
    _target_: str = "mlp_lab.tasks.regression.Regression"
    output: str = limited(one_of=REGRESSION_OUTPUTS)
    loss: str = limited(one_of=REGRESSION_LOSSES)
    peak: float | None = limited(above=0, below=float("inf"))
    output_bias: str | None = limited(one_of=("mean",))


@schema
class Tomography:
    _target_: str = "mlp_lab.tasks.tomography.Tomography"
    output: str = limited(one_of=REGRESSION_OUTPUTS)
    loss: str = limited(one_of=REGRESSION_LOSSES)


@schema
class FourierSampling(Tomography):
    _target_: str = "mlp_lab.tasks.fourier_sampling.FourierSampling"


@schema
class Occupancy:
    _target_: str = "mlp_lab.tasks.occupancy.Occupancy"


@schema
class ViewSynthesis:
    _target_: str = "mlp_lab.tasks.view_synthesis.ViewSynthesis"
    density: str = limited(one_of=DENSITIES)


@schema
class PerceptronRule:
    _target_: str = "mlp_lab.tasks.perceptron_rules.PerceptronRule"
    rule: str = limited(one_of=PERCEPTRON_RULES)


@schema
class TDLambda:
    _target_: str = "mlp_lab.tasks.td_lambda.TDLambda"
    trace_decay: float = limited(minimum=0, maximum=1)
