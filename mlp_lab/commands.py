"""The commands: each composes and checks its config, and only then loads what does the work."""

import os
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mlp_lab.claims.topics import TOPICS, refuse_unknown
from mlp_lab.config import FOLDER, check, explain, help_text, schemas
from mlp_lab.errors import UserError
from mlp_lab.threads import set_threads

_FULL_ERROR = "HYDRA_FULL_ERROR"


def train() -> None:
    """Train one experiment, or a sweep of them: ``scripts/train.py``, ``mlp-train``."""

    def action(cfg: DictConfig) -> object:
        set_threads(_threads(cfg))
        from mlp_lab.experiment import resume, train

        overrides = list(HydraConfig.get().overrides.task)
        if cfg.resume is None:
            result = train(cfg, overrides)
        else:
            keys = [word.partition("=")[0] for word in overrides]
            changes = {key: OmegaConf.select(cfg, key) for key in keys if key != "resume"}
            result = resume(cfg.resume, changes)
        if result.status == "interrupted":
            raise KeyboardInterrupt
        if result.status != "finished":
            raise UserError(result.reason)
        return result.best

    args = get_args_parser().parse_args()
    if args.help or not (args.multirun or _resumed_sweep(args)):
        _command("train", schemas.Train, action)
        return
    with _in_one_line(schemas.Train):
        if not _sweep(args):
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

    try:
        print(compare(args.places, args.metric, args.mode, args.output))
    except (UserError, OSError) as error:
        sys.exit(f"mlp_lab: {explain(error, schemas.Train)}")


def claims() -> None:
    """Check claims that need no training: ``scripts/claims.py``, ``mlp-claims``."""
    parser = ArgumentParser(description="Check claims of the course that need no training.")
    named = ", ".join(TOPICS)
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"of {named} (default: all)")
    parser.add_argument("--output", default="logs/claims", help="folder (default: %(default)s)")
    args = parser.parse_args()
    try:
        refuse_unknown(args.topics)
        set_threads(None)
        from mlp_lab.claims.report import report

        every = report(args.topics or TOPICS, Path(args.output))
    except (UserError, OSError) as error:
        sys.exit(f"mlp_lab: {explain(error, schemas.Train)}")
    if not every:
        sys.exit("mlp_lab: a claim doesn't hold")


def evaluate() -> None:
    """Evaluate a run or a committee on one split: ``scripts/evaluate.py``, ``mlp-evaluate``."""

    def action(cfg: DictConfig) -> object:
        set_threads(cfg.threads)
        from mlp_lab import committee, evaluation

        several = committee.is_committee(cfg.run)
        return committee.evaluate(cfg) if several else evaluation.evaluate(cfg)

    _command("evaluate", schemas.Evaluate, action)


def predict() -> None:
    """Predict with a run: ``scripts/predict.py``, ``mlp-predict``."""

    def action(cfg: DictConfig) -> object:
        set_threads(cfg.threads)
        from mlp_lab.prediction import predict

        return predict(cfg)

    _command("predict", schemas.Predict, action)


def backprop() -> None:
    """Work out an example of back-propagation: ``scripts/backprop.py``, ``mlp-backprop``."""

    def action(cfg: DictConfig) -> object:
        from mlp_lab.worked_example import work_out

        return work_out(cfg)

    _command("backprop", schemas.Backprop, action)


def _command(name: str, root: type, action: Callable[[DictConfig], object]) -> None:
    """Run ``action`` as a Hydra application with the config ``conf/<name>.yaml``."""
    args = get_args_parser().parse_args()
    if args.help:
        print(help_text(name, root, FOLDER))
        return
    if args.multirun:
        sys.exit("mlp_lab: -m: only train.py runs sweeps")

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
        # The first process of a distributed run has said it.
        sys.exit(1 if int(os.environ.get("LOCAL_RANK", "0")) > 0 else line)

    main = hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)
    if os.environ.get(_FULL_ERROR):
        main(job)()
        return
    with _in_one_line(root):
        if not _flags(args):
            _refuse_early(args.overrides, name, root)
        main(shielded)()


def _sweep(args: Namespace) -> bool:
    """Run a new sweep, or one that goes on; return whether all jobs finished."""
    if flags := _flags(args) - {"config_dir"}:
        sys.exit(f"mlp_lab: -m: can't be joined with --{sorted(flags)[0].replace('_', '-')}")
    from mlp_lab.sweeps.start import go_on, start

    if folder := _resumed_sweep(args):
        words = [o.input_line or "" for o in _parsed(args.overrides) if o.key_or_group != "resume"]
        return go_on(folder, words)
    if args.config_dir:  # a flag isn't there when the sweep goes on
        place = Path(args.config_dir).absolute()
        return start([*args.overrides, f"hydra.searchpath=['file://{place}']"])
    return start(args.overrides)


@contextmanager
def _in_one_line(root: type) -> Iterator[None]:
    """End in one line and exit status 1 for a mistake of the user's, in 130 when interrupted.

    With HYDRA_FULL_ERROR=1, Hydra's own switch, it ends in a traceback instead.
    """
    if os.environ.get(_FULL_ERROR):
        yield
        return
    os.environ[_FULL_ERROR] = "1"  # Hydra shall raise what it would print over many lines
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # while the config is composed, all errors are the user's
        sys.exit(f"mlp_lab: {explain(error, root)}")


def _threads(cfg: DictConfig) -> int | None:
    """The threads of a run; of one that goes on, those it had: others would sum otherwise."""
    if cfg.resume is None or cfg.threads is not None:
        return cfg.threads
    from mlp_lab.runs import Run

    return Run.open(cfg.resume).config.threads


def _flags(args: Namespace) -> set[str]:
    """The flags that ask for something else than to run."""
    given = {key for key, value in vars(args).items() if value}
    return given - {"overrides", "run", "multirun"}


def _resumed_sweep(args: Namespace) -> str | None:
    """The folder that ``resume`` names, if it is that of a sweep."""
    try:
        named = [str(o.value()) for o in _parsed(args.overrides) if o.key_or_group == "resume"]
    except HydraException:  # it is told where the config is composed
        return None
    return next((folder for folder in named if (Path(folder) / "sweep.yaml").is_file()), None)


def _parsed(words: list[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(words)


def _refuse_early(words: list[str], name: str, root: type) -> None:
    """Compose and check a config before Hydra begins.

    Hydra composes twice before a job sees its config, which would double the time to an answer.
    """
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
        check(hydra.compose(name, words), root)
