"""Whether the site tells the label: then figures over all sites' cases together are too good, as a model that only
recognises the hospital has them too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy  # its rooms are loaded when first used

from fedgraft.common.calibration.in_groups import Grouped
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import FEW, area_by_groups, area_of, area_within
from fedgraft.server.evidence.listed import MOST, some_of
from fedgraft.server.rounds.state import RunOutcome

TELLING = 0.7
"""AUROC of the site alone from which the headline is the figure within sites."""
CHANCE = 0.01
"""What is less likely than that is not taken for chance."""


@dataclass(frozen=True)
class Confounding:
    """How much the site says about the label.

    Attributes:
        site_alone: the AUROC of a model that knows nothing of a case but its site (mean over classes or findings).
        by_chance: the probability that sites differ so much if they do not (chi-squared; the smallest over classes or
            findings, times their number).
        shares: by class or finding, the share of each site's test cases that have it.
        one_class: the only class of a site's cases, by site, of sites with too many cases for that to be chance.
        merged, within: the AUROC of the model over all sites' cases together, and over pairs of cases of one site.
        groups: whether these come from scores in groups; ``not given`` if these are too few to rank cases.
    """

    site_alone: float | None
    by_chance: float
    shares: dict[str, dict[str, float]]
    one_class: dict[str, str]
    merged: float | None
    within: float | None
    groups: Literal["", "marked", "not given"] = ""

    @property
    def tells(self) -> bool:
        """Whether the site alone reaches a high AUROC."""
        return self.site_alone is not None and self.site_alone >= TELLING and self.by_chance < CHANCE

    @property
    def headline(self) -> str:
        """``within_site`` if the merged figure can't be trusted, else ``merged``."""
        return "within_site" if self.tells or self.one_class else "merged"

    @property
    def plain(self) -> dict[str, Any]:
        """The key ``confounding`` of ``summary.json``."""
        return {
            "headline": self.headline,
            "site_alone": _short(self.site_alone),
            "by_chance": float(f"{self.by_chance:.3g}"),
            "one_class": dict(self.one_class),
            **({"groups": self.groups} if self.groups else {}),
            "shares": {name: {site: _short(one) for site, one in each.items()} for name, each in self.shares.items()},
        }

    def sentences(self) -> Iterator[str]:
        """What a reader must know."""
        if self.headline == "merged":
            return
        if len(self.one_class) <= MOST:
            for site, name in self.one_class.items():
                yield f"{site} has cases of one class only ({name}): whoever knows the site knows the label there"
        else:
            yield (
                f"{some_of([f'{site} ({name})' for site, name in self.one_class.items()])} have cases of one class "
                "only: whoever knows the site knows the label there"
            )
        if self.site_alone is not None:
            name = max(self.shares, key=lambda one: max(self.shares[one].values()) - min(self.shares[one].values()))
            shares = some_of([f"{site} {share:.0%}" for site, share in self.shares[name].items()])
            yield (
                f"by the site alone, without a look at the case, AUROC would be {self.site_alone:.3f} "
                f"(share of {name}: {shares})"
            )
        if self.groups == "not given":
            yield (
                "the figure to go by would be AUROC within sites (pairs of cases of the same site), not given here: "
                "scores came in too few groups (docs/trust.md)"
            )
            return
        inside = "undefined, as no site has cases of both sides" if self.within is None else f"{self.within:.3f}"
        merged = "undefined" if self.merged is None else f"{self.merged:.3f}"
        yield (
            f"the figure to go by is AUROC within sites, {inside} (pairs of cases of the same site); over all sites "
            f"together it is {merged}, of which the site may be a part"
            f"{'; both are a little too low, as scores came in groups' * (self.groups == 'marked')}"
        )


def confounding_of(plan_hold_out: tuple[str, ...], outcome: RunOutcome, grouped: Grouped) -> Confounding | None:
    """The confounding in the test figures of a run; ``None`` if they are not of several sites' cases."""
    last = outcome.final
    tests = {name: splits["test"] for name, splits in sorted(last.by_site.items()) if "test" in splits}
    if last.central is not None:
        return None
    counts = {name: offer.class_counts for name, offer in outcome.offers.items() if name not in plan_hold_out}
    found = confounding(last.task, tests, {name: one for name, one in counts.items() if one is not None})
    if found is None or not any(grouped.least(name) for name in tests):
        return found
    return replace(found, groups="marked" if grouped.ranks(tests) else "not given")


def confounding(
    task: AnyTask, tests: Mapping[str, Evaluation], training: Mapping[str, tuple[int, ...]]
) -> Confounding | None:
    """How much the site says about the label; ``None`` with fewer than two sites, or without classes or findings.

    Args:
        tests: evaluations by site.
        training: counts of training cases by site (`Task.counts`), as far as they are known.
    """
    tests = {name: one for name, one in tests.items() if one.cases}
    if len(tests) < 2 or not task.scored:
        return None
    sides = {name: _sides(one) for name, one in tests.items()}
    alone, chances, shares = [], [], {}
    for place, name in enumerate(task.scored):
        groups = {site: each[place] for site, each in sides.items() if sum(each[place])}
        reached = area_by_groups(groups)
        if reached is None:
            continue
        alone.append(reached)
        table = np.array(list(groups.values()))
        chances.append(float(scipy.stats.chi2_contingency(table).pvalue) if len(groups) > 1 else 1.0)
        shares[name] = {site: positives / (negatives + positives) for site, (negatives, positives) in groups.items()}
    merged, inside = area_of(task.merge(list(tests.values()))), area_within(list(tests.values()))
    return Confounding(
        math.fsum(alone) / len(alone) if alone else None,
        min(1.0, min(chances) * len(chances)) if chances else 1.0,
        shares,
        _one_class(task, sides, training) if task.one_class_per_case else {},
        None if merged is None else merged.value,
        None if inside is None else inside.value,
    )


def _sides(evaluation: Evaluation) -> list[tuple[int, int]]:
    return [(int(one.negatives.sum()), int(one.positives.sum())) for one in evaluation.score_counts()]


def _one_class(
    task: AnyTask, sides: Mapping[str, list[tuple[int, int]]], training: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Sites with cases of one class only, in test and training as far as it is known, that are too many for chance: a
    site would have none of the others by a probability below `CHANCE` if classes were as frequent as elsewhere."""
    classes = task.classes
    known = {name: np.array(training.get(name, (0,) * len(classes))) for name in sides}
    total = {name: known[name] + _by_class(each, len(classes)) for name, each in sides.items()}
    found = {}
    for name, counts in total.items():
        cases, there = int(counts.sum()), np.flatnonzero(counts)
        elsewhere = np.sum([other for site, other in total.items() if site != name], axis=0)
        if len(there) != 1 or cases < FEW or not elsewhere.sum():
            continue
        if (elsewhere[there[0]] / elsewhere.sum()) ** cases < CHANCE:
            found[name] = classes[int(there[0])]
    return found


def _by_class(sides: list[tuple[int, int]], classes: int) -> Any:
    return np.array(sides[0] if classes == 2 else [positives for _, positives in sides])


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
