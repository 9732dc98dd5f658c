"""The results of runs and evaluations, and how they are stored as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]

# Types of keys in result.json.
_TYPES: Mapping[str, Any] = {
    "reason": str | None,
    "refit": bool,
    **dict.fromkeys(("parameters", "epochs", "steps", "epoch"), int),
    **dict.fromkeys(("best", "last"), dict | None),
    **dict.fromkeys(("split", "checkpoint"), str),
    "tables": dict,
}


class Status(StrEnum):
    """How a run ended."""

    FINISHED = "finished"  # trained all its epochs, or stopped early
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"
    FAILED = "failed"  # by an error; only in sweeps, where it does not end the command
    UNFINISHED = "unfinished"  # has no result yet: it is still training, or it was killed


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a checkpoint on a whole split: an entry of ``evaluations`` in ``result.json``.

    Attributes:
        split: name of the split: ``train``, ``validation`` or ``test``.
        checkpoint: name of the checkpoint: ``best`` or ``last``.
        epoch: epoch after which the checkpoint was written, from 1.
        metrics: mean over the split by metric: ``loss`` and the metrics of the task and its data
            (``error``; ``squared_error``, ``largest_error``, ``psnr``, ``ssim``).
        tables: rows of each diagnostic by its name. ``classes``: class, examples, wrong, error.
            ``calibration``: temperature, error, nll, ece. ``robustness``: corruption, strength,
            unit, loss, error.
    """

    split: str
    checkpoint: str
    epoch: int
    metrics: Mapping[str, float]
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation of an entry. Raises KeyError or TypeError if it is damaged."""
        _check_types(entry)
        return cls(
            entry["split"],
            entry["checkpoint"],
            entry["epoch"],
            {name: value for name, value in entry.items() if isinstance(value, float)},
            {name: value for name, value in entry.items() if isinstance(value, list)},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry: metrics and tables are keys beside ``split``."""
        keys = {"split": self.split, "checkpoint": self.checkpoint, "epoch": self.epoch}
        return {**keys, **self.metrics, **self.tables}


@dataclass(frozen=True)
class EnsembleEvaluation:
    """Error of an ensemble on a whole split: an entry of ``ensemble.json``.

    Attributes:
        split: name of the split.
        checkpoint: name of the members' checkpoints: ``best`` or ``last``.
        average: kind of the average: ``probabilities``, ``logits`` or ``votes``.
        error: fraction of examples that the ensemble classifies wrongly.
        members: error of each member by its folder, relative to that of ``ensemble.json``.
        common_errors: number of examples that two members both classify wrongly, a row for each
            member; the errors of the member itself are in the diagonal.
        errors_by_members: number of examples that exactly 0, 1, ... members classify wrongly, and
            how many of these the ensemble classifies wrongly.
    """

    split: str
    checkpoint: str
    average: str
    error: float
    members: dict[str, float]
    common_errors: list[list[int]]
    errors_by_members: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Return the entry: a key for each attribute."""
        return asdict(self)


@dataclass
class Result:
    """Result of a run: the content of ``result.json``.

    Attributes:
        folder: run folder, as it was named when the run ended.
        status: how the run ended.
        reason: why it did not finish, or why it stopped early; None otherwise.
        refit: whether it also trained on the validation data; then ``best`` is the last epoch.
        parameters: number of parameters of the network; 0 if unknown.
        epochs: number of epochs trained, in all.
        steps: number of optimizer steps, in all.
        best: row of the history: the epoch chosen on validation data.
        last: row of the history: the last epoch.
        seconds: wall time of each fit: of the first and of each time that the run was resumed.
            Jobs that train as one stacked network have the time of the whole stack.
        evaluations: all evaluations, in the order in which they were made.
        tables: SHA-256 of each CSV file to which the run appended rows, by name, at the end of the
            last fit.
    """

    folder: str
    status: Status = Status.UNFINISHED
    reason: str | None = None
    refit: bool = False
    parameters: int = 0
    epochs: int = 0
    steps: int = 0
    best: dict[str, float] | None = None
    last: dict[str, float] | None = None
    seconds: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, folder: str, content: Any) -> "Result":
        """Return the result that a file contains.

        Keys that it lacks have their defaults, except ``seconds`` and ``evaluations``. Raises
        KeyError, TypeError or ValueError if the content is not a result.
        """
        _check_types(content)
        known = {f.name for f in fields(cls)}
        values = {"folder": folder} | {k: v for k, v in dict(content).items() if k in known}
        values["status"] = Status(values.get("status", Status.UNFINISHED))
        values["seconds"] = list(map(float, content["seconds"]))
        values["evaluations"] = [Evaluation.from_json(entry) for entry in content["evaluations"]]
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``result.json``: a key for each attribute."""
        return vars(self) | {"evaluations": [entry.to_json() for entry in self.evaluations]}


def _check_types(content: Mapping[str, Any]) -> None:
    """Raise TypeError for a value of another type than mlp_lab writes."""
    for key, value in content.items():
        if key in _TYPES and not isinstance(value, _TYPES[key]):
            raise TypeError(f"{key}: wrong type")
        if key in ("best", "last") and not all(
            isinstance(x, int | float) for x in (value or {}).values()
        ):
            raise TypeError(f"{key}: must have numbers")
