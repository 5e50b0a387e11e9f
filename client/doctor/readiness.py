"""Is the cohort large enough for the plan? Cases per class, finding or event in each split."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.outcomes import Outcome
from fedgraft.client.doctor.roll import Roll
from fedgraft.client.doctor.section import Grid, Section
from fedgraft.client.doctor.shown import count_of, shown
from fedgraft.client.manifest import SPLITS
from fedgraft.client.site import SiteFile
from fedgraft.client.targets import targets
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.plan import Plan

LEAST_TRAIN = 20
"""Per class or finding. A class weight of an even rarer one rests on a handful of patients."""
LEAST_HELD_OUT = 10
"""Per class in val and test. The 95 % interval of a sensitivity on ten cases is 0.6 wide: +-1.96 sqrt(.25 / 10)."""
LEAST_EVENTS = 10
"""Of a survival plan, in each split: fewer give a C-index that could be anything."""


def readiness(roll: Roll, plan: Plan, site: SiteFile) -> Section:
    """Compare what can be used with the plan.

    Args:
        roll: the usable cases only, split.
    """
    findings = [*_training(roll, plan), *_held_out(roll, plan), *_release(roll, plan, site)]
    if not any(finding.grade != "ok" for finding in findings):
        findings.insert(0, Finding("ok", "size", "enough cases of every kind in every split"))
    return Section("ready for the plan?", tuple(findings), (_grid(roll, plan),))


def _training(roll: Roll, plan: Plan) -> Iterator[Finding]:
    train = roll.positions("train")
    if not train:
        text = "no usable case is left to train on"
        yield Finding("problem", "train", text, "lower data.val_fraction and data.test_fraction, or name other splits")
        return
    if len(train) < plan.train.batch_size:
        text = f"{count_of(len(train), 'case')}, fewer than train.batch_size={plan.train.batch_size}"
        yield Finding("warning", "train", text, "each epoch is a single step here; a smaller batch is more")
    if plan.data.task == "survival":
        yield from _few(roll, train, "train", LEAST_EVENTS)
        return
    present = [one.name for one in roll.outcomes if any(one.of[at] for at in train)]
    if plan.data.task == "classification" and len(present) == 1:
        text = f"all training cases are of one class, {shown(present[0])}"
        yield Finding(
            "warning", "train", text, "training here pulls every site's model to this class; ask whether that is wanted"
        )
        return
    yield from _few(roll, train, "train", LEAST_TRAIN)


def _held_out(roll: Roll, plan: Plan) -> Iterator[Finding]:
    fractions = {"val": plan.data.val_fraction, "test": plan.data.test_fraction}
    for name, fraction in fractions.items():
        places = roll.positions(name)
        if places:
            yield from _few(roll, places, name, LEAST_EVENTS if plan.data.task == "survival" else LEAST_HELD_OUT)
        elif fraction > 0:
            yield Finding("warning", name, "no case", "the site has no figures of its own on it")


def _few(roll: Roll, places: list[int], name: str, least: int) -> Iterator[Finding]:
    """One finding for all outcomes with fewer than ``least`` cases."""
    few = [(one.name, count) for one in roll.outcomes if (count := _count(one, places)) < least]
    if few:
        text = ", ".join(f"{shown(outcome)} {count}" for outcome, count in few)
        what = (
            "their figures are little more than chance" if name != "train" else "hardly anything is learnt of them here"
        )
        yield Finding("warning", name, f"fewer than {least} cases of: {text}; {what}", "more cases, or fewer classes")


def _release(roll: Roll, plan: Plan, site: SiteFile) -> Iterator[Finding]:
    """What the site's own file will hold back because there are too few cases (`fedgraft.client.release`)."""
    least = site.release.min_count
    small = [name for name in ("val", "test") if 0 < len(roll.positions(name)) < least]
    if small and plan.release.evaluation and site.release.evaluation:
        text = f"the evaluation on {' and '.join(small)} stays here: fewer cases than release.min_count={least}"
        yield Finding("warning", "release", text, "the report shows no figures of this site on it")
    wanted = plan.release.class_counts and site.release.class_counts and plan.loss.weights == "global"
    if wanted and not _counts_may_leave(roll, plan, least):
        text = f"class counts stay here: one lies between 0 and release.min_count={least}"
        yield Finding("warning", "release", text, "the plan's global class weights come from the other sites")


def _counts_may_leave(roll: Roll, plan: Plan, least: int) -> bool:
    """All of them, by the rule of the task."""
    task = tasks.of(plan.data)
    try:
        counts = task.count(targets([roll.cases[at] for at in roll.positions("train")], plan.data))
    except DataError:  # a target that can't be used is a finding of its own
        return True
    return task.releasable(counts, least) == counts


def _count(outcome: Outcome, places: list[int]) -> int:
    return sum(outcome.of[at] is True for at in places)


def _grid(roll: Roll, plan: Plan) -> Grid:
    rows = []
    for name in SPLITS:
        places = roll.positions(name)
        counts = [f"{_count(one, places):,}" for one in roll.outcomes]
        rows.append((name, f"{len(places):,}", f"{len({roll.cases[at].patient for at in places}):,}", *counts))
    header = ("split", "usable cases", "patients", *(shown(one.name) for one in roll.outcomes))
    return Grid(f"usable cases for data.task={plan.data.task}", header, tuple(rows))
