"""Classification that trains on convex combinations of pairs of examples (mixup)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.tasks.classification import Classification


class Mixup(Classification):
    """``Classification`` that trains on mixed examples (Zhang et al. 2018, section 2).

    The inputs x of each training minibatch are mixed with those of a random permutation of it:

        x' = λ x + (1 - λ) x_π,  λ ~ Beta(alpha, alpha),

    and the loss is λ L(f(x'), y) + (1 - λ) L(f(x'), y_π), with one λ for the minibatch, as in the
    code of the paper. For cross-entropy, this is the loss of the mixed targets. The larger of λ and
    1 - λ is used as λ, which does not change the distribution, because the permutation is random.
    The training metrics then compare the outputs with the class of the larger share. Validation and
    evaluation do not mix.

    Args:
        alpha: parameter of the beta distribution, above 0: 1 draws all λ with equal probability,
            smaller values prefer a λ near 1.
        task: arguments of ``Classification``.
    """

    unstackable_reason = "its task mixes the examples of a minibatch"

    def __init__(self, *, alpha: float, **task: Any) -> None:
        super().__init__(**task)
        self.alpha = alpha
        self._share = 1.0  # of the example itself, in the current minibatch

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._random = np.random.default_rng(epoch_seed(self.seed, self.current_epoch, "mixup"))

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        share = self._random.beta(self.alpha, self.alpha)
        self._share = max(share, 1 - share)
        other = torch.from_numpy(self._random.permutation(len(x))).to(x.device)
        mixed = torch.lerp(x[other], x, self._share)
        return super().differentiate(mixed, torch.stack([y, y[other]], 1))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss for classes ``[batch]``, or for pairs of classes ``[batch, 2]``."""
        if target.ndim == 1:
            return super().loss(output, target)
        first, second = target.unbind(1)
        return torch.lerp(super().loss(output, second), super().loss(output, first), self._share)
