"""Classification with gradients by the formulas of back-propagation."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mlp_lab.errors import UserError
from mlp_lab.nn.backpropagation import outputs_and_gradients, split_layers
from mlp_lab.nn.output_deltas import OUTPUT_DELTAS
from mlp_lab.tasks.classification import Classification


class ClassificationByHand(Classification):
    """``Classification`` with the formulas of back-propagation instead of autograd.

    Raises:
        UserError: there are no formulas for the network (see ``nn.backpropagation.split_layers``),
            or it has a single output for two classes.
    """

    unstackable_reason = "its task has explicit gradient formulas"

    def __init__(self, *, output: str, loss: str, **task: Any) -> None:
        super().__init__(output=output, loss=loss, **task)
        self._output_delta = OUTPUT_DELTAS[output, loss]
        self._classes = split_layers(self.network)[0][-1].out_features
        if self._classes == 1:
            raise UserError("network: gradients by hand need an output for each class")

    @torch.no_grad()
    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        truth = F.one_hot(y, self._classes).to(x.dtype)
        truth = torch.lerp(truth, torch.full_like(truth, 1 / self._classes), self.label_smoothing)
        output, computed = outputs_and_gradients(self.network, x, truth, self._output_delta)
        for parameter, gradient in zip(self.network.parameters(), computed, strict=True):
            # In mixed precision, gradients and weights have different types.
            gradient = gradient.to(parameter.dtype)
            # Each of several processes has a share of the minibatch.
            parameter.grad = self.trainer.strategy.reduce(gradient, reduce_op="mean")
        return self.loss(output, y), output
