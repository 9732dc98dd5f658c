"""The problems that runs learn: only runs on the same problem can be ranked."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlp_lab.config.flatten import format_value, is_within
from mlp_lab.sweeps.comparison.differences import label_of

# Keys of the data that only change how a problem is learnt, from how many examples, or from which
# sample; values on validation data remain comparable.
_OF_TRAINING = (
    "data.root",
    "data.batch_size",
    "data.drop_last",
    "data.passes",
    "data.train_size",
    "data.refit",
    "data.fold",
    "data.standardize",
    "data.normalize_width",
    "data.deslant",
    "data.points_seed",
    "data.noise_seed",
    "data.expert_inputs",
    "data.validation_size",
    "data.test_size",
    "data.test_opponents",
)
# Keys that define the values of the metric "loss".
_OF_LOSS = ("task.loss", "task.rule")
# The same for classes: softmax or independent sigmoids.
_OF_CLASSES = "task.output"
# Tasks that only train in another way, with the loss of ``classification`` on validation data.
_CLASSIFICATION = ("classification", "classification_by_hand", "mixup", "sharpness_aware",
                   "distillation", "Classification", "ClassificationByHand", "Mixup",
                   "SharpnessAware", "Distillation")  # fmt: skip


def problems(configs: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """Return a label of the problem of each run, empty if all runs have the same.

    A problem is the data and, for the metric ``loss``, the function that is minimized.

    Args:
        configs: flat config of each run, with the names of options.
        metric: the metric that is compared.
    """
    configs = [_with_task_of_loss(config) for config in configs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    keys = [key for key in keys if _defines(key, metric) and _varies(key, configs)]
    return [label_of({key: c[key] for key in keys if key in c}, keys) for c in configs]


def _with_task_of_loss(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with the task that has the same loss on validation data.

    Only for classes, the kind of the outputs defines the loss.
    """
    if config.get("task") in _CLASSIFICATION:
        return dict(config) | {"task": "classification"}
    return {key: value for key, value in config.items() if key != _OF_CLASSES}


def _defines(key: str, metric: str) -> bool:
    if is_within(key, ("data",)):
        return not is_within(key, _OF_TRAINING)
    return metric == "loss" and key in ("task", *_OF_LOSS, _OF_CLASSES)


def _varies(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    return len({format_value(config[key]) for config in configs if key in config}) > 1
