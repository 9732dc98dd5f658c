import math
import os
import re
import subprocess
from copy import deepcopy
from dataclasses import fields
from functools import reduce
from operator import getitem

import pytest
from conf_files import example_of
from helpers import composed
from omegaconf import OmegaConf
from scripts_without_torch import run_script

from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS, compose
from mlp_lab.config.error_messages import explain
from mlp_lab.config.help import help_text
from mlp_lab.config.renamed import RENAMED_OPTIONS
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError


def refusal(*overrides: str, root: str = "train") -> str:
    """Return the error message for wrong overrides."""
    try:
        compose(overrides, root)
    except Exception as error:  # as the commands have it
        return explain(error, ROOTS[root])
    pytest.fail(f"accepted: {overrides}")


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path):
    """Run scripts/train.py in an empty folder, without torch; it must not write a file."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_script("train", *arguments, cwd=tmp_path)
        assert os.listdir(tmp_path) == []
        return done

    return run


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        (
            "network.width=0",
            "network.width=0: must be a whole number at least 1 and at most 1000000",
        ),
        ("network.widht=64", "network.widht: no such key; did you mean network.width?"),
        (
            "network=mpl",
            "network=mpl: no such option; did you mean mlp? (options: convolutional, mlp,"
            " perceptron, siren)",
        ),
    ],
)
def test_wrong_options_are_reported_in_one_line_without_torch(script, override, answer):
    done = script(override)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"mlp_lab: {answer}\n")


def test_help_and_config_need_no_torch(script):
    done = script("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_text("train", Train, [CONFIG_FOLDER]) + "\n"
    done = script("--cfg", "job", "network.width=77")
    assert (done.returncode, done.stderr) == (0, "")
    assert OmegaConf.create(done.stdout).network.width == 77


def test_wrong_options_of_a_sweep_leave_no_files(script):
    done = script("-m", "network.width=0,-1")
    assert done.returncode == 1


# --- wrong options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        # unknown keys
        ("network.widht=3", "network.widht: no such key; did you mean network.width?"),
        ("+network.widht=3", "network.widht: no such key; did you mean network.width?"),
        ("++network.widht=3", "network.widht: no such key; did you mean network.width?"),
        ("lr=0.1", "lr: no such key; did you mean optimizer.lr?"),
        ("optimizer.1r=0.1", "optimizer.1r: no such key; did you mean optimizer.lr?"),
        ("data:x=3", "data:x: no such key"),
        ("+lr=0.1", "lr: no such key; did you mean optimizer.lr?"),
        ("batch_size=8", "batch_size: no such key; did you mean data.batch_size?"),
        ("optimiser=adam", "optimiser: no such key; did you mean optimizer?"),
        ("select.metirc=loss", "select.metirc: no such key; did you mean select.metric?"),
        ("+xyzzy=1", "xyzzy: no such key (keys of the config: task, data, encoding, "),
        ("network.width.x=3", "network.width.x: no such key; did you mean network.width?"),
        # another option's keys
        (
            "optimizer.betas=[0.9,0.99]",
            "optimizer.betas: not a key of the chosen optimizer, but of Adam, AdamW, NAdam",
        ),
        (
            "+optimizer.betas=[0.9,0.99]",
            "optimizer.betas: not a key of the chosen optimizer, but of Adam, AdamW, NAdam",
        ),
        ("schedule.gamma=0.5", "schedule.gamma: not a key of the chosen schedule, but of Step"),
        # types
        ("optimizer.lr=abc", "optimizer.lr=abc: must be a number above 0 and finite"),
        ("optimizer.lr=true", "optimizer.lr=true: must be a number above 0 and finite"),
        ("optimizer.lr=null", "optimizer.lr=null: must be a number above 0 and finite"),
        ("optimizer.lr=[0.1]", "optimizer.lr=[0.1]: must be a number above 0 and finite"),
        ("optimizer.lr={a:1}", "optimizer.lr={'a': 1}: must be a number above 0 and finite"),
        ("optimizer.nesterov=maybe", "optimizer.nesterov=maybe: must be true or false"),
        ("network.width=3.5", "network.width=3.5: must be a whole number at least 1"),
        ("network.width=true", "network.width=true: must be a whole number at least 1"),
        ("network.width=null", "network.width=null: must be a whole number at least 1"),
        (
            "network.widths=3",
            "network.widths=3: must be a list, each element a whole number at least 1 and at most"
            " 1000000 or null",
        ),
        ("network.widths=[3,x]", "network.widths=[3, 'x']: must be a list, each element a whole"),
        ("network.widths=[3,2.5]", "network.widths=[3, 2.5]: must be a list, each element a whole"),
        ("network.widths=[3,null]", "network.widths=[3, None]: must be a list, each element"),
        (
            "threads=auto",
            "threads=auto: must be a whole number at least 1 and at most 10000 or null",
        ),
        ("+callbacks.mine=3", "callbacks.mine=3: must be a group of keys, not a value"),
        ("select=null", "select=null: must be a group of keys"),
        # ranges
        (
            "network.width=0",
            "network.width=0: must be a whole number at least 1 and at most 1000000",
        ),
        ("network.depth=-1", "network.depth=-1: must be a whole number at least 0"),
        ("network.widths=[]", "network.widths=[]: must be a list, each element a whole number at"),
        ("network.widths=[3,0]", "network.widths=[3, 0]: must be a list, each element a whole"),
        ("network.dropout=1.5", "network.dropout=1.5: must be a number at least 0 and below 1"),
        ("optimizer.lr=-0.1", "optimizer.lr=-0.1: must be a number above 0 and finite"),
        ("optimizer.lr=nan", "optimizer.lr=nan: must be a number above 0 and finite"),
        ("optimizer.lr=inf", "optimizer.lr=inf: must be a number above 0 and finite"),
        ("optimizer.lr=1e-400", "optimizer.lr=0.0: must be a number above 0 and finite"),
        ("data.batch_size=0", "data.batch_size=0: must be a whole number at least 1"),
        ("trainer.max_epochs=-3", "trainer.max_epochs=-3: must be a whole number at least 1"),
        ("seed=-1", "seed=-1: must be a whole number at least 0 and below 4294967296"),
        ("network.activation=rleu", "network.activation=rleu: must be one of identity, sigmoid, "),
        ("network.activation=null", "network.activation=null: must be one of identity, sigmoid, "),
        ("task.loss=mse", "task.loss=mse: must be one of cross_entropy, squared_error"),
        (
            "trainer.profiler=fast",
            "trainer.profiler=fast: must be one of simple, advanced, pytorch or null",
        ),
        # options
        (
            "network=mpl",
            "network=mpl: no such option; did you mean mlp? (options: convolutional, mlp,"
            " perceptron, siren)",
        ),
        ("optimizer=adma", "optimizer=adma: no such option; did you mean adam? (options: adagrad,"),
        ("experiment=mnist_hw", "experiment=mnist_hw: no such option; did you mean mnist_hw4?"),
        ("debug=nope", "debug=nope: no such option (options: fast_dev_run, overfit, profile)"),
        # targets
        (
            "network._target_=os.system",
            "network._target_=os.system: needs its plug-in: add plugins=[os] if you trust",
        ),
        (
            "network._target_=torch.optim.SGD",
            "network._target_=torch.optim.SGD: must be one of mlp_lab.nn.mlp.MLP",
        ),
        (
            "+callbacks.mine={_target_:os.system}",
            "callbacks.mine._target_=os.system: needs its plug-in: add plugins=[os] if you",
        ),
        # missing values
        ("optimizer.lr=???", "optimizer.lr: a value is needed: a number above 0 and finite"),
        ("~network.width", "network.width: a value is needed: a whole number at least 1"),
        ("name=???", "name: a value is needed: a string"),
        # interpolations
        (
            "optimizer.lr=${nothing}",
            "optimizer.lr: refers to nothing, which is not a key of this config; give it a value",
        ),
        ("optimizer.lr=${seed", "optimizer.lr=${seed: can't be read"),
        ("seed=${optimizer.lr}", "seed=0.1: must be a whole number at least 0"),
        # what can't be read
        ("network.width", "network.width: must be key=value"),
        ("network.width=[1,2", "network.width=[1,2: can't be read"),
        (
            "resume=logs/1_lr=0.1",
            "resume=logs/1_lr=0.1: can't be read; text with special characters needs quotes:"
            " \"resume='logs/1_lr=0.1'\"",
        ),
        *(
            (f"logs={path}", f"logs={path}: can't be read; text with special characters needs")
            for path in ("my logs (1)", "it's", "a&b", "a[1]", "a{b", '"x', "日本")
        ),
        ("日本=3", "日本: no such key"),
        # several values without -m
        (
            "network.widths=16,32",
            "network.widths=16,32: several values need -m (a sweep), a list brackets:"
            " 'network.widths=[16,32]'",
        ),
        ("seed=range(3)", "seed=range(3): several values need -m (a sweep)"),
    ],
)
def test_errors_of_single_overrides(override, answer):
    message = refusal(override)
    assert message.startswith(answer)
    assert "\n" not in message


def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    cfg = compose(["logs='~/logs'", "data.root='~'", "resume='a/~'"])
    assert (cfg.logs, cfg.data.root, cfg.resume) == ("/home/me/logs", "/home/me", "a/~")
    assert compose(["run=['~/a',b]"], "evaluate").run == ["/home/me/a", "b"]


@pytest.mark.parametrize(
    ("root", "overrides", "answer"),
    [
        ("evaluate", [], "run: a value is needed: a run folder, a sweep folder, or a list"),
        ("evaluate", ["run=[x,y]", "average=mean"], "average=mean: must be one of probabilities"),
        ("evaluate", ["run=x", "split=tset"], "split=tset: must be one of train, validation, test"),
        ("evaluate", ["run=x", "spilt=test"], "spilt: no such key; did you mean split?"),
        ("predict", [], "run: a value is needed: a string"),
        ("predict", ["run=x", "size=[8]"], "size=[8]: must be a list of 2, each element a whole"),
        ("predict", ["run=x", "region=[0,0,1,x]"], "region=[0, 0, 1, 'x']: must be a list of 4"),
        ("predict", ["run=x", "images=y", "invert=perhaps"], "invert=perhaps: must be one of auto"),
        ("predict", ["run=x", "image=y"], "image: no such key; did you mean images?"),
        ("play", [], "run: a value is needed: a string"),
        ("play", ["run=x", "side=left"], "side=left: must be one of first, second, roll or null"),
        ("play", ["run=x", "seed=-1"], "seed=-1: must be a whole number at least 0 and below 429"),
        ("backprop", ["example=lecture"], "example=lecture: must be one of lecture_2_2_1, lecture"),
        ("backprop", ["inputs=[1,x]"], "inputs=[1, 'x']: must be a list, each element a number"),
    ],
)
def test_errors_of_the_other_commands(root, overrides, answer):
    assert refusal(*overrides, root=root).startswith(answer)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["network=null"], ".*the name of an option"),
        (["experiment=null"], ".*the name of an option"),
        (["optimizer=5"], ".*the name of an option"),
        (["select=3"], "select=3: must be a group of keys"),
        (["~network"], "network: "),
        (["network.width=[1,2"], "(?!.*See https)"),
        (["select.mode=median"], "select.mode=median: must be one of min, max"),
        (["+select.mood=min"], "select.mood: no such key; did you mean select.mode?"),
        (["select.metric=null"], "select.metric=null: must be a string"),
        (["~select"], "select.metric: a value is needed: a string"),
        (["callbacks=early_stopping", "callbacks.early_stopping.patiance=3"], ".*patience"),
        (["optimizer=adam", "optimizer.betas=[0.9]"], "optimizer.betas"),
        (["optimizer=adam", "optimizer.betas=[0.9,0.9,0.9]"], "optimizer.betas"),
        (["optimizer=sgd", "optimizer.nesterov=true"], "optimizer.nesterov"),
        (["callbacks=early_stopping", "callbacks.early_stopping.min_delta=inf"], ".*min_delta=inf"),
        (["name="], "name=: must be a string of letters"),
        (["name='../elsewhere'"], "name=../elsewhere: must be a string of letters"),
    ],
)
def test_errors_of_several_overrides(overrides, named):
    assert re.match(named, refusal(*overrides))


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [(group, *names) for group, options in RENAMED_OPTIONS.items() for names in options.items()],
)
def test_errors_for_old_names_suggest_the_new_names(group, old, new):
    assert refusal(f"{group}={old}") == f"{group}={old}: renamed to {group}={new}"
    assert (CONFIG_FOLDER / group / f"{new}.yaml").is_file()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("callbacks.pictures.every=2", "callbacks.pictures.every: renamed to "
         "callbacks.image_progress.every"),
        ("~callbacks.variants", "callbacks.variants: renamed to callbacks.augmented_examples"),
        ("callbacks=[default,pictures]", "callbacks=pictures: renamed to callbacks=image_progress"),
    ],
)  # fmt: skip
def test_errors_for_old_keys_of_callbacks_give_the_new_keys(override, message):
    assert refusal(override) == message


# --- limits -------------------------------------------------------------------------------------

BOUNDS = ("minimum", "maximum", "above", "below")
LIMITED = [
    (schema, f)
    for schema in (*ROOTS.values(), *sum(GROUPS.values(), ()))
    for f in fields(schema)
    if any(getattr(f.metadata.get("limits"), bound, None) is not None for bound in BOUNDS)
]
limited_fields = pytest.mark.parametrize(
    ("schema", "field"), LIMITED, ids=[f"{s.__name__}.{f.name}" for s, f in LIMITED]
)


def accepted(schema: type, field, value: object) -> bool:
    """Return whether a config may contain ``value``; a refusal must name the field."""
    cfg, root, where = example_of(schema)
    cfg = deepcopy(cfg)
    node = reduce(getitem, where, cfg)
    length = field.metadata["limits"].length or 2
    node[field.name] = [value] * length if "list" in str(field.type) else value
    try:
        check(OmegaConf.create(cfg), root)
    except UserError as error:
        if str(error).startswith(".".join((*where, field.name)) + "="):
            return False
        raise
    return True


def neighbours(field, edge: float) -> tuple[float, float]:
    """Return the nearest numbers of the field's type below and above ``edge``."""
    if "int" in str(field.type):
        return int(edge) - 1, int(edge) + 1
    return math.nextafter(edge, -math.inf), math.nextafter(edge, math.inf)


