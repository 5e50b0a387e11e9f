"""Checks of ``privacy=record`` where sites train (DP-SGD): what a patient gives to a step must be theirs alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces import strategy
from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.common.plan.types import Check

_OF_EXACT = ("rate", "jitter", "most_rate", "momentum")


def _with(section: str, wrong: Callable[[Any], bool], text: str) -> Check:
    sections = tuple(dict.fromkeys((section, "privacy", "strategy")))
    return Check(
        sections,
        lambda p: p.privacy.by_patient and not is_exact(p.strategy) and wrong(p),
        f"privacy=record with sites that train {text}",
    )


STEP_CHECKS: tuple[Check, ...] = (
    _with(
        "strategy",
        lambda p: not strategy.is_mean(ours(p.strategy, "strategy")),
        "takes the mean of what they trained; set strategy=fedavg or fedprox, or strategy=exact",
    ),
    _with(
        "rounds",
        lambda p: p.rounds > 0 and p.privacy.steps % p.rounds != 0,
        "takes the same number of steps in each round; set privacy.steps to a multiple of rounds",
    ),
    _with(
        "privacy",
        lambda p: any(getattr(p.privacy, name) != getattr(PrivacySection(), name) for name in _OF_EXACT),
        "moves as train says; privacy.rate, jitter, most_rate and momentum have an effect with strategy=exact only: "
        "leave them out",
    ),
    _with(
        "privacy",
        lambda p: p.privacy.evaluation > 0,
        "can't say what figures of other patients may cost beside steps over drawn ones; set privacy.evaluation=0",
    ),
    _with(
        "sampling",
        lambda p: p.sampling.target is not None,
        "draws patients with one probability each; set sampling=none, and loss.weights=global for rare classes",
    ),
    _with(
        "augment",
        lambda p: p.augment.mixup > 0 or p.augment.cutmix > 0,
        "bounds what a patient gives, and a mixture is two patients'; set augment.mixup and augment.cutmix to 0",
    ),
    _with(
        "alignment",
        lambda p: p.alignment.target is not None,
        "bounds what a patient gives, and an alignment compares all cases of a batch; set alignment=none",
    ),
    _with(
        "loss",
        lambda p: p.loss.absent != "keep",
        "tells nothing of which classes a site has; set loss.absent=keep",
    ),
    _with(
        "backbone",
        lambda p: p.backbone.batch_norm == "train",
        "bounds what a patient gives, and batch norm's statistics are those of all cases of a batch; set "
        "backbone.batch_norm=eval",
    ),
    _with(
        "adaptation",
        lambda p: p.adaptation.options.get("batch_norm", "none") != "none",
        "bounds what a patient gives, and a site's batch norms follow all its cases; set adaptation.batch_norm=none",
    ),
    _with(
        "adaptation",
        lambda p: p.adaptation.options.get("role", "shared") == "local",
        "tells no figures of a model that differs by site; set adaptation.role=shared",
    ),
    _with(
        "compression",
        lambda p: p.compression.target is not None or p.compression.down != "exact",
        "is not made for codecs that remember what they left out; set compression=none",
    ),
    _with(
        "bounds",
        lambda p: p.bounds != BoundsSection(),
        "adds noise that makes updates long and unlike; leave bounds out",
    ),
    _with(
        "strategy",
        lambda p: p.strategy.fraction < 1,
        "charges each site with every round; set strategy.fraction=1",
    ),
    Check(
        ("privacy", "strategy"),
        lambda p: p.privacy.by_patient and is_exact(p.strategy) and p.privacy.sampled != 1,
        "privacy.sampled has no effect with strategy=exact, whose gradients are over all cases; leave it out, or set "
        "strategy=fedavg",
    ),
)


def require_single_cases(plan: Any, norms: Collection[str], local: Collection[str]) -> None:
    """Refuse a model whose outputs for one patient rest on others; for parts that `STEP_CHECKS` do not know.

    Args:
        norms: batch norms that follow the statistics of a batch.
        local: tensors that stay at the site.

    Raises:
        PlanError: the plan has ``privacy=record``, and there are some.
    """
    if plan.privacy.by_patient and not is_exact(plan.strategy) and (norms or local):
        raise PlanError(
            "privacy=record with sites that train bounds what a patient gives, and here a site keeps what follows all "
            f"of its cases ({len(norms)} batch norm(s), {len(local)} tensor(s) of its own); set adaptation=ssf, lora "
            "or none"
        )
