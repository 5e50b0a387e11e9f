"""Who is in the cohort: cases, patients, classes, prevalence by split and subgroup."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of, lines_of, share, shown
from fedgraft.client.check.outcomes import absent_columns, other_outcomes, target_columns
from fedgraft.client.check.report import Bars, Finding, Grid, Section
from fedgraft.client.check.sections.subgroups import Subgroup, subgroups
from fedgraft.client.cohort.case import SPLITS
from fedgraft.common import tasks
from fedgraft.common.plan.data_sections import DataSection

MOST_SUBGROUPS = 12
MOST_ACROSS = 4
"""Outcomes side by side; more go below one another, so that their names can be read."""


def describe_cohort(case_table: CaseTable, data: DataSection | None, least: int) -> Section:
    """The section with counts and prevalences.

    Args:
        data: the plan's section, if there is a plan.
        least: fewest patients for which the value of a subgroup (without a plan also a class) is named.
    """
    task = None if data is None else tasks.of(data)
    others = other_outcomes(case_table.cases, task)
    groups = subgroups(case_table.cases, least, target_columns(task) | others)
    findings = [
        _who(case_table),
        *_targets(case_table, data),
        *_splits(case_table, data),
        *_subgroups(groups, len(others)),
    ]
    if case_table.splits is None:
        grids = [_prevalence("all cases", "", case_table, ("all",) * len(case_table.cases), data, least)]
    else:
        grids = [_prevalence("by split", "split", case_table, case_table.splits, data, least, SPLITS)]
    if task is not None and task.may_be_unknown:
        grids.insert(0, _findings(case_table))
    for group in groups[:MOST_SUBGROUPS]:
        grids.append(_prevalence(f"by {shown(group.column)}", shown(group.column), case_table, group.of, data, least))
    return Section("cohort", tuple(findings), tuple(grids), tuple(_class_bars(case_table, data, least)))


def _who(case_table: CaseTable) -> Finding:
    patients = len({case.patient for case in case_table.cases})
    groups = len({case.unit for case in case_table.cases})
    more = (
        ""
        if all(case.group is None for case in case_table.cases)
        else f", in {count_of(groups, 'unit')} that stay together"
    )
    lines = len(set(case_table.lines))
    text = f"{count_of(len(case_table.cases), 'case')} of {count_of(patients, 'patient')}{more}"
    several = f"{count_of(lines, 'line')}, " if lines < len(case_table.cases) else ""
    return Finding("ok", "cases", several + text)


def _targets(case_table: CaseTable, data: DataSection | None) -> Iterator[Finding]:
    if data is None:
        yield _labels(case_table)
        return
    task, said = tasks.of(data), tasks.of(replace(data, classes=tuple(map(shown, data.classes))))
    absent = absent_columns(case_table.cases, task)
    if absent:
        yield Finding(
            "problem",
            "targets",
            f"the plan's data.task={task.name} needs the column(s) {', '.join(map(shown, absent))}",
            "add them to the manifest (docs/cohort.md), or, if it has them under other names, say so under `terms` in "
            f"site.yaml: `terms: {{its name: {shown(absent[0])}}}`",
        )
        return
    bad = task.unreadable(case_table.cases)
    if bad:
        yield Finding(
            "problem",
            "targets",
            f"{count_of(len(bad), 'case')} with {said.unusable}; "
            f"{lines_of([case_table.lines[at] for at in bad])} of the manifest",
            said.mend,
        )
    else:
        yield Finding("ok", "targets", f"every case fits the plan's data.task={task.name}")


def _labels(case_table: CaseTable) -> Finding:
    labels = {case.label for case in case_table.cases if case.label}
    if not labels and not case_table.outcomes:
        return Finding("warning", "targets", "the manifest has no labels", "name a plan with --plan to check its task")
    if labels and not case_table.outcomes:
        return Finding(
            "warning",
            "targets",
            f"{len(labels)} different labels: too many to be classes of a plan",
            "put a class into `label`; other text belongs into a column of its own",
        )
    text = f"{count_of(len(labels), 'label')}" if labels else "times and events"
    return Finding("ok", "targets", f"{text}; whether they are a plan's needs a plan")


def _splits(case_table: CaseTable, data: DataSection | None) -> Iterator[Finding]:
    if data is not None and data.test == "given" and any(case.split is None for case in case_table.cases):
        text = "the plan says data.test=given, but the manifest names no `split`"
        yield Finding("problem", "splits", text, "add the column: train, val or test on every line")
        return
    if case_table.splits is None:
        yield Finding("ok", "splits", "the manifest names none; `split` in site.yaml decides, by patient")
        return
    sides: dict[str, set[str]] = defaultdict(set)
    lines: dict[str, list[int]] = defaultdict(list)
    for case, line, side in zip(case_table.cases, case_table.lines, case_table.splits, strict=True):
        for unit in {f"patient {case.patient}", f"unit {case.unit}"}:
            sides[unit].add(side)
            lines[unit].append(line)
    crossing = {case.patient for case in case_table.cases if len(sides[f"patient {case.patient}"]) > 1}
    crossing_units = {case.unit for case in case_table.cases if len(sides[f"unit {case.unit}"]) > 1}
    number = max(len(crossing), len(crossing_units))
    counts = ", ".join(f"{name} {case_table.splits.count(name):,}" for name in SPLITS)
    if not crossing and not crossing_units:
        yield Finding("ok", "splits", f"{counts} cases; no patient is in two of them")
        return
    where = [n for who in crossing for n in lines[f"patient {who}"]]
    where += [n for who in crossing_units for n in lines[f"unit {who}"]]
    yield Finding(
        "problem",
        "splits",
        f"{counts} cases; {count_of(number, 'patient or group', 'patients or groups')} "
        f"in more than one split: figures would be too good; {lines_of(where)} of the manifest",
        "give all cases of a patient, and of a group, one `split`; or leave `split` out",
    )


def _subgroups(groups: Sequence[Subgroup], others: int) -> Iterator[Finding]:
    if others:
        text = f"{count_of(others, 'column')} of yes and no taken for findings that the plan does not use"
        yield Finding("ok", "other findings", text)
    if not groups:
        yield Finding(
            "ok", "subgroups", "no column with few values (sex, age, view, ...), so figures can't be given by subgroup"
        )
        return
    names = ", ".join(shown(group.column) for group in groups[:MOST_SUBGROUPS])
    more = f", and {len(groups) - MOST_SUBGROUPS} more that are not shown" if len(groups) > MOST_SUBGROUPS else ""
    yield Finding("ok", "subgroups", f"{names}{more}")


def _prevalence(
    title: str,
    column: str,
    case_table: CaseTable,
    of: Sequence[str],
    data: DataSection | None,
    least: int,
    order: Sequence[str] = (),
) -> Grid:
    """Cases, patients and the share of each outcome among the cases where it is known."""
    named, everybody = _named(case_table, data, least), range(len(of))
    parts = {name: [at for at in everybody if of[at] == name] for name in order or sorted(set(of))}
    listed = [(name, inside) for name, inside in parts.items() if inside]
    rows = []
    for value, inside in (*listed, *([("all", list(everybody))] if len(listed) > 1 else [])):
        cells = [shown(value), f"{len(inside):,}", f"{len({case_table.cases[at].patient for at in inside}):,}"]
        for number in named:
            known = [one for at in inside if (one := case_table.outcomes[number].of[at]) is not None]
            cells.append(share(sum(known), len(known)))
        rows.append(tuple(cells))
    grid = Grid(title, (column, "cases", "patients", *(shown(case_table.outcomes[n].name) for n in named)), tuple(rows))
    return grid.transposed() if len(named) > MOST_ACROSS else grid


def _findings(case_table: CaseTable) -> Grid:
    """Findings for a task whose outcomes may be unknown."""
    everybody = range(len(case_table.cases))
    rows = []
    for one in case_table.outcomes:
        with_it, without, unknown = (one.count(having, everybody) for having in (True, False, None))
        cells = (f"{with_it:,}", f"{without:,}", f"{unknown:,}", share(with_it, with_it + without))
        rows.append((shown(one.name), *cells))
    return Grid("findings", ("finding", "with it", "without", "unknown", "of the known"), tuple(rows))


def _named(case_table: CaseTable, data: DataSection | None, least: int) -> list[int]:
    """The outcomes that may be named: a plan's, or labels of enough patients (a rare one could be a person's name)."""
    if data is not None:
        return list(range(len(case_table.outcomes)))
    patients = [
        {case.patient for case, has in zip(case_table.cases, one.of, strict=True) if has} for one in case_table.outcomes
    ]
    return [number for number, having in enumerate(patients) if len(having) >= least]


def _class_bars(case_table: CaseTable, data: DataSection | None, least: int) -> Iterator[Bars]:
    named = _named(case_table, data, least)
    if named:
        heights = tuple(float(sum(map(bool, case_table.outcomes[n].of))) for n in named)
        yield Bars("cases by outcome", tuple(shown(case_table.outcomes[n].name) for n in named), heights)
