"""Checks of ``loss`` and ``sampling``, and of strategies that weigh sites by their losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common.interfaces.strategy import needs_losses
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.types import Check


def _loss(wrong: Callable[[Any], bool], text: str) -> Check:
    return Check(("loss",), lambda p: wrong(p.loss), text)


LOSS_CHECKS: tuple[Check, ...] = (
    _loss(
        lambda loss: loss.weights == "none" and loss.scheme != "inverse",
        "loss.scheme has no effect with loss.weights=none; set loss.weights to local or global, or loss.scheme=inverse",
    ),
    _loss(
        lambda loss: loss.scheme == "effective" and loss.beta is None,
        "loss.scheme=effective needs loss.beta, for instance 0.999: the effective number is at most 1 / (1 - beta)",
    ),
    _loss(
        lambda loss: loss.scheme != "effective" and loss.beta is not None,
        "loss.beta has no effect unless loss.scheme=effective; set it to null",
    ),
    _loss(
        lambda loss: loss.scheme == "effective" and loss.beta == 0,
        "loss.beta=0 makes every class weight 1; raise it (0.9 to 0.9999), or set loss.weights=none",
    ),
    Check(
        ("strategy", "release"),
        lambda p: needs_losses(ours(p.strategy, "strategy")) and not p.release.train_loss,
        "the strategy weighs sites by their training losses, and release.train_loss=false withholds them; set it to "
        "true, or strategy=fedavg",
    ),
    Check(
        ("loss", "release"),
        lambda p: p.loss.prior == "global" and not p.release.class_counts,
        "loss.prior=global needs release.class_counts=true: the counts are summed over the sites",
    ),
    Check(
        ("loss", "sampling"),
        lambda p: p.sampling.target is not None and p.loss.weights != "none" and p.loss.scheme == "inverse",
        "sampling and loss.weights with loss.scheme=inverse would each make up for rare classes in full, and together "
        "twice; set loss.weights=none or sampling=none",
    ),
    Check(
        ("loss", "sampling"),
        lambda p: p.sampling.target is not None and p.loss.prior != "none",
        "sampling changes how often classes are shown, and loss.prior goes by how many cases there are; use a loss "
        "without a prior, or sampling=none",
    ),
)
