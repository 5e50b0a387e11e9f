"""Checks of a strategy that sums gradients (``strategy=exact``): what it leaves no room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common.interfaces.personalisation import keeps_intercept_only
from fedgraft.common.interfaces.strategy import sums_gradients
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.sections import StrategySection
from fedgraft.common.plan.types import Check


def is_exact(strategy: StrategySection) -> bool:
    """Whether a plan's strategy is FedGraft's own that sums gradients."""
    return sums_gradients(ours(strategy, "strategy"))


def _refused(section: str, wrong: Callable[[Any], bool], text: str) -> Check:
    return Check((section, "strategy"), lambda p: wrong(p) and is_exact(p.strategy), f"strategy=exact {text}")


def _is_finer(strategy: StrategySection) -> bool:
    tolerance = strategy.options.get("tolerance")
    return isinstance(tolerance, int | float) and tolerance < 1e-5


EXACT_CHECKS: tuple[Check, ...] = (
    Check(
        ("rounds", "strategy"),
        lambda p: p.rounds == 0 and is_exact(p.strategy),
        "strategy=exact fits a head in each round, and has no effect with rounds=0; set rounds to 1 or more, or "
        "leave it out (strategy=fedavg)",
    ),
    Check(
        ("strategy",),
        lambda p: p.strategy.fraction < 1 and is_exact(p.strategy),
        "strategy=exact minimises a sum over all sites, and strategy.fraction below 1 would ask others each time; set "
        "it to 1",
    ),
    Check(
        ("strategy",),
        lambda p: is_exact(p.strategy) and p.strategy.options.get("precision") == "float32" and _is_finer(p.strategy),
        "strategy.tolerance below 1e-5 is finer than strategy.precision=float32 can tell; set "
        "strategy.precision=float64, or a tolerance of 1e-5 or more",
    ),
    _refused(
        "augment",
        lambda p: p.augment.mixup > 0 or p.augment.cutmix > 0,
        "fits every case as it is, and augment.mixup and cutmix draw mixtures anew in each epoch; set both to 0",
    ),
    _refused(
        "sampling",
        lambda p: p.sampling.target is not None,
        "fits every case once, and draws none; set sampling=none, and loss.weights=global for rare classes",
    ),
    _refused(
        "alignment",
        lambda p: p.alignment.target is not None,
        "trains nothing before the head that an alignment could move; set alignment=none",
    ),
    _refused(
        "personal",
        lambda p: p.personal.target is not None and not keeps_intercept_only(ours(p.personal, "personal")),
        "fits one head for all sites; set personal=none, or personal=intercept",
    ),
    _refused(
        "compression",
        lambda p: p.compression.target is not None or p.compression.down != "exact",
        "needs its gradients unrounded, or the fit would end where the rounding does; set compression=none",
    ),
    _refused(
        "loss",
        lambda p: p.loss.absent != "keep",
        "sums over sites, and what one site lacks others have: loss.absent has nothing to mend; set it to keep",
    ),
    _refused(
        "release",
        lambda p: not p.release.class_counts,
        "asks for gradients, from which class counts can be computed, and release.class_counts=false withholds them; "
        "set it to true",
    ),
    Check(
        ("release", "strategy", "privacy"),
        lambda p: not p.release.train_loss and is_exact(p.strategy) and not p.privacy.on,
        "strategy=exact minimises the sites' loss, and release.train_loss=false withholds it; set it to true",
    ),
    _refused(
        "train",
        lambda p: p.train.unfreeze > 0 or p.train.layer_decay != 1,
        "trains the head alone: train.unfreeze and train.layer_decay have no effect; set them to 0 and 1",
    ),
)


def path_contradictions(plan: Any) -> list[str]:
    """A problem of the path of ridges, if there is one; of options that are no numbers, the part's own check tells."""
    if not (hasattr(plan, "strategy") and hasattr(plan, "rounds") and is_exact(plan.strategy)):
        return []
    options = plan.strategy.options
    ends = [options.get(name) for name in ("strongest", "weakest")]
    if not all(isinstance(end, int | float) for end in ends):
        return []
    problem = path_problem(plan.rounds, *ends)
    return [problem] if problem else []


def path_problem(rounds: int, strongest: float, weakest: float) -> str:
    """Why there is no path of so many ridges, and what to set; ``""`` if there is."""
    if rounds < 2 or strongest > weakest > 0:
        return ""
    return (
        f"strategy=exact with rounds={rounds} goes from strategy.strongest={strongest:g} down to "
        f"strategy.weakest={weakest:g}: both must be above 0, and strongest the larger one; for a single ridge set "
        "rounds=1 and strategy.weakest"
    )
