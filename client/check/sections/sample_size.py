"""Check that the cohort is large enough for the plan: cases per class, finding or event in each split."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of, shown
from fedgraft.client.check.report import Finding, Grid, Section
from fedgraft.client.check.sections.cohort import MOST_ACROSS
from fedgraft.client.cohort.case import SPLITS
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.task import Outcome
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import case_dangers


def readiness(case_table: CaseTable, plan: Plan, site: SiteFile) -> Section:
    """Compare the usable cases with what the plan needs.

    Args:
        case_table: the usable cases only, with their splits.
    """
    findings = [*_training(case_table, plan), *_held_out(case_table, plan), *_release(case_table, plan, site)]
    findings += _dangers(case_table, plan, site)
    if not any(finding.grade != "ok" for finding in findings):
        findings.insert(0, Finding("ok", "size", "enough cases of every kind in every split"))
    return Section("ready for the plan?", tuple(findings), (_grid(case_table, plan),))


def _dangers(case_table: CaseTable, plan: Plan, site: SiteFile) -> Iterator[Finding]:
    """What makes the plan dangerous for a single patient here."""
    train = case_table.positions("train")
    counts = [one.count(True, train) for one in case_table.outcomes]
    for danger in case_dangers(plan, site.name, counts):
        yield Finding("warning", danger.name, danger.text, danger.to_do)


def _training(case_table: CaseTable, plan: Plan) -> Iterator[Finding]:
    train = case_table.positions("train")
    if not train:
        text = "no usable case is left to train on"
        yield Finding("problem", "train", text, "lower data.val_fraction and data.test_fraction, or name other splits")
        return
    if len(train) < plan.train.batch_size and not tasks.of(plan.data).whole_batches:
        text = f"{count_of(len(train), 'case')}, fewer than train.batch_size={plan.train.batch_size}"
        yield Finding("warning", "train", text, "each epoch is a single step here; a smaller batch makes it more")
    present = [one.name for one in case_table.outcomes if one.count(True, train)]
    if tasks.of(plan.data).one_class_per_case and len(present) == 1:
        text = f"all training cases are of one class, {shown(present[0])}"
        yield Finding(
            "warning", "train", text, "training here pulls every site's model to this class; ask whether that is wanted"
        )
        return
    yield from _shortages(case_table, plan, train, "train")


def _held_out(case_table: CaseTable, plan: Plan) -> Iterator[Finding]:
    fractions = {"val": plan.data.val_fraction, "test": plan.data.test_fraction}
    for name, fraction in fractions.items():
        places = case_table.positions(name)
        if places:
            yield from _shortages(case_table, plan, places, name)
        elif fraction > 0:
            yield Finding("warning", name, "no case", "the site has no figures of its own on it")


def _shortages(case_table: CaseTable, plan: Plan, places: list[int], split: str) -> Iterator[Finding]:
    named = [Outcome(shown(one.name), one.of) for one in case_table.outcomes]
    for text, remedy in tasks.of(plan.data).shortages(named, places, split):
        yield Finding("warning", split, text, remedy)


def _release(case_table: CaseTable, plan: Plan, site: SiteFile) -> Iterator[Finding]:
    """Findings on what the site will not send because there are too few cases (`fedgraft.client.site.release`)."""
    least = site.release.min_count
    small = [name for name in ("val", "test") if 0 < len(case_table.positions(name)) < least]
    if small and plan.release.evaluation and site.release.evaluation:
        text = f"the evaluation on {' and '.join(small)} stays here: fewer cases than release.min_count={least}"
        yield Finding("warning", "release", text, "the report shows no figures of this site on it")
    wanted = plan.release.class_counts and site.release.class_counts and plan.loss.asks_all_counts
    if wanted and not _counts_may_leave(case_table, plan, least):
        text = f"class counts stay here: one lies between 0 and release.min_count={least}"
        yield Finding("warning", "release", text, "the plan's global class counts come from the other sites")


def _counts_may_leave(case_table: CaseTable, plan: Plan, least: int) -> bool:
    """Whether all counts may leave the site, by the rule of the task."""
    task = tasks.of(plan.data)
    try:
        counts = task.count(task.targets([case_table.cases[at] for at in case_table.positions("train")]))
    except DataError:  # a target that can't be used is a finding of its own
        return True
    return task.releasable(counts, least) == counts


def _grid(case_table: CaseTable, plan: Plan) -> Grid:
    places = {name: case_table.positions(name) for name in SPLITS}
    if tasks.of(plan.data).may_be_unknown:
        cells = [
            (shown(one.name), *(_with_without(one, some) for some in places.values())) for one in case_table.outcomes
        ]
        return Grid("usable cases with / without a finding (+ unknown)", ("finding", *SPLITS), tuple(cells))
    rows = []
    for name, some in places.items():
        counts = [f"{one.count(True, some):,}" for one in case_table.outcomes]
        rows.append((name, f"{len(some):,}", f"{len({case_table.cases[at].patient for at in some}):,}", *counts))
    header = ("split", "usable cases", "patients", *(shown(one.name) for one in case_table.outcomes))
    grid = Grid(f"usable cases for data.task={plan.data.task}", header, tuple(rows))
    return grid.transposed() if len(case_table.outcomes) > MOST_ACROSS else grid


def _with_without(outcome: Outcome, places: list[int]) -> str:
    with_it, without, unknown = (outcome.count(having, places) for having in (True, False, None))
    return f"{with_it:,} / {without:,}" + (f" (+ {unknown:,})" if unknown else "")
