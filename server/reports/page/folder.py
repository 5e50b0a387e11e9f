"""What a run's folder says, read from its files and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fedgraft.common import tasks
from fedgraft.common.errors import FedGraftError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.tasks.areas import FEW
from fedgraft.server.evidence.listed import MOST, WHOLE
from fedgraft.server.reports.crowd import weakest

Figures = Mapping[str, Any]
RANKS = ("auroc", "auprc", "sensitivity_at_90_specificity")
"""Figures that rest on the order of scores."""
T = TypeVar("T")


@dataclass(frozen=True)
class Counted:
    """Test cases of a site by truth: of the rarest class or finding, and of all others."""

    positives: int
    negatives: int

    def too_few(self, both: bool) -> bool:
        """Whether a figure says too little; ``both``: negatives matter too."""
        return self.positives < FEW or (both and self.negatives < FEW)


@dataclass(frozen=True)
class RunFolder:
    """The content of ``summary.json``, ``rounds.jsonl``, ``ledger.jsonl`` and ``plan.yaml``, and of ``audit.json`` if
    there is one."""

    name: str
    summary: dict[str, Any]
    rounds: tuple[Figures, ...]
    ledger: tuple[Figures, ...]
    plan: Plan
    plan_text: str
    audit: Figures | None = None

    @cached_property
    def task(self) -> AnyTask:
        return tasks.of(self.plan.data)

    @property
    def headline(self) -> str:
        found: str = self.summary["headline"]
        return found

    @property
    def heading(self) -> str:
        """The headline figure's name for people."""
        found: str = self.summary["columns"][self.headline]
        return found

    @property
    def sites(self) -> dict[str, Figures]:
        found: dict[str, Figures] = self.summary["sites"]
        return found

    @property
    def calibration(self) -> Figures:
        """Empty in a run without any."""
        return self.summary.get("calibration") or {}

    @property
    def decisions(self) -> Figures:
        """Empty in a run without any."""
        return self.summary.get("decisions") or {}

    @property
    def subgroups(self) -> Figures:
        """By column; empty in a run without any."""
        return self.summary.get("subgroups") or {}

    @property
    def thresholds(self) -> Mapping[str, Figures]:
        """By scored class, what comes of its thresholds on test cases; empty without test cases at sites."""
        found: Mapping[str, Figures] = self.decisions.get("thresholds", {})
        return {name: one for name, one in found.items() if one["chosen"]["pooled"]}

    def counted(self, site: str) -> Counted:
        """The numbers on which a site's figures rest, of the class or finding with the fewest."""
        figures = self.sites[site]
        by_class = [one["half"]["sites"].get(site) for one in self.thresholds.values()]
        known = [
            Counted(*(0 if one[name] is None else one[name]["cases"] for name in ("sensitivity", "specificity")))
            for one in by_class
            if one is not None
        ]
        if known:
            return min(known, key=lambda one: min(one.positives, one.negatives))
        share, cases = figures["prevalence"], figures["cases"]
        positives = 0 if share is None else round(share * cases)
        return Counted(positives, cases - positives)

    def too_few(self, site: str) -> bool:
        """Not what is told of all sites together, as of secure sums."""
        few = site in self.sites and self.counted(site).too_few(self.task.has_probabilities)
        return few or self.is_blurred(site)

    @property
    def in_groups(self) -> Figures:
        """How hospitals told scores; empty if they told each."""
        return self.summary.get("scores") or {}

    def is_blurred(self, site: str) -> bool:
        """Whether a site's scores came in so few groups that they rank nothing."""
        few: Mapping[str, Sequence[str]] = self.in_groups.get("too_few", {})
        return site in self.sites and site in few.get(self.sites[site]["split"], ())

    @property
    def ranked(self) -> bool:
        """Whether figures over all sites that rest on the order of scores can be given."""
        return bool(self.in_groups.get("ranked", True))

    @property
    def chose_best(self) -> bool:
        """Whether validation cases chose the round of the final model."""
        return self.plan.select == "best" and bool(self.in_groups.get("chooses", True))

    @property
    def threshold(self) -> str:
        """The threshold of which figures are shown: ``chosen``; or ``half``, of which sites count exactly."""
        return "chosen" if self.ranked else "half"

    def shown(self, site: str | None, key: str) -> float | None:
        """A figure of a site, or (``None``) of all test cases; ``None`` if it is undefined or can't be given."""
        given = self.ranked or self.summary["test"]["source"] != "sites" if site is None else not self.is_blurred(site)
        figures = self.summary["test"] if site is None else self.sites[site]
        found: float | None = figures.get(key) if given or key not in RANKS else None
        return found

    @property
    def is_crowd(self) -> bool:
        """Whether there are too many sites to list each."""
        return len(self.sites) > MOST

    @cached_property
    def listed(self) -> list[str]:
        """The sites that are listed one by one (`fedgraft.server.reports.crowd`)."""
        doubtful = {name for name in self.sites if self.too_few(name)} if self.is_crowd else set()
        return weakest(self.sites, self.headline, doubtful)

    def of_listed(self, found: Mapping[str, T]) -> dict[str, T]:
        """What was found of the sites that are listed."""
        if not self.is_crowd:
            return dict(found)
        return {name: found[name] for name in self.listed if name in found}

    def clear(self, found: Mapping[str, T]) -> dict[str, T]:
        """`of_listed`, without the sites whose scores came in too few groups for any figure that rests on them."""
        return {name: one for name, one in self.of_listed(found).items() if not self.is_blurred(name)}

    @property
    def who_is_listed(self) -> str:
        """A sentence, if not all are; else nothing."""
        if not self.is_crowd:
            return ""
        if not self.listed:
            return f" None of {len(self.sites):,} hospitals has a figure by {self.heading}; {WHOLE}."
        return f" Listed are the {len(self.listed)} weakest of {len(self.sites):,} by {self.heading}; {WHOLE}."

    def interval(self, site: str | None) -> tuple[float, float] | None:
        """The 95 % interval of the headline figure at a site, or (``None``) on the coordinator's test set or over all
        sites together: that of ``intervals`` in ``summary.json``; ``None`` if the run has none."""
        found = self.summary.get("intervals") or {}
        whole = found.get("central") or found.get("together")
        one = (whole if site is None else found.get("sites", {}).get(site)) or {}
        known = one.get(self.headline) or {}
        return (known["low"], known["high"]) if known.get("low") is not None else None

    @cached_property
    def worst(self) -> str | None:
        """The site with the lowest headline figure, of those with enough cases."""
        known = {
            name: one[self.headline]
            for name, one in self.sites.items()
            if one[self.headline] is not None and not self.too_few(name)
        }
        return min(known, key=lambda name: (known[name], name)) if len(known) > 1 else None


def read_run(folder: Path) -> RunFolder:
    """Read a run's folder.

    Raises:
        FedGraftError: a file is missing or can't be read.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        rounds, ledger = (tuple(_lines(folder / name)) for name in ("rounds.jsonl", "ledger.jsonl"))
        plan_text = (folder / "plan.yaml").read_text(encoding="utf-8")
        audit = _audit(folder / "audit.json")
    except (OSError, ValueError) as error:
        raise FedGraftError(f"{folder} is not the folder of a run that has ended: {error}") from error
    return RunFolder(folder.resolve().name, summary, rounds, ledger, load_plan(folder / "plan.yaml"), plan_text, audit)


def _audit(path: Path) -> Figures | None:
    """What `fedgraft audit privacy` found, if it was asked."""
    found: Figures | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def _lines(path: Path) -> Iterator[Figures]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)
