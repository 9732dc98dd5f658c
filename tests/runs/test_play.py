"""Playing against a network in the terminal, and estimates of positions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import composed, make_task
from torch import nn

from mlp_lab.data.backgammon_network import _can_play, player_of_run
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, encode, encode_expert
from mlp_lab.games.backgammon.game import Game
from mlp_lab.games.backgammon.position import START
from mlp_lab.nn.mlp import MLP
from mlp_lab.runs.play import play
from mlp_lab.storage.records import read_json
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.regression import Regression

Answer = Callable[..., Path | None]


def task_with(inputs: int = 198, outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    network = MLP(inputs, outputs, width=5, activation="sigmoid")
    options = {"loss": "squared_error", "output": "identity", "peak": None, "output_bias": None}
    return make_task(Regression, network=network, encoding=nn.Identity(), **options)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run with a random network."""
    return run_with(task_with(), tmp_path)


def run_with(task: nn.Module, folder: Path) -> Path:
    run = RunFolder(folder / "run")
    run.checkpoints.folder.mkdir(parents=True)
    run.write_start(composed("experiment=td_gammon_0"), [])
    states = {"EpochCheckpoint": {"history": [], "stopped": False}}
    content = {"state_dict": task.state_dict(), "callbacks": states}
    torch.save(content, run.checkpoints.path("best"))
    return run.folder


@pytest.fixture
def answer(run: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """``answer(["1", "q"], "seed=1")``: play with these answers, then close the input."""

    def start(answers: list[str], *overrides: str) -> Path | None:
        rest: Iterator[str] = iter(answers)

        def read(prompt: str) -> str:
            text = next(rest, None)
            if text is None:
                raise EOFError
            if text == "^C":
                raise KeyboardInterrupt
            return text

        monkeypatch.setattr("builtins.input", read)
        return play(composed(f"run={run}", *overrides, root="play"))

    return start


def saved(path: Path | None) -> dict:
    assert path is not None
    content = read_json(path)
    assert isinstance(content, dict)
    return content


def test_a_game_is_played_to_its_end(answer, capsys) -> None:
    path = answer(["1"] * 500, "seed=3", "opponent=random")
    game = Game.from_json(saved(path))
    assert game.points
    last = capsys.readouterr().out.splitlines()[-1]
    verb = "win" if game.points > 0 else "lose"
    assert last.startswith(f"You {verb} {abs(game.points)} point")
    # The finished game is shown again.
    answer([], f"game={path}")
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize("end", [["q"], [], ["^C"]])
def test_an_interrupted_game_is_saved_and_continued(answer, capsys, end) -> None:
    whole = saved(answer(["1"] * 6 + ["q"], "seed=5"))
    path = answer(["1"] * 3 + end, "seed=5", "side=roll")
    assert path is not None
    assert f"to continue: game={path}" in capsys.readouterr().out.splitlines()[-1]
    plies = len(saved(path)["plies"])
    assert answer(["1"] * 3 + ["q"], f"game={path}") == path
    assert f"{path}: continued after {plies} plies" in capsys.readouterr().out
    assert saved(path) == whole


def test_each_game_has_another_file(answer, run, tmp_path) -> None:
    first, second = answer(["q"], "seed=1"), answer(["q"], "seed=1")
    assert first != second
    assert {first.parent, second.parent} == {run / "games"}
    path = tmp_path / "new" / "game.json"
    assert answer(["q"], f"game={path}", "seed=7", "side=first") == path
    assert saved(path) == {
        "version": 1, "seed": 7, "side": "first", "opponent": "network", "plies": [],
    }  # fmt: skip


def test_wrong_answers_are_asked_again(answer, capsys) -> None:
    wrong = ["", "0", "x", "1.5", "-1", "9" * 5000, "\ufffd", "24/1", "01"]
    path = answer([*wrong, "q"], "seed=7", "side=first")
    assert saved(path)["plies"] == []
    out = capsys.readouterr().out
    number = len(Game(7, "first", "network").plays())
    assert out.count(f"must be a number from 1 to {number}, a play such as ") == len(wrong)


def test_plays_can_be_written_in_any_order(answer) -> None:
    plays = list(Game(7, "first", "network").plays())
    text = next(text for text in plays if " " in text)
    path = answer([" ".join(reversed(text.split())), "q"], "seed=7", "side=first")
    assert saved(path)["plies"][0]["play"] == text


def test_hints_show_estimates_and_numbers_of_plays(answer, capsys) -> None:
    answer(["h", "q"], "seed=7", "side=first")
    lines = capsys.readouterr().out.splitlines()
    header = next(line for line in lines if line.startswith("  play "))
    assert header.split()[3:] == [
        "number", "win", "gammon", "win", "gammon", "loss", "equity", "difference",
    ]  # fmt: skip
    best = lines[lines.index(header) + 1]
    names = list(Game(7, "first", "network").plays())
    play, number = best.strip().split("  ")[0], best.split("%")[0].split()[-2]
    assert names[int(number) - 1] == play
    assert any(line.startswith("  before the roll ") for line in lines)


def test_a_position_is_ranked(answer, capsys) -> None:
    assert answer([], "position=4HPwATDgc/ABMA", "dice=31", "checkpoint=best") is None
    out = capsys.readouterr().out
    assert " X to play 3 1" in out
    assert "... and 6 more" in out, "16 plays, of which 10 are shown"
    assert max(map(len, out.splitlines())) <= 80
    answer([], "position=4HPwATDgc/ABMA")
    assert " X to roll" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["position=4HPw"], "4HPw: not a position id of GNU Backgammon"),
        (["position=4HPwATDgc/ABMA", "dice=37"], "dice=37: must be two digits from 1 to 6"),
        (["dice=31"], "dice: must be null without a position"),
        (["position=4HPwATDgc/ABMA", "game=x"], "game: must be null for a position"),
        (["position=4HPwATDgc/ABMA", "seed=0"], "seed: must be null for a position"),
        (["checkpoint=last"], "run: has no checkpoints/last.ckpt"),
    ],
)
def test_unsuitable_options(answer, overrides, message) -> None:
    with pytest.raises(UserError) as error:
        answer([], *overrides)
    assert message in str(error.value)


