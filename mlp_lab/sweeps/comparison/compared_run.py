"""One run of a comparison: its settings, its history and its result."""

from dataclasses import dataclass
from typing import Any

from mlp_lab.storage.results import Evaluation, Result, Status
from mlp_lab.storage.run_folder import RunFolder

#: Keys in which repeated runs differ. Their results are averaged.
REPEATED = ("seed", "data.fold")

Row = dict[str, float]


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison.

    Attributes:
        run: run folder.
        config: flat config; see ``flat_config``.
        settings: dotted keys in which the runs differ, and their values in this one.
        label: the settings in short; the folder's name if there are none.
        problem: label of the data, if the runs learn different ones; see ``problems``.
        history: one row per epoch, without values that are not finite.
        best: row with the best value of the metric on validation data, if any.
        result: content of its ``result.json``.
        seconds: wall time of its epochs; for a member of a stack, that of the whole stack.
    """

    run: RunFolder
    config: dict[str, Any]
    settings: dict[str, Any]
    label: str
    problem: str
    history: list[Row]
    best: Row | None
    result: Result
    seconds: float

    @property
    def repetition(self) -> tuple[Any, ...]:
        """The seed and the fold of the run."""
        return tuple(self.config.get(key) for key in REPEATED)

    def last(self, key: str) -> float | None:
        """Return a value of the last epoch, which need not be the best one."""
        return self.history[-1].get(key) if self.history else None

    @property
    def tests(self) -> list[Evaluation]:
        """All evaluations on the test set."""
        return [entry for entry in self.result.evaluations if entry.split == "test"]

    @property
    def test(self) -> Evaluation | None:
        """First evaluation of the best epoch on the test set, if there is one."""
        return self._test_after((self.best or {}).get("epoch"))

    @property
    def last_test(self) -> Evaluation | None:
        """First evaluation of the last epoch on the test set, if there is one."""
        return self._test_after(self.last("epoch"))

    @property
    def finished(self) -> bool:
        """Whether it trained to its end, or ended early as configured."""
        return self.result.status is Status.FINISHED

    def _test_after(self, epoch: float | None) -> Evaluation | None:
        return next((entry for entry in self.tests if entry.epoch == epoch), None)
