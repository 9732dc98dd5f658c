"""The commands: each composes and checks its config, and only then loads what does the work."""

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config import FOLDER, check, explain, help_text, schemas
from mlp_lab.errors import UserError
from mlp_lab.threads import set_threads

_FULL_ERROR = "HYDRA_FULL_ERROR"


def train() -> None:
    """Train one experiment: ``scripts/train.py``, ``mlp-train``."""

    def action(cfg: DictConfig) -> object:
        threads = cfg.threads
        if cfg.resume is not None and threads is None:
            from mlp_lab.runs import Run

            threads = Run.open(cfg.resume).config.threads  # another number would sum otherwise
        set_threads(threads)
        from mlp_lab.experiment import resume, train

        hydra_config = HydraConfig.get()
        overrides = list(hydra_config.overrides.task)
        if cfg.resume is None:
            in_sweep = hydra_config.mode == RunMode.MULTIRUN
            result = train(cfg, overrides, hydra_config.runtime.output_dir if in_sweep else None)
        else:
            keys = [word.partition("=")[0] for word in overrides]
            changes = {key: OmegaConf.select(cfg, key) for key in keys if key != "resume"}
            result = resume(cfg.resume, changes)
        if result.status == "interrupted":
            raise KeyboardInterrupt
        if result.status != "finished":
            raise UserError(result.reason)
        return result.best

    _command("train", schemas.Train, action)


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


def _command(name: str, root: type, action: Callable[[DictConfig], object]) -> None:
    """Run ``action`` as a Hydra application with the config ``conf/<name>.yaml``.

    A mistake of the user's ends in one line and exit status 1. With HYDRA_FULL_ERROR=1, Hydra's
    own switch, it ends in a traceback instead.
    """
    args = get_args_parser().parse_args()
    if args.help:
        print(help_text(name, root, FOLDER))
        return

    def job(cfg: DictConfig) -> object:
        return action(check(cfg, root))

    def shielded(cfg: DictConfig) -> object:
        try:
            return job(cfg)
        except (UserError, OSError) as error:
            raise SystemExit(f"mlp_lab: {explain(error, root)}") from error
        except Exception as error:  # a fault of the program: all of it is of interest
            traceback.print_exc()
            raise SystemExit(1) from error

    main = hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)
    if os.environ.get(_FULL_ERROR):
        main(job)()
        return
    os.environ[_FULL_ERROR] = "1"  # Hydra shall raise what it would print over many lines
    try:
        _refuse_early(args, name, root)
        main(shielded)()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # while the config is composed, all errors are the user's
        sys.exit(f"mlp_lab: {explain(error, root)}")


def _refuse_early(args: Namespace, name: str, root: type) -> None:
    """Compose and check the configs of a run or a sweep before Hydra begins.

    Hydra composes twice before a job sees its config, which would double the time to an answer;
    and it begins a sweep whose third job is a mistake.
    """
    flags = {key for key, value in vars(args).items() if value and key != "overrides"}
    if flags - {"run", "multirun"}:
        return
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
        for overrides in _each_value(args.overrides) if args.multirun else [args.overrides]:
            check(hydra.compose(name, overrides), root)


def _each_value(words: list[str]) -> Iterator[list[str]]:
    """Overrides of single runs in which each value of a sweep stands at least once."""
    choices = []
    for override in OverridesParser.create().parse_overrides(words):
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
