"""The text of ``--help``, compared with composed configs and with the schemas."""

import re
from dataclasses import Field, fields, is_dataclass
from functools import cache
from pathlib import Path

import hydra
import pytest
from conf_files import OPTIONS, group
from omegaconf import OmegaConf

from mlp_lab.config.check import allowed_values
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS, config_loader
from mlp_lab.config.help import help_text
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.hydra import PLUGINS
from mlp_lab.errors import UserError

SCHEMAS = {s._target_: s for schemas in GROUPS.values() for s in schemas} | PLUGINS
OWN_PLUGINS = ["hydra/launcher=vectorized", "hydra/sweeper=grid", "hydra/sweeper=search"]
NAMES = [f"{group(path)}={path.stem}" for path in OPTIONS]
WITH_SCHEMA = [name for name in NAMES if name.partition("=")[0] in GROUPS or name in OWN_PLUGINS]

# Dotted key, value before interpolation, schema and field of it.
DescribedKey = tuple[str, object, type, Field]


def help_on(*topics: str, root: str = "train", folders: tuple[Path, ...] = ()) -> str:
    return help_text(root, ROOTS[root], [CONFIG_FOLDER, *folders], topics)


def rows(section: str) -> dict[str, tuple[str, str]]:
    """Return the defaults and the descriptions in a help, by key."""
    found = {}
    for row in re.split(r"\n(?=  \S)", section):
        label, *text = re.split(r" {2,}|\n", row.strip(), maxsplit=1)
        key, _, default = label.replace(" (needed)", "=???").partition("=")
        found[key] = default, " ".join(" ".join(text).split())
    return found


def value_of(text: str) -> object:
    return OmegaConf.to_container(OmegaConf.create(f"x: {text}"))["x"]


def assert_described(description: str, schema: type, field: Field) -> None:
    """Assert that a description has the limits and the meaning of a key."""
    allowed, limits = allowed_values(schema, field), field.metadata.get("limits")
    if limits is not None and limits.one_of:
        values = {*map(str, limits.one_of), *(["null"] if allowed.endswith(" or null") else [])}
        assert values <= set(re.findall(r"[\w-]+", description))
    else:
        assert description.endswith(f"({allowed})")
    assert len(description.removesuffix(f"({allowed})")) > 5


@cache
def keys_of(option: str) -> list[DescribedKey]:
    """Return the keys of an option, such as ``network=mlp``, of the composed config."""
    parent = option.partition("=")[0].replace("/", ".")
    with config_loader():
        cfg = hydra.compose("train", [option, "~experiment"], return_hydra_config=True)
    node = OmegaConf.to_container(OmegaConf.select(cfg, parent))
    callbacks = {f"{parent}.{name}": callback for name, callback in node.items()}
    nodes = callbacks if parent == "callbacks" else {parent: node}
    return [
        (f"{path}.{field.name}", values[field.name], SCHEMAS[values["_target_"]], field)
        for path, values in nodes.items()
        if values and values["_target_"] in SCHEMAS  # not a class of torch or Lightning
        for field in fields(SCHEMAS[values["_target_"]])
        if field.name != "_target_"
    ]


@pytest.mark.parametrize("option", WITH_SCHEMA)
def test_each_key_of_an_option_is_described(option: str) -> None:
    described = rows(help_on(option))
    for key, value, schema, field in keys_of(option):
        default, description = described[key]
        assert value_of(default) == value, key
        assert_described(description, schema, field)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_has_the_keys_of_each_class_with_its_limits(name: str) -> None:
    text = help_on(name)
    sections = re.findall(r"^Keys(?: of (.*?))?:\n(.*?)(?=\n\n|\Z)", text, re.M | re.S)
    for option in (o for o in WITH_SCHEMA if o.startswith(f"{name}=")):
        choices = {"", option.partition("=")[2]}
        of_option = [section for users, section in sections if choices & set(users.split(", "))]
        for key, _, schema, field in keys_of(option):
            assert_described(rows(of_option[0])[key][1], schema, field)


def test_each_option_is_listed_with_a_summary() -> None:
    groups = rows(help_on().partition("Config groups")[2])
    for option in NAMES:
        name, _, choice = option.partition("=")
        assert choice in re.findall(r"\w+", groups[name][1])
        [summary] = re.findall(rf"^  {option}\s+(\S.*)", help_on(name), re.M)
        assert summary in help_on(option)


def test_launchers_of_other_packages_are_described() -> None:
    for name in ("processes", "ray", "slurm"):  # they have no schema
        described = rows(help_on(f"hydra/launcher={name}").partition("Keys:\n")[2])
        assert all(description for _, description in described.values())


@pytest.mark.parametrize("root", ROOTS)
def test_keys_without_a_group_are_described(root: str) -> None:
    text = help_on("keys") if root == "train" else help_on(root=root)
    described = rows(text.partition("Keys:\n")[2].partition("\n\n")[0])
    nodes = {f.name: f.type for f in fields(ROOTS[root]) if is_dataclass(f.type)}
    keys = {f"{n}.{f.name}": (schema, f) for n, schema in nodes.items() for f in fields(schema)}
    for field in fields(ROOTS[root]):
        if field.name not in nodes and not (root == "train" and field.name in GROUPS):
            keys[field.name] = ROOTS[root], field
    assert described.keys() == keys.keys()
    for key, (schema, field) in keys.items():
        assert_described(described[key][1], schema, field)


def test_a_preset_shows_what_it_sets() -> None:
    set_keys = rows(help_on("experiment=mnist_record").partition("Sets:\n")[2])
    with config_loader():
        cfg = hydra.compose("train", ["experiment=mnist_record"], return_hydra_config=True)
    for key, (text, _) in set_keys.items():
        choice = cfg.hydra.runtime.choices.get(key)
        assert (choice or OmegaConf.select(cfg, key)) == value_of(text), key
    assert rows(help_on("sweep=learning_rates"))["optimizer.lr"][0] == "0.01, 0.1, 1"


def test_the_overview_fits_on_a_screen() -> None:
    lines = help_on().splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 100


def test_options_in_a_folder_of_the_user_are_listed(tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    text = "# A wide network.\ndefaults: [mlp]\n\nwidth: 4096  # units of my layers\n"
    (tmp_path / "network" / "wide.yaml").write_text(text)
    assert "convolutional, mlp*, perceptron, siren, wide" in help_on(folders=(tmp_path,))
    assert "network=wide           A wide network\n" in help_on("network", folders=(tmp_path,))
    described = rows(help_on("network=wide", folders=(tmp_path,)))
    assert described["network.width"][0] == "4096"
    assert described["network.width"][1].startswith("units of my layers (a whole number at least 1")
    assert described["network.depth"][0] == "1"


def test_options_of_the_user_with_other_keys_and_bases_are_described(tmp_path: Path) -> None:
    for path, text in {
        "optimizer/mine.yaml": "# text\n_target_: torch.optim.SGD\nmaximise: true\n",
        "experiment/mine.yaml": "# text\ndefaults:\n  - /experiment/points_mlp\n  - _self_\n",
    }.items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    assert "optimizer.maximise" in help_on("optimizer=mine", folders=(tmp_path,))
    assert "experiment=mine" in help_on("experiment", folders=(tmp_path,))


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(UserError, match=r"^netwrok: no such group or key; did you mean network\?"):
        help_on("netwrok")