@limited_fields
def test_limits_are_enforced_at_their_bounds(schema, field):
    limits = field.metadata["limits"]
    whole = int if "int" in str(field.type) else float
    for name in BOUNDS:
        edge = getattr(limits, name)
        if edge is None:
            continue
        lower, upper = neighbours(field, edge)
        inside, outside = (upper, lower) if name in ("minimum", "above") else (lower, upper)
        edge = whole(edge) if math.isfinite(edge) else edge
        if name in ("minimum", "maximum"):
            assert accepted(schema, field, edge), edge
        else:
            assert accepted(schema, field, inside), inside
            assert not accepted(schema, field, edge), edge
        if outside != edge:  # nothing lies above infinity
            assert not accepted(schema, field, outside), outside
    if whole is int:
        assert not accepted(schema, field, inside + 0.5), "not a whole number"


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("network.width", (1, 10_000), (0, -1)),
        ("network.depth", (0, 1, 50), (-1,)),
        ("network.dropout", (0, 0.999), (1, -0.001)),
        ("network.gain", (0, 1e6), (-0.001, "inf")),
        ("encoding=positional encoding.scale", (0, 20), (-0.001, 20.001)),
        ("encoding=gaussian encoding.sigma", (0, 1e6), (-0.001, "inf", "nan")),
        ("encoding=gaussian encoding.frequencies", (1, 1_000_000), (0, -1)),
        ("optimizer.lr", (1e-300, 1e300), (0, -1e-300)),
        ("optimizer.momentum", (0, 0.999), (1, -0.1)),
        ("data.batch_size", (1, 60_000), (0,)),
        ("data.train_size", (1, 50_000, "null"), (0, 50_001)),
        ("trainer.max_epochs", (1,), (0, -1)),
        ("trainer.max_steps", (1, "null"), (0, -1)),
        ("trainer.log_every_n_steps", (0,), (-1,)),
        ("seed", (0, 2**32 - 1), (-1, 2**32)),
        ("threads", (1, "null"), (0,)),
    ],
)
def test_ranges_of_common_overrides(key, inside, outside):
    *choice, key = key.split()
    for value in inside:
        composed(*choice, f"{key}={value}")
    for value in outside:
        with pytest.raises(UserError) as caught:
            composed(*choice, f"{key}={value}")
        assert str(caught.value).startswith(f"{key}={value}: must be a")