def test_saved_games_are_read_strictly(answer, tmp_path) -> None:
    path = tmp_path / "game.json"
    answer(["q"], f"game={path}", "seed=1", "side=first")
    for overrides, message in (
        (["seed=2"], "seed=2: must be 1, as in "),
        (["opponent=random"], "opponent=random: must be network"),
    ):
        with pytest.raises(UserError, match=message):
            answer([], f"game={path}", *overrides)
    saved = path.read_bytes()
    for content, message in (
        (saved.replace(b'"seed": 1', b'"seed": 2'), "damaged or edited"),
        (b"{", "damaged: Expecting"),
        (b"\xff\xff", "damaged: "),
        (b"[]", "damaged: not a saved game"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            answer([], f"game={path}")
        assert str(error.value).startswith(str(path))
        assert path.read_bytes() == content
    with pytest.raises(OSError, match="directory"):
        answer([], f"game={tmp_path}")


def test_weights_of_other_shapes_cannot_play() -> None:
    shapes = [(40, 198), (40,), (1, 40), (1,)]
    assert _can_play([torch.zeros(shape) for shape in shapes])
    for number, wrong in enumerate([(198,), (39,), (1, 20), (2,)]):
        changed = [*shapes[:number], wrong, *shapes[number + 1 :]]
        assert not _can_play([torch.zeros(shape) for shape in changed])


@pytest.mark.parametrize(("inputs", "outputs"), [(784, 10), (198, 10), (2, 1)])
def test_other_networks_cannot_play(tmp_path, inputs, outputs) -> None:
    folder = run_with(task_with(inputs, outputs), tmp_path)
    with pytest.raises(UserError, match="must be the checkpoint of a run that learned backgammon"):
        player_of_run(RunFolder(folder), "best")


@pytest.mark.parametrize(("inputs", "outputs"), [(198, 1), (EXPERT_INPUTS, 3)])
def test_probabilities_are_those_of_the_network(tmp_path, inputs, outputs) -> None:
    task = task_with(inputs, outputs)
    folder = run_with(task, tmp_path)
    actual = player_of_run(RunFolder(folder), "best").values(np.stack([START, START]))
    x = torch.from_numpy((encode if inputs == 198 else encode_expert)(START))
    with torch.no_grad():
        expected = task.network(x).sigmoid().numpy()
    np.testing.assert_allclose(actual, [expected, expected], atol=1e-5)
