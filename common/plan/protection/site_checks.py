"""Checks of ``privacy=site``: nothing rests on a site's cases but its updates, which are shortened and get noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fedgraft.common.interfaces import strategy
from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.checks.transfer import asks_sums
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.protection.aggregation_section import AggregationSection
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.common.plan.types import Check


def _with(section: str, wrong: Callable[[Any], bool], text: str) -> Check:
    return Check((section, "privacy"), lambda p: p.privacy.by_site and wrong(p), f"privacy=site {text}")


def _is_mean(plan: Any) -> bool:
    return not is_exact(plan.strategy) and strategy.is_mean(ours(plan.strategy, "strategy"))


def _only_promise(section: PrivacySection) -> PrivacySection:
    return replace(PrivacySection(), unit="site", epsilon=section.epsilon, delta=section.delta, clip=section.clip)


SITE_CHECKS: tuple[Check, ...] = (
    _with(
        "strategy",
        lambda p: not _is_mean(p),
        "adds noise to the mean of updates; set strategy=fedavg or fedprox",
    ),
    _with(
        "release",
        lambda p: p.release.train_loss or p.release.evaluation or p.release.class_counts or p.release.quarantine,
        "has no noise for losses, evaluations and counts; set release.train_loss, release.evaluation, "
        "release.class_counts and release.quarantine to false, and measure on cases of the coordinator's own",
    ),
    _with(
        "loss",
        lambda p: "global" in (p.loss.weights, p.loss.prior),
        "has no noise for class counts of all sites; set loss.weights and loss.prior to local or none",
    ),
    _with(
        "features",
        lambda p: p.features.needs_common or p.features.keep is not None,
        "has no noise for statistics of features; set features.scale=case, own with features.shrink=0, or none, and "
        "features.keep=null",
    ),
    _with(
        "table",
        lambda p: p.table is not None and p.table.statistics != "plan",
        "has no noise for the statistics of a table's columns; set table.statistics=plan",
    ),
    _with("initial", asks_sums, "has no noise for sums over features; set initial=none"),
    _with("alignment", lambda p: p.alignment.target is not None, "has no noise for moments; set alignment=none"),
    _with(
        "personal",
        lambda p: p.personal.target is not None,
        "promises nothing of parts that stay at a site and are evaluated there; set personal=none",
    ),
    _with(
        "backbone",
        lambda p: p.backbone.batch_norm == "train",
        "would add noise to running statistics, and a variance can become negative; set backbone.batch_norm=eval",
    ),
    _with(
        "compression",
        lambda p: p.compression.target is not None,
        "adds noise to whole updates; set compression=none",
    ),
    _with(
        "bounds",
        lambda p: p.bounds != BoundsSection(),
        "shortens each update to privacy.clip, whatever the others are; leave bounds out",
    ),
    _with(
        "calibration",
        lambda p: p.calibration.method != "none",
        "has no noise for scores of validation cases, to which probabilities would be fitted; set calibration=none",
    ),
    _with("decide", lambda p: p.decide.unseen is not None, "has no noise for sums of features; set decide.unseen=null"),
    _with("audit", lambda p: bool(p.audit.columns), "has no noise for figures by subgroup; set audit.columns=[]"),
    _with("select", lambda p: p.select == "best", "tells no validation figures to choose by; set select=last"),
    _with(
        "hold_out", lambda p: bool(p.hold_out), "tells no evaluations, for which sites are held out: set hold_out=[]"
    ),
    _with(
        "harmonise",
        lambda p: p.harmonise.target is not None and not p.harmonise.reference,
        "has no noise for means over images; give harmonise.reference, or set harmonise=none",
    ),
    Check(
        ("privacy", "strategy", "aggregation"),
        lambda p: p.privacy.by_site and p.aggregation.secure and p.strategy.fraction < 1,
        "privacy=site with aggregation.secure hides sites from the coordinator, who knows which it asked: drawing some "
        "promises nothing more; set strategy.fraction=1",
    ),
    Check(
        ("privacy", "aggregation"),
        lambda p: p.privacy.by_site and p.aggregation.norm != AggregationSection().norm,
        "aggregation.norm has no effect with privacy=site, which shortens updates to privacy.clip; leave it out",
    ),
    Check(
        ("privacy",),
        lambda p: p.privacy.by_site and p.privacy != _only_promise(p.privacy),
        "with privacy=site only privacy.epsilon, delta and clip have an effect; leave the others out",
    ),
    Check(
        ("privacy", "rounds"),
        lambda p: p.privacy.by_site and p.rounds == 0,
        "privacy=site adds noise in each round, and has no effect with rounds=0; leave it out",
    ),
)
