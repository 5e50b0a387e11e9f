"""Sentences on how sure a run's figures are: intervals, figures within sites, what difference could be seen at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

FEW = "fewer than 5 {what} in the test, so that their figures say nothing of the site and none is the worst"


def sureness(summary: Mapping[str, Any]) -> Iterator[str]:
    """The sentences, from ``summary.json``; none for a run of an earlier version, or without test cases."""
    found = summary.get("intervals") or {}
    whole = found.get("central") or found.get("together")
    name = _ranking(summary, whole)
    heading = summary["columns"].get(name, "AUROC") if name else ""
    if whole and name:
        yield f"{heading} with 95 % intervals, by the number of cases: {', '.join(_each(found, whole, name))}"
    few = [name for name, one in found.get("sites", {}).items() if one["few"]]
    if few:
        scored = any(one["classes"] for one in found["sites"].values())
        what = "positive or negative cases" if scored else "events"
        yield f"{FEW.format(what=what)}: {', '.join(few)}"
    seen = found.get("seen")
    if seen:
        yield (
            f"{seen['cases']} test cases of all sites show a difference of two models' {heading or 'AUROC'} from "
            f"{seen['smallest_difference']:.3f} on (tested on other cases each, 80 of 100 times); one of "
            f"{seen['difference']:g} needs about {seen['cases_needed']:,}"
        )


def _ranking(summary: Mapping[str, Any], whole: Mapping[str, Any] | None) -> str:
    """The figure whose interval is told; empty if none has one."""
    known = [name for name in ("auroc", summary.get("headline", "")) if (whole or {}).get(name)]
    return known[0] if known else ""


def _each(found: Mapping[str, Any], whole: Mapping[str, Any], figure: str) -> Iterator[str]:
    for name, one in found["sites"].items():
        if one.get(figure) and not one["few"]:
            yield f"{name} {_interval(one[figure])}"
    yield f"{'official' if found.get('central') else 'all sites together'} {_interval(whole[figure])}"
    if found["within_site"] and len(found["sites"]) > 1:
        yield f"within sites (pairs of cases of the same site) {_interval(found['within_site'])}"


def _interval(one: Mapping[str, Any]) -> str:
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
