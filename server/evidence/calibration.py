"""Calibrate the final model: fit maps to the validation cases of the sites that train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import Calibration, Maps, raw
from fedgraft.common.calibration.figures import together
from fedgraft.common.calibration.fit import fit
from fedgraft.common.calibration.sites import site_maps
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.evidence_sections import CalibrationSection
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.grouped import Fits
from fedgraft.server.rounds.state import RunOutcome

Counts = tuple[ScoreCounts, ...]


@dataclass(frozen=True)
class Calibrated:
    """A run's calibration, and what it rests on.

    Attributes:
        from_cases: validation cases by site that the pooled maps were fitted to.
        pooled_because: of each site without maps of its own for every class, the reason in words.
        warnings: sentences.
    """

    calibration: Calibration
    from_cases: dict[str, int] = field(default_factory=dict)
    pooled_because: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def calibrated(plan: Plan, outcome: RunOutcome, found: Fits) -> Calibrated:
    """The calibration of a run's final model, fitted to what is ``found``. Sites of ``hold_out`` never contribute, and
    use the pooled maps."""
    task, section, none = tasks.of(plan.data), plan.calibration, raw(plan.data.task, plan.data.classes)
    if section.method == "none" or not task.has_probabilities:
        return Calibrated(none)
    counts, why = found.counts, {name: found.grouped.why(name) for few in found.few.values() for name in few}
    cases = {name: found.cases[name] for name in counts}
    if len(found.raw) == len(task.scored):
        return Calibrated(none, {}, why)
    pooled = tuple(together([each[place] for each in counts.values()]) for place in range(len(task.scored)))
    lacking = [name for name, each in zip(task.scored, pooled, strict=True) if each.one_sided]
    if len(lacking) == len(pooled) or (lacking and section.prevalence is not None):
        return Calibrated(none, cases, warnings=(_not_calibrated(plan, lacking, cases),))
    maps = fit(section.method, pooled)
    own, because = _by_site(task, section, maps, found, why)
    because |= {name: why[name] for name in why if name not in counts}
    because |= {name: "it never trains (hold_out)" for name in plan.hold_out if name in outcome.offers}
    because |= {name: "no validation cases" for name in outcome.offers if name not in counts and name not in because}
    lacking = [name for name in lacking if name not in found.raw]
    calibration = Calibration(task.name, task.classes, section.method, maps, own, section.prevalences)
    warnings = (f"not calibrated for: {', '.join(lacking)}: validation cases of one side only",) if lacking else ()
    return Calibrated(calibration, cases, because if section.by_site else {}, warnings)


def _by_site(
    task: AnyTask, section: CalibrationSection, pooled: Maps, fits: Fits, why: Mapping[str, str]
) -> tuple[dict[str, Maps], dict[str, str]]:
    """The sites' own maps, by scored class, and of other sites (or classes) why they have none.

    Args:
        why: of each site with scores in too few groups, in words.
    """
    if not section.by_site:
        return {}, {}
    counts = fits.counts
    found = {name: list(pooled) for name in counts}
    reasons: dict[str, dict[str, str]] = {name: {} for name in counts}
    for place, scored in enumerate(task.scored):
        fitting = {}
        for name, each in counts.items():
            few = name in fits.few.get(scored, ())
            reason = why[name] if few else _too_few(each[place], section.min_cases)
            if reason:
                reasons[name][scored] = reason
            elif pooled[place].prevalence is not None:
                fitting[name] = each[place]
        for name, own in site_maps(pooled[place], fitting).items():
            found[name][place] = own
    own_maps = {name: tuple(maps) for name, maps in found.items() if len(reasons[name]) < len(pooled)}
    return own_maps, {name: _said(each, len(pooled)) for name, each in reasons.items() if each}


def _too_few(counts: ScoreCounts, least: int) -> str:
    if counts.cases < least:
        return f"{counts.cases} validation cases, fewer than calibration.min_cases={least}"
    if counts.one_sided:
        return f"all {counts.cases} validation cases are of one side"
    return ""


def _said(reasons: Mapping[str, str], scored: int) -> str:
    """The reasons, with the classes that they are about if several are scored."""
    if scored == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _not_calibrated(plan: Plan, lacking: list[str], cases: Mapping[str, int]) -> str:
    if not cases:
        why, to_do = "no validation cases", "set data.val_fraction above 0 (and release.evaluation=true)"
        if plan.data.val_fraction > 0:
            why = "no hospital told a figure of its validation cases"
            to_do = (
                "of fewer cases than its release.min_count (5 by default) none leaves it: more cases, a larger "
                "data.val_fraction, and release.evaluation=true"
            )
        return (
            f"not calibrated: {why}, so that probabilities are the model's own, which class weights and sampling move; "
            f"{to_do}"
        )
    return f"not calibrated: all validation cases are of one side for: {', '.join(lacking)}"
