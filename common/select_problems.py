"""Options of ``select`` that contradict others."""

from __future__ import annotations

from fedgraft.common.check import Check

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
