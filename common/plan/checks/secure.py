"""Checks of ``aggregation``: what can't work where the coordinator sees sums over sites only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.interfaces import strategy
from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.protection.aggregation_section import AggregationSection
from fedgraft.common.plan.types import Check


def _on_sums(plan: Any) -> bool:
    """Whether the plan's strategy needs no more than the sum of updates, or of gradients."""
    found = ours(plan.strategy, "strategy")
    steps = strategy.takes_steps(found) and not hasattr(found, "takes_steps")  # Flower's; others' needs are not known
    return is_exact(plan.strategy) or strategy.is_mean(found) or (steps and not strategy.is_private(found))


def _refused(section: str, wrong: Callable[[Any], bool], text: str) -> Check:
    sections = tuple(dict.fromkeys((section, "aggregation")))
    return Check(sections, lambda p: p.aggregation.secure and wrong(p), f"aggregation.secure {text}")


SECURE_CHECKS: tuple[Check, ...] = (
    Check(
        ("aggregation",),
        lambda p: not p.aggregation.secure and p.aggregation != AggregationSection(),
        "aggregation.threshold, range and norm have no effect with aggregation.secure=false; leave them out, or set "
        "aggregation=secure",
    ),
    _refused(
        "strategy",
        lambda p: not _on_sums(p),
        "tells the coordinator sums only, and this strategy compares single updates; use strategy=fedavg, fedprox, "
        "fedadam or exact",
    ),
    _refused(
        "bounds",
        lambda p: p.bounds != BoundsSection(),
        "leaves nothing to bound at the coordinator; leave bounds out: each site shortens its own update to "
        "aggregation.norm",
    ),
    _refused(
        "compression",
        lambda p: p.compression.target is not None,
        "adds words on one grid, and a codec's payload is not on it; set compression=none",
    ),
    Check(
        ("calibration", "data", "aggregation"),
        lambda p: (
            p.aggregation.secure
            and p.calibration.method != "none"
            and p.calibration.by_site
            and tasks.of(p.data).has_probabilities
        ),
        "aggregation.secure tells no site's own scores: set calibration.by_site=false, as aggregation=secure does",
    ),
    Check(
        ("decide", "data", "aggregation"),
        lambda p: p.aggregation.secure and p.decide.by_site != "pooled" and bool(tasks.of(p.data).answers),
        "aggregation.secure tells no site's own scores: set decide.by_site=pooled, as aggregation=secure does",
    ),
    _refused(
        "audit",
        lambda p: bool(p.audit.columns),
        "sums nothing by subgroup; set audit.columns=[]",
    ),
    _refused(
        "hold_out",
        lambda p: bool(p.hold_out),
        "tells no figures of a single site, and hold_out asks for them; set hold_out=[]",
    ),
    _refused(
        "alignment",
        lambda p: p.alignment.target is not None,
        "does not sum an alignment's moments; set alignment=none",
    ),
    _refused(
        "table",
        lambda p: p.table is not None and p.table.statistics == "federated",
        "does not sum a table's statistics: give means, deviations and vocabulary in the plan (table.statistics=plan)",
    ),
    _refused(
        "harmonise",
        lambda p: p.harmonise.target is not None and not p.harmonise.reference,
        "does not sum means over images; give harmonise.reference, or set harmonise=none",
    ),
    _refused(
        "engine",
        lambda p: p.engine.name == "ray",
        "needs sites that remember their keys, which a process of Ray that is lost takes with it; use engine=inprocess",
    ),
)
