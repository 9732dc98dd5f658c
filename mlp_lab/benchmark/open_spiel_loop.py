"""TD(0) of backgammon in a plain Python loop: rules of open-spiel, network and gradients of torch.

This is how public implementations are written. For each action, the loop computes the positions
after all legal actions, evaluates them in one batch, and chooses the best one. All values are those
of player 0.
"""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.td_reference import equity, result

# open-spiel observes 200 values. The last two are the dice, which are 0 between two rolls.
_INPUTS = 198


class OpenSpielLoop:
    """Games of a network against itself, in which it learns.

    A roll is one ply. In open-spiel, a roll of doubles is two actions of the same player: each of
    them is chosen separately and followed by an update, which is cheaper than the choice among all
    pairs of actions.

    Args:
        network: network with 198 inputs, whose outputs are logits: of the win of player 0, or of
            its win, gammon win and gammon loss.
        alpha: learning rate.

    Raises:
        UserError: open-spiel is not installed.
    """

    def __init__(self, network: nn.Module, alpha: float) -> None:
        self._game = _pyspiel().load_game("backgammon(scoring_type=full_scoring)")
        self._network = network
        self._optimizer = torch.optim.SGD(network.parameters(), alpha)
        self._random = random.Random(0)
        self._state = self._game.new_initial_state()

    def play(self, plies: int) -> int:
        """Learn in a number of plies, and return it."""
        rolls = 0
        while rolls < plies:
            if self._state.is_terminal():
                self._state = self._game.new_initial_state()
            elif self._state.is_chance_node():
                actions, probabilities = zip(*self._state.chance_outcomes(), strict=True)
                self._state.apply_action(self._random.choices(actions, probabilities)[0])
                rolls += 1
            else:
                self._state = self._learn(self._state)
        return rolls

    def _learn(self, state: Any) -> Any:
        """Choose the best action, learn from the value after it, and return the new state."""
        children = [state.child(action) for action in state.legal_actions()]
        with torch.no_grad():
            values = torch.sigmoid(self._network(inputs_of(children)))
        for i, child in enumerate(children):
            if child.is_terminal():
                values[i] = result(int(child.returns()[0]), values.shape[1])
        sign = 1 if state.current_player() == 0 else -1
        best = int((sign * equity(values)).argmax())
        self.update(inputs_of([state]), values[best])
        return children[best]

    def update(self, inputs: Tensor, target: Tensor) -> None:
        """Add alpha (Y_{t+1} - Y_t) grad_w Y_t to the weights.

        Args:
            inputs: inputs of position t, ``[1, 198]``.
            target: Y_{t+1}, ``[outputs]``.
        """
        loss = (target - torch.sigmoid(self._network(inputs)[0])).square().sum() / 2
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()


def inputs_of(states: list[Any]) -> Tensor:
    """Return the inputs of states from the view of player 0, float32 ``[states, 198]``.

    They are open-spiel's variant of Tesauro's units: four for each point and player, checkers on
    the bar and borne off, and who is on roll.
    """
    observations = np.array([state.observation_tensor(0) for state in states], np.float32)
    return torch.from_numpy(observations[:, :_INPUTS].copy())


def _pyspiel() -> Any:
    """Return the module ``pyspiel`` of open-spiel."""
    try:
        import pyspiel
    except ImportError as error:
        raise UserError("open-spiel: pip install -e '.[benchmark]' installs it") from error
    return pyspiel
