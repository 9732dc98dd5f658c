"""The files of conf/: the commands in their first lines, comments, and schemas."""

import re
from dataclasses import fields
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

import pytest
import torch
from conf_files import FILES, OPTIONS, command_of, example_of, group, options_of
from helpers import composed
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.callbacks import Pruning
from mlp_lab.errors import UserError
from mlp_lab.runs.build import build


def first_of_sweep(text: str) -> str:
    [override] = OverridesParser.create().parse_overrides([text])
    if not override.is_sweep_override():
        return text
    if override.is_interval_sweep():
        return f"{override.key_or_group}={override.value().start}"
    return f"{override.key_or_group}={next(override.sweep_string_iterator())}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CONFIG_FOLDER)))
def test_files_start_with_the_command_that_uses_them(path):
    root, arguments = command_of(path)
    overrides = (
        [first_of_sweep(w) for w in arguments if w != "-m"] if "-m" in arguments else arguments
    )
    cfg = composed(*overrides, root=root)
    assert OmegaConf.is_readonly(cfg)
    assert group(path) != "experiment" or cfg.name == path.stem
    if path in OPTIONS:
        assert f"{group(path)}={path.stem}" in overrides
    else:
        assert root == path.stem


@pytest.mark.parametrize(
    "path",
    [path for path in OPTIONS if path.parent.name in GROUPS],
    ids=lambda p: str(p.relative_to(CONFIG_FOLDER)),
)
def test_keys_have_comments(path):
    lines = path.read_text().partition("\n_target_")[2].splitlines()
    keys = [line for line in lines if re.match(r"\w+:", line)]
    assert [line for line in keys if " # " not in line] == []


def parameters(cls: type) -> set[str]:
    """Return the named parameters of a constructor and of the base constructors it calls."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            accepted = signature(base.__init__).parameters.values()
            names |= {p.name for p in accepted}
            if all(p.kind is not Parameter.VAR_KEYWORD for p in accepted):
                break
    return names


@pytest.mark.parametrize("schema", sum(GROUPS.values(), ()), ids=lambda s: s.__name__)
def test_schemas_match_the_parameters_of_their_classes(schema):
    module, _, name = schema._target_.rpartition(".")
    taken = parameters(getattr(import_module(module), name))
    given_by_us = {"limit_train_batches", "limit_val_batches"} if name == "Trainer" else set()
    assert {f.name for f in fields(schema)} - {"_target_"} - given_by_us <= taken
    assert options_of(schema) or schema is Pruning, "no option of conf/ uses it"


@pytest.mark.parametrize(
    "path", sorted(CONFIG_FOLDER.glob("optimizer/*.yaml")), ids=lambda p: p.stem
)
def test_optimizers_step_downhill(path):
    cfg = composed(f"optimizer={path.stem}")
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = build(cfg.optimizer, [w])
    losses = []
    for _ in range(5):
        loss = (w**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


fractions = st.floats(0, 1)


positive = st.floats(0, 1e30)


@given(st.data())
def test_torch_accepts_every_valid_optimizer_config(data):
    schema = data.draw(st.sampled_from(GROUPS["optimizer"]))
    draw = {
        "betas": st.tuples(fractions, fractions).map(list),
        "alpha": fractions,
        "momentum": fractions,
        "nesterov": st.just(False),
        "fused": st.booleans(),
    }
    cfg, root, [group] = example_of(schema)
    names = {f.name for f in fields(schema)} - {"_target_"}
    chosen = {name: data.draw(draw.get(name, positive), label=name) for name in sorted(names)}
    cfg = OmegaConf.create(cfg | {group: {"_target_": schema._target_, **chosen}})
    try:
        checked = check(cfg, root)
    except UserError:
        return
    build(checked.optimizer, [torch.zeros(2, requires_grad=True)])


def test_every_config_has_a_schema():
    assert {path.stem for path in Path(CONFIG_FOLDER).glob("*.yaml")} == set(ROOTS)
