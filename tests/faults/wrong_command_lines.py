"""Random wrong command lines of all kinds, with the text that their messages must contain."""

import random
from collections.abc import Callable, Iterator
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from helpers import composed

from mlp_lab.config.check import known_keys
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.train import Train

EXPERIMENTS = ("curve_fit", "points_mlp", "mnist_hw4", "image_hw", "perceptron")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Case(NamedTuple):
    """A wrong command line.

    Attributes:
        kind: kind of the mistake.
        command: name of the command.
        arguments: its arguments.
        named: text that the message contains: the key, the option or the override.
    """

    kind: str
    command: str
    arguments: list[str]
    named: str


@cache
def keys_of(experiment: str) -> dict[str, tuple[type, Field[Any]]]:
    """Return the keys of a composed experiment, with their schema and field."""
    cfg = composed(f"experiment={experiment}")
    keys = {
        f.name: (Train, f)
        for f in fields(Train)
        if f.name not in GROUPS and f.name not in ("resume", "config")
    }
    by_target = {s._target_: s for group in GROUPS.values() for s in group}
    for group in GROUPS:
        node = cfg.get(group)
        if node and "_target_" in node:
            schema = by_target[node["_target_"]]
            keys |= {f"{group}.{f.name}": (schema, f) for f in fields(schema)}
    return {
        key: pair
        for key, pair in keys.items()
        if not (is_dataclass(pair[1].type) or key.endswith("_target_") or key == "logs")
    }


