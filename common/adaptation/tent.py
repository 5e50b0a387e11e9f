"""Tent (Wang et al., "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021), with a guard."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.roles import ADAPTERS
from fedgraft.common.interfaces.test_time import Adapting

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


class Tent(Adapting):
    """Make the model surer of a site's unlabelled cases: steps on the mean entropy of its predictions, by the scale and
    shift of the backbone's norms and by the adaptation layers.

    Unlike in the paper, batch norms keep their statistics: a head that has learned from features under these is lost
    under others (docs/adaptation.md). Entropy is least where all cases are called alike. If the shares of the classes,
    by the mean of the predictions, move by more than ``drift`` (total variation), or a number is not finite, the model
    is left as it came, and the site's log says so.

    Args:
        lr: of Adam.
        passes: over the site's training inputs.
        drift: above 0, at most 1.

    Raises:
        PlanError: an option is out of range.
    """

    needs_classes = True

    def __init__(self, lr: float, passes: int, drift: float) -> None:
        if not (lr > 0 and math.isfinite(lr)):
            raise PlanError(f"adapt.lr={lr} must be above 0")
        if passes < 1:
            raise PlanError(f"adapt.passes={passes} must be 1 or more; without it use adapt=none")
        if not 0 < drift <= 1:
            raise PlanError(f"adapt.drift={drift} must be above 0 and at most 1; at 1 it forbids nothing")
        self.lr, self.passes, self.drift = lr, passes, drift

    def require_effect(self, network: nn.Module) -> None:
        if not moved_by(network):
            raise PlanError(
                "adapt=tent has no effect: the network has neither norms with a scale and shift nor adaptation layers; "
                "use adapt=none"
            )

    def __call__(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        self.require_effect(network)
        network.eval()
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        shares = _shares(network, batches)
        self._steps(network, batches)
        away = float((_shares(network, batches) - shares).abs().sum() / 2)
        if not away <= self.drift:
            network.load_state_dict(before)
            logging.getLogger(__name__).warning(
                "adapt=tent: the shares of predicted classes moved by %.2f, more than adapt.drift=%g: the model is "
                "used as it came",
                away,
                self.drift,
            )

    def _steps(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        moved, trained = moved_by(network), {p: p.requires_grad for p in network.parameters()}
        try:
            for parameter in trained:
                parameter.requires_grad_(False)
            for parameter in moved:
                parameter.requires_grad_(True)
            optimiser = torch.optim.Adam(moved, lr=self.lr)
            for _ in range(self.passes):
                for batch in batches:
                    optimiser.zero_grad()
                    entropy(network(batch)).backward()
                    optimiser.step()
        finally:
            for parameter, flag in trained.items():
                parameter.requires_grad_(flag)
                parameter.grad = None


def moved_by(network: nn.Module) -> list[nn.Parameter]:
    """The scale and shift of every norm of the backbone, and all parameters of the adaptation layers."""
    found = [
        parameter
        for path, module in network.named_modules()
        if isinstance(module, _NORMS) and not path.startswith(ADAPTERS)
        for parameter in module.parameters(recurse=False)
    ]
    return found + [parameter for name, parameter in network.named_parameters() if name.startswith(ADAPTERS)]


def entropy(outputs: Tensor) -> Tensor:
    """Of logits ``(B, C)``, the mean entropy of their softmax, in nats."""
    logs = outputs.log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1).mean()


def _shares(network: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """The mean prediction ``(C,)`` float64."""
    with torch.no_grad():
        rows = torch.cat([network(batch) for batch in batches])
    return rows.double().softmax(dim=1).mean(dim=0)
