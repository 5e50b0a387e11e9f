"""The site's own page: put together from its sections, of the same make as a run's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

from fedgraft.client.own_report.figures import Doubt, Judged, counts_of, doubts, figures_of, wrong_and_sure
from fedgraft.client.own_report.own_cases import OwnCases
from fedgraft.common.calibration.figures import figures, mapped
from fedgraft.common.decisions.curves import roc
from fedgraft.common.drawing.charts import charts
from fedgraft.common.drawing.curves import precision_curve, reliability, roc_curve
from fedgraft.common.drawing.document import document
from fedgraft.common.drawing.groups import ended, few, group_forest, group_table
from fedgraft.common.drawing.markup import Content, Html, Row, details, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import MISSING, figure, percent, with_interval

MOST_CASES, MOST_SHOWN = 20, 3
_SPLITS = {"val": "validation", "test": "test"}

Columns = Mapping[str, Mapping[str, Sequence[int]]]
"""By column of the manifest and group, the places of its cases."""


def site_page(site: str, own: OwnCases, rules: Judged, columns: Columns, unlisted: int) -> Html:
    """The page.

    Args:
        columns: groups of the cases of `shown_split`.
        unlisted: how many of these cases the manifest does not list any more.
    """
    split = shown_split(own)
    among = own.of(split)
    parts = (
        paragraph(
            f"The model {own.task.purpose}. On {len(among):,} {_SPLITS[split]} cases of this hospital.", class_="lead"
        ),
        paragraph(
            tag("strong", "This page must stay at the hospital. "),
            "It tells more than may leave: figures of few cases, and single cases by the names that only this hospital "
            "can resolve (fedgraft site case NAME).",
            None if split == "test" else " There are no test cases: validation cases helped to choose the model.",
        ),
        *(_scored(own, rules, split) if own.task.has_probabilities else _ranked(own)),
        _groups(own, rules, columns, unlisted),
        paragraph(f"Plan {own.plan.digest}; page made by fedgraft {version('fedgraft')}.", class_="soft"),
        paragraph("This is research software, not a medical device.", class_="soft"),
    )
    return document(f"{site}: own report", parts)


def shown_split(own: OwnCases) -> str:
    """The test cases if there are any."""
    return "test" if own.of("test") else "val"


def _scored(own: OwnCases, rules: Judged, split: str) -> tuple[Content, ...]:
    return (
        _figures(own, rules),
        _curves(own, rules, split),
        _probabilities(own, rules, split),
        _single_cases(own, rules),
    )


def _figures(own: OwnCases, rules: Judged) -> Html:
    headings = ("", "cases", "positive", "AUROC", "sensitivity", "specificity", "PPV", "NPV")
    rows = []
    for place, name in enumerate(own.task.scored):
        for split, words in _SPLITS.items():
            one = figures_of(own, rules, own.of(split), place)
            if one["cases"]:
                shares = (with_interval(one.get(key)) for key in ("sensitivity", "specificity", "ppv", "npv"))
                auroc = ended(one["auroc"], 3)
                cells = (tag("span", named(name), f", {words}"), f"{one['cases']:,}", percent(one["prevalence"]), auroc)
                rows.append(Row((*cells, *shares), "few" if few(one) else None))
    return section(
        "Figures",
        paragraph(f"Thresholds: {rules.thresholds}. Below: 95 % intervals (DeLong for the AUROC, Wilson for shares)."),
        table(None, headings, rows),
    )


def _curves(own: OwnCases, rules: Judged, split: str) -> Html:
    all_counts = counts_of(own, own.of(split))
    known = {
        name: [asdict(point) for point in roc(counts)]
        for name, counts in zip(own.task.scored, all_counts, strict=True)
        if not counts.one_sided
    }
    if not known:
        return section("Telling cases apart", paragraph("No curves: the cases are of one side only."))
    share = float(all_counts[0].positives.sum() / max(1, all_counts[0].cases))
    return section("Telling cases apart", charts(roc_curve(known), precision_curve(known, share)))


def _probabilities(own: OwnCases, rules: Judged, split: str) -> Html:
    drawn = []
    for name, counts, one in zip(own.task.scored, counts_of(own, own.of(split)), rules.maps, strict=True):
        before, after = (figures(each, own.plan.seed) for each in (counts, mapped(counts, one)))
        if before is not None and after is not None:
            drawn.append(reliability(name, before.to_dict(), after.to_dict()))
    rest = drawn[MOST_SHOWN:]
    return section(
        "Probabilities",
        paragraph(f"Probabilities are {rules.calibration}."),
        charts(*drawn[:MOST_SHOWN]),
        details(f"{len(rest)} more", charts(*rest)) if rest else None,
    )


def _single_cases(own: OwnCases, rules: Judged) -> Html:
    near, wrong = doubts(own, rules), wrong_and_sure(own, rules)
    if not near:
        return section("Single cases", paragraph("None: there is no threshold."))
    return section(
        "Single cases",
        paragraph("Validation and test cases. The names are resolved by: fedgraft site case NAME --site site.yaml"),
        _cases(f"Most in doubt: nearest to the threshold, of {len(near):,}", near),
        _cases(f"Wrong, and farthest from the threshold, of {len(wrong):,}: is the label right?", wrong)
        if wrong
        else None,
    )


def _cases(caption: str, found: Sequence[Doubt]) -> Html:
    rows = [
        (
            one.name,
            _SPLITS.get(one.split, one.split),
            named(one.scored),
            percent(one.probability),
            "unknown" if one.has is None else "yes" if one.has else "no",
            "wrong" if one.wrong else "right" if one.has is not None else MISSING,
        )
        for one in found[:MOST_CASES]
    ]
    return table(caption, ("case", "split", "is it", "probability", "truth", "call"), rows)


def _ranked(own: OwnCases) -> tuple[Content, ...]:
    """A task without probabilities: its figures by split."""
    name = own.task.headline
    rows = []
    for split, words in _SPLITS.items():
        if among := own.of(split):
            one = own.evaluation(among)
            rows.append((words, f"{one.cases:,}", percent(one.prevalence), figure(one.figures()[name])))
    headings = ("", "cases", "with event", own.task.columns[name])
    return (section("Figures", table(None, headings, rows)),)


def _groups(own: OwnCases, rules: Judged, columns: Columns, unlisted: int) -> Html:
    gone = f" {unlisted:,} of the cases are not in the manifest as it is now, and left out." if unlisted else ""
    if not columns:
        return section("Subgroups", paragraph(f"None: no column of the manifest has 2 to 12 values.{gone}"))
    return section(
        "Subgroups",
        paragraph(
            f"By every column of the manifest that has 2 to 12 values, however small a group.{gone} With many groups "
            "some differ by chance alone: look at the intervals."
        ),
        *(_column(own, rules, column, groups) for column, groups in columns.items()),
    )


def _column(own: OwnCases, rules: Judged, column: str, groups: Mapping[str, Sequence[int]]) -> Html:
    if not own.task.has_probabilities:
        known = {name: own.evaluation(among) for name, among in groups.items()}
        headline = own.task.headline
        rows = [
            (named(n), f"{e.cases:,}", percent(e.prevalence), figure(e.figures()[headline])) for n, e in known.items()
        ]
        return table(None, (column, "cases", "with event", own.task.columns[headline]), rows)
    parts = []
    for place, scored in enumerate(own.task.scored):
        found = {name: figures_of(own, rules, among, place) for name, among in groups.items()}
        defined = {name: one["auroc"][0] for name, one in found.items() if one["auroc"] is not None and not few(one)}
        worst = min(defined, key=lambda name: defined[name]) if len(defined) > 1 else None
        label = scored if len(own.task.scored) > 1 else None
        parts.append(
            tag("div", group_forest(column, label, found, worst, None), group_table(column, label, found, worst))
        )
    rest = parts[MOST_SHOWN:]
    return tag("div", *parts[:MOST_SHOWN], details(f"{len(rest)} more", *rest) if rest else None)
