"""Check that a model's head can be fitted by ``strategy=exact``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.plan import parts
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan

_CASES = 4


def path_of(plan: Plan, allowed: Iterable[str]) -> ExactPath | None:
    """The plan's path of ridges; ``None`` if its strategy is another.

    Raises:
        PlanError: an option does not fit.
    """
    if not is_exact(plan.strategy):
        return None
    path: ExactPath = parts.build(plan.strategy.target, "strategy", plan.strategy.options, allowed)
    path.ridges(plan.rounds)
    return path


def require_fittable(
    plan: Plan, head: nn.Module, width: int, shared: Iterable[str], kept: bool, allowed: Iterable[str]
) -> None:
    """Check that the plan's head alone is fitted, on kept features, and that a ridge has a meaning for it.

    Args:
        width: number of features that enter the head.
        shared: names of the model's shared tensors.
        kept: whether the features are what is computed once per case and kept.

    Raises:
        PlanError: the strategy is exact, and something does not suit; the message says what to set.
    """
    path = path_of(plan, allowed)
    if path is None:
        return
    parameters = {HEAD + name for name, parameter in head.named_parameters() if parameter.requires_grad}
    if not kept or not set(shared) <= parameters:
        raise PlanError(
            "strategy=exact fits a head on features that are computed once and kept, and here more is trained or "
            "computed anew; set backbone.freeze=all, adaptation=none and engine.keep=true, or use strategy=fedavg"
        )
    name = choice_of("head", plan.head.target)
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in head.modules()):
        raise PlanError(f"strategy=exact draws nothing at random: set head.dropout=0 of head={name}")
    if getattr(head, "stays_at_zero", False):
        raise PlanError(
            f"strategy=exact begins at a strong ridge, which shrinks all weights of head={name} to nothing, and from "
            "there it never learns to weigh; use strategy=fedavg"
        )
    if plan.personal.target is not None and not is_convex(plan, head, width, allowed):
        raise PlanError(
            "strategy=exact with personal=intercept solves for each site's intercept by Newton's method, which needs a "
            "linear head and a convex loss; use head=linear or plain and another loss than focal, or personal=none"
        )
    if path.weakest > 0 and _ignores_length(head, width):
        raise PlanError(
            f"strategy=exact: the outputs of head={name} do not depend on the length of its weights, which a ridge "
            "would shrink to 0; set strategy.weakest=0 rounds=1"
        )


def is_convex(plan: Plan, head: nn.Module, width: int, allowed: Iterable[str]) -> bool:
    """Whether the fit has one optimum: the outputs are linear in the weights, and the loss is convex in the outputs (a
    loss says so itself, see `fedgraft.common.losses.suitability`)."""
    loss = parts.resolve(plan.loss.target, "loss", allowed)
    features, one, other = _drawn(head, width)
    nothing = {name: torch.zeros_like(tensor) for name, tensor in one.items()}
    both = {name: one[name] + other[name] for name in one}
    zero, first, second, summed = (_outputs(head, some, features) for some in (nothing, one, other, both))
    linear = bool(torch.allclose(summed + zero, first + second, rtol=1e-4, atol=1e-4))
    return linear and bool(getattr(loss, "convex", True))


def _ignores_length(head: nn.Module, width: int) -> bool:
    """Whether doubling all penalised tensors leaves the outputs as they are."""
    features, drawn, _ = _drawn(head, width)
    doubled = {name: 2 * tensor if is_penalised(tensor) else tensor for name, tensor in drawn.items()}
    once, twice = _outputs(head, drawn, features), _outputs(head, doubled, features)
    return torch.allclose(once, twice, rtol=1e-4, atol=1e-5)


def _drawn(head: nn.Module, width: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Features of some cases, and two draws of all the head's parameters, since a head may start at zero."""
    generator = torch.Generator().manual_seed(0)
    one, other = (
        {name: torch.randn(tensor.shape, generator=generator) for name, tensor in head.named_parameters()}
        for _ in range(2)
    )
    return torch.randn(_CASES, width, generator=generator), one, other


def _outputs(head: nn.Module, weights: Mapping[str, Tensor], features: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = torch.func.functional_call(head, dict(weights), (features,))
    return found


def is_penalised(tensor: Tensor) -> bool:
    """Whether a ridge penalises a tensor: a matrix, but no bias and no scale."""
    return tensor.ndim >= 2
