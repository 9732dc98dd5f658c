"""The commands: each composes and checks its config, and only then loads what does the work."""

import os
import re
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config import FOLDER, check, explain, help_text, schemas
from mlp_lab.errors import UserError
from mlp_lab.threads import set_threads

_FULL_ERROR = "HYDRA_FULL_ERROR"


def train() -> None:
    """Train one experiment, or a sweep of them: ``scripts/train.py``, ``mlp-train``."""
    sweeps: list[str] = []

    def action(cfg: DictConfig) -> object:
        set_threads(_threads(cfg))
        from mlp_lab.experiment import resume, train

        job = HydraConfig.get()
        overrides = list(job.overrides.task)
        if job.mode == RunMode.MULTIRUN and (cfg.resume or cfg.trainer.strategy == "ddp"):
            raise UserError("a sweep can't have trainer=ddp or resume: its jobs run in one process")
        if cfg.resume is not None:
            keys = [word.partition("=")[0] for word in overrides]
            changes = {key: OmegaConf.select(cfg, key) for key in keys if key != "resume"}
            result = resume(cfg.resume, changes)
        elif job.mode == RunMode.MULTIRUN:
            sweeps.append(job.sweep.dir)
            folder = Path(job.sweep.dir) / f"{job.job.num}_{_label(overrides)}"
            result = train(cfg, overrides, folder, test=False)
        else:
            result = train(cfg, overrides)
        if result.status == "interrupted":
            raise KeyboardInterrupt
        if result.status != "finished":
            raise UserError(result.reason)
        return result.best

    succeeded = _command("train", schemas.Train, action)
    if sweeps:
        from mlp_lab.sweeps.answer import conclude

        _print_answer(lambda: f"\n{conclude(sweeps[0])}")
    if not succeeded:
        sys.exit(1)


def compare() -> None:
    """Compare runs and sweeps: ``scripts/compare.py``, ``mlp-compare``."""
    parser = ArgumentParser(description="Compare runs: a table, files, figures, the best of them.")
    parser.add_argument("places", nargs="+", help="folders with runs in or below them")
    parser.add_argument("--metric", default="loss", help="compared on validation data")
    parser.add_argument("--mode", default="min", choices=("min", "max"), help="what is better")
    parser.add_argument("--output", help="folder of the summary (default: the one of all places)")
    args = parser.parse_args()
    from mlp_lab.sweeps.answer import compare

    _print_answer(lambda: compare(args.places, args.metric, args.mode, args.output))


def evaluate() -> None:
    """Evaluate a run on one split: ``scripts/evaluate.py``, ``mlp-evaluate``."""

    def action(cfg: DictConfig) -> object:
        set_threads(cfg.threads)
        from mlp_lab.evaluation import evaluate

        return evaluate(cfg)

    _command("evaluate", schemas.Evaluate, action)


def predict() -> None:
    """Predict with a run: ``scripts/predict.py``, ``mlp-predict``."""

    def action(cfg: DictConfig) -> object:
        set_threads(cfg.threads)
        from mlp_lab.prediction import predict

        return predict(cfg)

    _command("predict", schemas.Predict, action)


def _command(name: str, root: type, action: Callable[[DictConfig], object]) -> bool:
    """Run ``action`` as a Hydra application with the config ``conf/<name>.yaml``.

    A mistake of the user's ends in one line and exit status 1. With HYDRA_FULL_ERROR=1, Hydra's
    own switch, it ends in a traceback instead. A job of a sweep that fails doesn't stop the
    others; returns whether all went well.
    """
    args = get_args_parser().parse_args()
    if args.help:
        print(help_text(name, root, FOLDER))
        return True
    if args.multirun and name != "train":
        sys.exit("mlp_lab: -m: only train.py runs sweeps")
    failures = []

    def job(cfg: DictConfig) -> object:
        return action(check(cfg, root))

    def shielded(cfg: DictConfig) -> object:
        os.environ.pop(_FULL_ERROR)  # not for the processes that a job starts
        try:
            return job(cfg)
        except (UserError, OSError) as error:
            line = f"mlp_lab: {explain(error, root)}"
        except Exception:  # a fault of the program: all of it is of interest
            line = traceback.format_exc()
        finally:
            os.environ[_FULL_ERROR] = "1"
        if int(os.environ.get("LOCAL_RANK", "0")) > 0:
            sys.exit(1)  # the first process of a distributed run has said it
        if HydraConfig.get().mode != RunMode.MULTIRUN:
            sys.exit(line)
        print(line, file=sys.stderr)
        failures.append(line)
        return None

    main = hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)
    if os.environ.get(_FULL_ERROR):
        main(job)()
        return True
    os.environ[_FULL_ERROR] = "1"  # Hydra shall raise what it would print over many lines
    try:
        _refuse_early(args, name, root)
        main(shielded)()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # while the config is composed, all errors are the user's
        sys.exit(f"mlp_lab: {explain(error, root)}")
    return not failures


def _print_answer(answer: Callable[[], str]) -> None:
    try:
        print(answer())
    except (UserError, OSError) as error:
        sys.exit(f"mlp_lab: {explain(error, schemas.Train)}")


def _threads(cfg: DictConfig) -> int | None:
    """The threads of a run; of one that goes on, those it had: others would sum otherwise."""
    if cfg.resume is None or cfg.threads is not None:
        return cfg.threads
    from mlp_lab.runs import Run

    return Run.open(cfg.resume).config.threads


def _label(overrides: list[str]) -> str:
    """What was varied in a job, as part of a folder's name: ``lr=0.1,seed=2``."""
    varied = {o.get_key_element() for o in _parsed(sys.argv[1:]) if o.is_sweep_override()}
    varied |= set(HydraConfig.get().sweeper.get("params") or {})  # of a preset: sweep=seeds
    pairs = [word.partition("=") for word in overrides]
    label = ",".join(f"{key.rpartition('.')[2]}={v}" for key, _, v in pairs if key in varied)
    return re.sub(r"[^\w=.,+-]+", "-", label)[:100]


def _parsed(words: list[str]) -> list[Override]:
    plain = [word for word in words if not word.startswith("-")]
    return OverridesParser.create().parse_overrides(plain)


def _refuse_early(args: Namespace, name: str, root: type) -> None:
    """Compose and check the configs of a run or a sweep before Hydra begins.

    Hydra composes twice before a job sees its config, which would double the time to an answer;
    and it begins a sweep whose third job is a mistake.
    """
    flags = {key for key, value in vars(args).items() if value and key != "overrides"}
    if flags - {"run", "multirun"}:
        return
    try:
        variants = list(_each_value(args.overrides)) if args.multirun else [args.overrides]
    except OverrideParseException:
        raise
    except HydraException:  # values that only Hydra can tell, such as optimizer=glob(*)
        return
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
        for overrides in variants:
            check(hydra.compose(name, overrides), root)


def _each_value(words: list[str]) -> Iterator[list[str]]:
    """Overrides of single runs in which each value of a sweep stands at least once."""
    choices = []
    for override in _parsed(words):
        if override.is_sweep_override():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            choices.append([override.input_line or ""])
    first = [values[0] for values in choices]
    yield first
    for place, values in enumerate(choices):
        for value in values[1:]:
            yield [*first[:place], value, *first[place + 1 :]]
