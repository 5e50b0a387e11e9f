"""Checks of ``initial`` and ``select``."""

from __future__ import annotations

from typing import Any

from fedgraft.common.interfaces.head_start import BearsNoise, StartsFromSums, tells_classes_apart
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.types import Check

SELECT_CHECKS: tuple[Check, ...] = (
    Check(
        ("select", "data"),
        lambda p: p.select == "best" and p.data.test != "given" and p.data.val_fraction == 0,
        "select=best needs validation cases to choose by; set data.val_fraction above 0, or select=last",
    ),
    Check(
        ("select", "release"),
        lambda p: p.select == "best" and not p.release.evaluation,
        "select=best needs release.evaluation=true: it chooses by the sites' evaluations",
    ),
    Check(
        ("select", "strategy"),
        lambda p: p.select == "best" and p.strategy.fraction < 1,
        "select=best with strategy.fraction below 1 compares rounds by the validation cases of other sites each time; "
        "set strategy.fraction=1, or select=last",
    ),
    Check(
        ("select", "personal"),
        lambda p: p.select == "best" and p.personal.target is not None,
        "select=best chooses the model that all sites share, and with `personal` a site uses one of its own; use "
        "select=last, or personal=none",
    ),
    Check(
        ("select", "initial"),
        lambda p: p.select == "best" and bool(p.initial.interpolate),
        "select=best and initial.interpolate each choose the final model; set initial.interpolate=[], or select=last",
    ),
)


_UNSEEN = "select=unseen leaves out one site after another"
UNSEEN_CHECKS: tuple[Check, ...] = tuple(
    Check(
        ("select", section),
        lambda p, wrong=wrong: p.select == "unseen" and wrong(p),  # type: ignore[misc]
        f"{_UNSEEN}{text}",
    )
    for section, wrong, text in (
        (
            "strategy",
            lambda p: not is_exact(p.strategy),
            ", which takes a fit of the head for each; use strategy=exact, or select=best (for other recipes a "
            "study with baselines=[leave_one_site_out])",
        ),
        (
            "aggregation",
            lambda p: p.aggregation.secure,
            ", whose figures are told by name; set aggregation.secure=false",
        ),
        ("privacy", lambda p: p.privacy.on, ", which privacy does not charge for; set select=last"),
        ("release", lambda p: not p.release.evaluation, " and needs release.evaluation=true"),
        ("personal", lambda p: p.personal.target is not None, " of a model that all share; set personal=none"),
        (
            "data",
            lambda p: p.data.test != "given" and p.data.val_fraction == 0,
            " and needs validation cases there; set data.val_fraction above 0",
        ),
        (
            "initial",
            lambda p: bool(p.initial.interpolate),
            ", and initial.interpolate chooses the final model too; set initial.interpolate=[]",
        ),
    )
)


def begins(plan: Any) -> bool:
    """Whether the plan begins from the graft of another run."""
    return getattr(plan, "start_from", None) is not None


def asks_sums(plan: Any) -> bool:
    """Whether the plan's ``initial`` is one of FedGraft's that need sums over all sites' training cases."""
    return issubclass(ours(plan.initial, "initial"), StartsFromSums)


def bears_noise(plan: Any) -> bool:
    """Whether the plan's ``initial`` is one of FedGraft's whose sums may have noise for privacy."""
    return issubclass(ours(plan.initial, "initial"), BearsNoise)


def starts_alike(initial: Any) -> bool:
    """Whether the first head gives all classes the same score."""
    return initial.target is None or not tells_classes_apart(ours(initial, "initial"))


TRANSFER_CHECKS: tuple[Check, ...] = (
    Check(
        ("initial", "release"),
        lambda p: asks_sums(p) and not p.release.class_counts,
        "initial=prototypes and initial=ridge need release.class_counts=true: their sums hold the cases by class",
    ),
    Check(
        ("initial",),
        lambda p: bool(p.initial.interpolate) and starts_alike(p.initial) and not begins(p),
        "initial.interpolate needs an initial head that tells classes apart (initial=prototypes, ridge or "
        "embeddings, or start_from): between nothing and the trained head, only the size of the outputs changes",
    ),
    Check(
        ("initial",),
        lambda p: begins(p) and p.initial.target is not None,
        "start_from brings the head, and `initial` would replace it; set initial=none",
    ),
    Check(
        ("strategy",),
        lambda p: begins(p) and is_exact(p.strategy),
        "start_from has no effect with strategy=exact, which finds the same head from wherever it starts; leave it out",
    ),
    Check(
        ("initial",),
        lambda p: len(set(p.initial.interpolate)) != len(p.initial.interpolate),
        "initial.interpolate names a share twice",
    ),
    Check(
        ("initial",),
        lambda p: tuple(p.initial.interpolate) == (1.0,),
        "initial.interpolate=[1.0] has no effect: it is the trained head; name other shares too, or set it to []",
    ),
    Check(
        ("initial", "personal"),
        lambda p: bool(p.initial.interpolate) and p.personal.target is not None,
        "initial.interpolate chooses the model that all sites share, and with `personal` a site evaluates one of its "
        "own; set initial.interpolate=[], or personal=none",
    ),
    Check(
        ("initial", "release"),
        lambda p: bool(p.initial.interpolate) and not p.release.evaluation,
        "initial.interpolate needs release.evaluation=true: the sites' validation cases tell which share is best",
    ),
    Check(
        ("initial", "data"),
        lambda p: bool(p.initial.interpolate) and p.data.test != "given" and p.data.val_fraction == 0,
        "initial.interpolate needs data.val_fraction > 0: the sites' validation cases tell which share is best",
    ),
)