def generate(count: int, seed: int) -> Iterator[Case]:
    """Yield ``count`` wrong command lines, of all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        name, make = list(KINDS.items())[number % len(KINDS)]
        yield Case(name, *make(rng))


Made = tuple[str, list[str], str]


def _misspelled(rng: random.Random) -> Made:
    experiment = rng.choice(EXPERIMENTS)
    known = {*keys_of(experiment), *known_keys(Train)}
    while True:
        key = rng.choice(sorted(keys_of(experiment)))
        place = rng.randrange(len(key))
        wrong = rng.choice([
            key[:place] + key[place + 1 :],
            key[:place] + key[place] + key[place:],
            key[:place] + rng.choice(LETTERS) + key[place + 1 :],
            key + rng.choice(LETTERS),
        ])  # fmt: skip
        if wrong not in known and wrong.strip(".") == wrong and wrong:
            break
    prefix = rng.choice(["", "", "+"])
    group = wrong.partition(".")[0]
    named = wrong if group in GROUPS or "." not in wrong else group
    return "train", [f"experiment={experiment}", f"{prefix}{wrong}=1"], named


def _kind_of(schema: type, field: Field[Any]) -> str:
    hint = str(get_type_hints(schema)[field.name])
    return next((k for k in ("list", "bool", "int", "float") if k in hint), "str")


def _wrong_type(rng: random.Random) -> Made:
    experiment = rng.choice(EXPERIMENTS)
    key, (schema, field) = rng.choice(sorted(keys_of(experiment).items()))
    kind = _kind_of(schema, field)
    values = {
        "bool": ["maybe", "2", "0.5", "[true]", "{a:1}"],
        "int": ["abc", "1.5", "[1]", "{a:1}", "true,", "1e3x", "''"],
        "float": ["abc", "[0.1]", "{a:1}", "0,1x", "''"],
        "str": ["[1,2]", "{a:1}"],
        "list": ["abc", "{a:1}", "[a]", "5"],
    }[kind]
    if key == "sweep.zip":
        values = ["5"]
    return "train", [f"experiment={experiment}", f"{key}={rng.choice(values)}"], key


def _out_of_range(rng: random.Random) -> Made:
    while True:
        experiment = rng.choice(EXPERIMENTS)
        key, (schema, field) = rng.choice(sorted(keys_of(experiment).items()))
        limits = field.metadata.get("limits")
        kind = _kind_of(schema, field)
        if limits is None or kind == "list":
            continue
        values = []
        if limits.one_of:
            values += ["nothing", "''", limits.one_of[0].upper() + "x"]
        if limits.minimum is not None:
            values.append(str(limits.minimum - 1))
        if limits.above is not None:
            values += [str(limits.above), str(limits.above - 1)]
        if limits.maximum is not None:
            values.append(str(limits.maximum + 1))
        if kind == "float":
            values.append("nan")
        if limits.below is not None:
            values.append(str(limits.below))
        if values:
            return "train", [f"experiment={experiment}", f"{key}={rng.choice(values)}"], key


def _huge(rng: random.Random) -> Made:
    while True:
        experiment = rng.choice(EXPERIMENTS)
        key, (schema, field) = rng.choice(sorted(keys_of(experiment).items()))
        if _kind_of(schema, field) == "int":
            value = rng.choice(["1" + "0" * 30, "1" + "0" * 400, "-1" + "0" * 30, "1e400", "inf"])
            return "train", [f"experiment={experiment}", f"{key}={value}"], key


def _option(rng: random.Random) -> Made:
    group = rng.choice(sorted(GROUPS))
    name = rng.choice([path.stem for path in (CONFIG_FOLDER / group).glob("*.yaml")])
    if rng.random() < 0.3:
        wrong = group[:-1] + rng.choice("xyz")
        return "train", [f"{wrong}={name}"], wrong
    wrong = name + rng.choice(LETTERS)
    prefix = rng.choice(["", "", "+"])
    if rng.random() < 0.2:
        return "train", [f"{group}={rng.choice(['null', '3', '[a,b]'])}"], group
    return "train", [f"{prefix}{group}={wrong}"], group


def _grammar(rng: random.Random) -> Made:
    experiment = rng.choice(EXPERIMENTS)
    key = rng.choice(sorted(keys_of(experiment)))
    wrong = rng.choice([
        f"{key}=[1,2", f"{key}={{a:1", f"{key}='1", f"{key}=1]", f"{key}=(1", f"{key}=a'b", key,
        f"{key}:1", f"={key}", f"{key}={{a=1}}", f"{key}=[[]", f"{key} 1", f"{key}=\"x", f"~{key}=",
        f"+{key}", f"++{key}", f"{key}=}}", f"{key}=a:b:", f"{key}=${{x", f"{key}=${{nothing}}",
        f"{key}=${{oc.env:NO_SUCH_VARIABLE}}", f"{key}=${{a b}}", f"{key}=f(1)", f"{key}=sort(1,2)",
    ])  # fmt: skip
    return "train", [f"experiment={experiment}", wrong], key


def _sweep(rng: random.Random) -> Made:
    key, value = rng.choice([
        ("optimizer.lr", "range(0,1,0)"), ("optimizer.lr", "0.1,0.1"), ("seed", "1,2,1"),
        ("optimizer.lr", "0.1,-1"), ("network.width", "3,x"), ("optimizer", "adam,nothing"),
        ("trainer.devices", "2"), ("threads", "1,2"), ("hydra/launcher", "nothing"),
        ("hydra.launcher.processes", "0"), ("sweep.zip", "[seed]"), ("sweep", "nothing"),
        ("seed", "shuffle(1,2)"), ("optimizer.lr", "interval(0.1,1)"), ("network.widht", "1,2"),
        ("seed", "range(3,1)"), ("seed", "glob(*)"), ("seed", "choice()"), ("resume", "x,y"),
        ("sweep.test", "some"), ("select.mode", "min,mix"), ("optimizer.lr", "0.1,nan"),
        ("hydra.sweep.dir", "x"), ("hydra.sweeper.max_batch_size", "0"), ("data", "curve,circle"),
        ("name", "../a,../b"), ("seed", "1,99999999999"), ("hydra/sweeper", "nothing"),
        ("network.depth", "tag(log,interval(1,2))"), ("task", "regression,"),
    ])  # fmt: skip
    experiment = rng.choice(("curve_fit", "points_mlp"))
    named = "devices" if key == "trainer.devices" else key
    return "train", ["-m", f"experiment={experiment}", f"{key}={value}"], named


def _without_multirun(rng: random.Random) -> Made:
    experiment = rng.choice(EXPERIMENTS)
    key = rng.choice(sorted(keys_of(experiment)))
    value = rng.choice(["1,2", "range(3)", "choice(1,2)", "interval(0,1)"])
    return "train", [f"experiment={experiment}", f"{key}={value}"], key


def _duplicate(rng: random.Random) -> Made:
    experiment = rng.choice(EXPERIMENTS)
    keys = keys_of(experiment)
    key = rng.choice(["seed", "optimizer.lr", "network", *sorted(keys)])
    value = {"network": "mlp", "seed": "1", "optimizer.lr": "0.1"}.get(key, "1")
    flags = rng.choice([[], ["-m"]])
    overrides = [f"{key}={value}", f"experiment={experiment}", f"{key}={value}"]
    return "train", [*flags, *overrides], key


def _flags(rng: random.Random) -> Made:
    flag = rng.choice(["--epochs", "--lr", "--seed", "--gpu", "--outpt", "-q", "--multi-run"])
    return rng.choice(["train", "evaluate", "predict"]), [flag, "3"], flag


def _other_commands(rng: random.Random) -> Made:
    return rng.choice([
        ("evaluate", [], "run"), ("evaluate", ["run=nothing"], "nothing"),
        ("evaluate", ["run=x", "split=all"], "split"), ("evaluate", ["run=x", "rnu=y"], "rnu"),
        ("evaluate", ["run=x", "checkpoint=first"], "checkpoint"),
        ("evaluate", ["run=x", "embeddings=-1"], "embeddings"),
        ("evaluate", ["run=x", "average=sum"], "average"),
        ("evaluate", ["run=x", "data.rot=y"], "data.rot"),
        ("evaluate", ["run=x", "threads=0"], "threads"), ("evaluate", ["run=[]"], "run"),
        ("evaluate", ["-m", "run=x,y"], "-m"), ("predict", ["run=x"], "x"),
        ("predict", ["run=x", "images=y"], "x"), ("predict", [], "run"),
        ("predict", ["run=x", "size=[0,1]"], "size"), ("predict", ["run=x", "size=3"], "size"),
        ("predict", ["run=x", "region=[0,1]"], "region"),
        ("predict", ["run=x", "invert=maybe"], "invert"),
        ("predict", ["run=x", "preprocessing=all"], "preprocessing"),
        ("train", ["resume=nothing"], "nothing"), ("train", ["resume=."], "."),
        ("train", ["config=nothing"], "nothing"), ("train", ["config=."], "config"),
        ("train", ["-m", "config=nothing", "seed=1,2"], "config"),
        ("compare", ["--same", "nothing"], "--same"), ("compare", ["--same", ".", "x"], "."),
        ("compare", ["--same", ".", ".", "--metric", "loss"], "--metric"),
        ("compare", ["nothing"], "nothing"), ("compare", ["."], "."), ("compare", [], "folders"),
        ("compare", [".", "--mode", "mid"], "--mode"), ("compare", [".", "--mrtric"], "--mrtric"),
        ("backprop", ["x=1"], "x"), ("backprop", ["width=0"], "width"),
        ("claims", ["nothing"], "nothing"), ("benchmark", ["--rounds", "x"], "--rounds"),
    ])  # fmt: skip


KINDS: dict[str, Callable[[random.Random], Made]] = {
    "misspelled": _misspelled, "out of range": _out_of_range, "wrong type": _wrong_type,
    "sweep": _sweep, "option": _option, "grammar": _grammar, "huge": _huge,
    "duplicate": _duplicate, "without -m": _without_multirun, "flag": _flags,
    "other command": _other_commands,
}  # fmt: skip
