"""The folder of a run: create, lock, write and read it."""

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.check import check
from mlp_lab.config.command_line import with_plain_values
from mlp_lab.config.flatten import flatten_plain
from mlp_lab.config.plugin_modules import PLUGINS_KEY, named_plugins, split_plugins
from mlp_lab.config.schemas.train import Train
from mlp_lab.config.titles import title_of
from mlp_lab.errors import UserError
from mlp_lab.storage import migration
from mlp_lab.storage.environment import environment
from mlp_lab.storage.files import csv_text, errors_named, write_whole
from mlp_lab.storage.folders import dated_names, new_folder, not_a_folder
from mlp_lab.storage.records import json_with_digest, read_json, read_yaml, sha256, yaml_with_digest
from mlp_lab.storage.results import Evaluation, Result
from mlp_lab.storage.run_checkpoints import RunCheckpoints
from mlp_lab.storage.run_figures import RunFigures
from mlp_lab.storage.tables import read_table

_LOCK = ".training"
_TABLES = ("history", "layers", "pictures")  # that a comparison reads


class RunFolder:
    """The folder of a run. All other code accesses its files through this class.

    Args:
        folder: path of the folder, which need not exist.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.checkpoints = RunCheckpoints(self.folder)
        self.figures = RunFigures(self.folder / "figures")
        self.log = self.folder / "train.log"
        self._config = self.folder / "config.yaml"

    @classmethod
    def create(cls, logs: str, name: str) -> "RunFolder":
        """Create the folder ``<logs>/<name>/<date_time>`` of a new run; return it."""
        return cls(new_folder(Path(logs) / name))

    @classmethod
    def create_at(cls, folder: str | Path) -> "RunFolder":
        """Create a given folder for a new run; return it. Raises UserError if it is not empty."""
        run = cls(folder)
        run.folder.mkdir(parents=True, exist_ok=True)
        if any(path.name != _LOCK for path in run.folder.iterdir()):
            raise UserError(f"{folder}: not empty; a run needs an empty folder")
        return run

    @classmethod
    def open(cls, folder: str) -> "RunFolder":
        """Return the run in an existing folder. Raises UserError if there is none."""
        run = cls(folder)
        if not run._config.is_file():
            raise not_a_folder(folder, "not the folder of a run: it has no config.yaml")
        return run

    @cached_property
    def config(self) -> DictConfig:
        """The checked config of the run. Raises UserError if its file is damaged."""
        plain = self.read_config()
        try:
            return check(OmegaConf.create(plain), Train)
        except UserError as error:
            raise UserError(f"{self._config}: {error}{self._plugins_hint()}") from error

    def _plugins_hint(self) -> str:
        """Return how to name the plug-ins of the run that this process has not imported.

        They are not imported because the files of the run name them: it may come from elsewhere.
        """
        try:
            modules, _ = split_plugins(self.overrides)
        except UserError:
            return ""
        missing = [module for module in modules if module not in named_plugins()]
        return f" (the run used {PLUGINS_KEY}=[{','.join(missing)}])" if missing else ""

    def read_config(self) -> dict[str, Any]:
        """Return the config of the run with the current names of classes and keys, unchecked.

        A check takes twenty times as long. Raises UserError if the file is damaged.
        """
        plain = read_yaml(self._config)
        if not isinstance(plain, dict):
            raise UserError(f"{self._config}: damaged: not a config")
        try:
            return migration.migrate(plain)
        except UserError as error:
            raise UserError(f"{self._config}: {error}") from error

    @property
    def overrides(self) -> list[str]:
        """The overrides of the command that started the run; empty if they are not known."""
        path = self.folder / "overrides.yaml"
        if not path.is_file():
            return []
        content = read_yaml(path)
        if not isinstance(content, list):
            raise UserError(f"{path}: damaged: not a list of overrides")
        overrides = list(map(str, content))
        return migration.migrate_overrides(overrides, migration.version_of_config(self._config))

    @property
    def result(self) -> Result:
        """The result so far; without ``result.json``, an empty one with the status unfinished."""
        path = self.folder / "result.json"
        if not path.is_file():
            return Result(str(self.folder))
        content = read_json(path)
        try:
            return Result.from_json(str(self.folder), content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}: damaged: not the result of a run") from error

    def write_start(
        self,
        cfg: DictConfig,
        overrides: Sequence[str],
        data_digest: str | None = None,
        teacher_digest: str | None = None,
    ) -> None:
        """Write the files of the start: config, overrides, environment with the digests.

        Args:
            cfg: checked config.
            overrides: overrides of the command.
            data_digest: digest of the files of the data; None: the data are computed.
            teacher_digest: digest of the networks that the run learns from; None: there are none.
        """
        self._write_config(cfg)  # first: it has the version of the overrides
        self._write_overrides(with_plain_values(overrides, cfg))
        digests = {"data_sha256": data_digest, "teacher_sha256": teacher_digest}
        self._write("environment.json", json_with_digest(environment() | digests))

    def was_trained_on(self, data_digest: str | None) -> bool:
        """Return whether a digest is that of the data of the training, or the latter is unknown."""
        return self._is_recorded("data_sha256", data_digest)

    def was_trained_by(self, teacher_digest: str | None) -> bool:
        """Return whether a digest is that of the teacher, or the latter is unknown."""
        return self._is_recorded("teacher_sha256", teacher_digest)

    def _is_recorded(self, key: str, digest: str | None) -> bool:
        """Return whether a digest is that of the start, or an earlier version recorded none."""
        path = self.folder / "environment.json"
        recorded = read_json(path) if path.is_file() else {}
        if not isinstance(recorded, dict):
            raise UserError(f"{path}: damaged: not the environment of a run")
        return key not in recorded or recorded[key] == digest

    def write_config(self, cfg: DictConfig) -> None:
        """Write a changed config, and convert the overrides to its version."""
        if overrides := self.overrides:
            self._write_overrides(overrides)  # first: converting them again changes nothing
        self._write_config(cfg)

    def write_result(self, result: Result) -> None:
        """Write ``result.json``."""
        self._write("result.json", json_with_digest(result.to_json()))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; create it if necessary.

        Raises:
            UserError: another process is training here.
        """
        try:
            with filelock.FileLock(self.folder / _LOCK, timeout=0, is_singleton=True):
                self.checkpoints.remove_incomplete()
                yield
        except filelock.Timeout as error:
            raise UserError(f"{self.folder}: another process is training here") from error

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Append to the evaluations in ``result.json``; create the file if a run was killed."""
        with filelock.FileLock(self.folder / ".lock"):  # two processes would lose an entry
            result = self.result
            result.evaluations.append(evaluation)
            self.write_result(result)

    def write_history(self, columns: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
        """Write ``history.csv``, which has one row per epoch."""
        self.write_table("history", columns, rows)

    def append_history(self, row: Mapping[str, float]) -> None:
        """Append the row of an epoch to ``history.csv``."""
        self.append_to_table("history", [row])

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv`` so far."""
        return self.table("history")

    def write_table(
        self, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write ``<name>.csv``."""
        if name in (result := self.result).tables:  # of a run that is resumed
            result.tables = {key: value for key, value in result.tables.items() if key != name}
            self.write_result(result)
        cells = ([row.get(column) for column in columns] for row in rows)
        self._write(f"{name}.csv", csv_text([columns, *cells]))

    def append_to_table(self, name: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Append rows to ``<name>.csv``, which can be read while the run continues."""
        path = self.folder / f"{name}.csv"
        with errors_named(path), path.open("r+", newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file))
            file.seek(0, io.SEEK_END)
            file.write(csv_text([[row.get(column) for column in columns] for row in rows]))

    def table(self, name: str) -> list[dict[str, float]]:
        """Return the rows of ``<name>.csv`` so far, each without its empty cells."""
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            return []
        return read_table(path, self.result.tables.get(name))

    def table_digests(self) -> dict[str, str]:
        """Return the digests of the tables that a comparison reads, by name."""
        paths = {name: self.folder / f"{name}.csv" for name in _TABLES}
        return {name: sha256(path.read_bytes()) for name, path in paths.items() if path.is_file()}

    @property
    def figure_format(self) -> str:
        """The format of the run's figures, ``figures.format``."""
        return str(self.read_config()["figures"]["format"])

    @property
    def title(self) -> str:
        """The experiment and the data of the run, for titles of figures."""
        return title_of([flatten_plain(self.read_config())])

    def picture(self, epoch: int) -> Path:
        """Return the path of the image that the network represents after an epoch (0: before)."""
        return self.folder / "pictures" / f"{epoch:05d}.png"

    @property
    def truth(self) -> Path:
        """The path of the image that the network learns."""
        return self.folder / "pictures" / "truth.png"

    def new_game(self) -> Path:
        """Return the path of a new file for a saved game, ``games/<date_time>.json``."""
        paths = (self.folder / "games" / f"{name}.json" for name in dated_names())
        return next(path for path in paths if not path.exists())

    def clear(self) -> None:
        """Remove the content of the folder, if a run without a checkpoint starts again."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()

    def discard(self) -> None:
        """Remove the folder of a run that did not start."""
        shutil.rmtree(self.folder)

    def _write_config(self, cfg: DictConfig) -> None:
        text = f"version: {migration.CONFIG_VERSION}\n{OmegaConf.to_yaml(cfg)}"
        self._write("config.yaml", yaml_with_digest(text))

    def _write_overrides(self, overrides: Sequence[str]) -> None:
        text = OmegaConf.to_yaml(OmegaConf.create(list(overrides)))
        self._write("overrides.yaml", yaml_with_digest(text))

    def _write(self, name: str, text: str) -> None:
        write_whole(self.folder / name, text.encode())
