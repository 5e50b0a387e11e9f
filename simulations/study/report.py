"""Report a study in tables and sentences: on the console, and as ``study.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.page.study import alike_sentence, differences_of, few_sentence, few_sites
from fedgraft.simulations.study.cells import UNDEFINED, deviation, difference_cell, line, spread_cell, title_of
from fedgraft.simulations.study.rivals.table import recipe_rows, site_rows

Rows = list[tuple[str, ...]]


def figure_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Headings, and a row for each site, the mean over sites, and the worst site."""
    methods = found["methods"]
    few = few_sites(found)
    rows = [
        (site + " †" * (site in few), *(spread_cell(found["by_site"][site][method]) for method in methods))
        for site in found["sites"]
    ]
    rows.append(("mean over sites", *(spread_cell(found["mean_over_sites"][method]) for method in methods)))
    if found.get("folds") is not None:
        rows.append(("all cases together", *(spread_cell(found["all_cases"][method]) for method in methods)))
        rows.append(("pairs of one site", *(spread_cell(found["within_sites"][method]) for method in methods)))
    rows.append(("worst site", *(_worst(found["worst_site"][method]) for method in methods)))
    return ("site", *(title_of(found, method) for method in methods)), rows


def difference_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Headings, and federated minus each baseline, by site and over sites."""
    baselines = list(found["difference"])
    rows = [
        (site, *(difference_cell(found["difference"][baseline]["by_site"][site]) for baseline in baselines))
        for site in found["sites"]
    ]
    whole = (difference_cell(found["difference"][baseline]["mean_over_sites"]) for baseline in baselines)
    return ("federated minus", *(title_of(found, name) for name in baselines)), [*rows, ("mean over sites", *whole)]


def cost_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Headings, and each method's learning rates, number of runs, time and traffic."""
    rows = [
        (
            title_of(found, method),
            _rates(found, method),
            str(cost["runs"]),
            f"{cost['seconds']:.1f} s",
            *(UNDEFINED if cost[way] is None else f"{cost[way]:,}" for way in ("bytes_down", "bytes_up")),
        )
        for method, cost in found["cost"].items()
    ]
    by = "seed" if found.get("folds") is None else "seed and fold"
    return ("method", f"lr by {by} (or how often)", "runs", "time of rounds", "bytes down", "bytes up"), rows


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Sentences on the result, and on what the tables do not show: undefined figures, failures, exclusions."""
    said = [found["verdict"], found["verdict_by_site"]] if "verdict" in found else []
    said = [one for one in said if one] + [f"Warning: {one}." for one in found["warnings"]]
    said += found.get("rivals", {}).get("sentences", [])
    if differences_of(found):
        said += [_intervals(found), *alike_sentence(found)]
    said += found.get("notes", [])
    if found.get("cases") is not None:
        said.append(f"With {found['cases']} training cases per class and site; for the other numbers see curve.md.")
    if found.get("folds") is not None:
        said.append(_out_of_fold(found))
    if few_sites(found):
        said.append(few_sentence(found))
    undefined = [
        site for site, by_method in found["by_site"].items() if any(None in one["values"] for one in by_method.values())
    ]
    if undefined:
        said.append(
            f"Marked `*`, no {found['heading']} with some seed or method (for instance test cases of one class): "
            f"{', '.join(undefined)}."
        )
    elif any(one["mean"] is not None and None in one["values"] for one in found["mean_over_sites"].values()):
        said.append("Marked `*`, a mean over those seeds alone that have a site with enough test cases.")
    said.append(_counted(found))
    said += found.get("budget", [])
    if found["chosen_without_val"]:
        said.append(
            f"No {found['heading']} on their validation cases, so that they took the federation's rate, or the nearest "
            f"at which training ended: {', '.join(found['chosen_without_val'])}."
        )
    if found["last_without_val"]:
        said.append(
            f"No {found['heading']} on their validation cases, so that they took the last round's model: "
            f"{', '.join(found['last_without_val'])}."
        )
    for run, columns in found["without_columns"].items():
        said.append(f"Trained without columns that nobody measured there: {run}: {', '.join(columns)}.")
    for run, options in found["without_options"].items():
        said.append(f"Trained without options that have no effect with the cases there: {run}: {', '.join(options)}.")
    for one in found["dropped"]:
        where = f"{_at(one)}, lr {one['lr']:g}, round {one['round']}"
        said.append(f"Dropped: {where}: {one['site']} ({one['what']}): {one['reason']}.")
    return said + [f"Failed: {_at(one)}: {one['why']}" for one in found["failed"]]


def _intervals(found: Mapping[str, Any]) -> str:
    """A sentence on what intervals hold."""
    known = all(one["mean_over_sites"]["cases_deviation"] is not None for one in differences_of(found))
    if not known:
        return "Intervals hold the differences between seeds alone, not the choice of test cases."
    how = "two methods are compared on the same cases (DeLong)"
    rivals = found.get("rivals", {}).get("difference", {}).values()
    if not all(one["paired"] for one in (found.get("judged", {"paired": True}), *rivals)):
        how = "where the scores of the same cases are not known, two methods count as independent, which is too wide"
    return f"Intervals hold the differences between seeds and the choice of test cases; {how}."


def print_study(found: Mapping[str, Any], console: Console) -> None:
    """Print tables and sentences."""
    for title, (headings, rows), last in _tables(found):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left")
        for place, row in enumerate(rows):
            if last and place == len(rows) - last:
                table.add_section()
            table.add_row(*row)
        console.print(table)
    for sentence in sentences(found):
        console.print(sentence, markup=False, highlight=False)


def markdown(found: Mapping[str, Any], plan: Plan) -> str:
    """The content of ``study.md``."""
    lines = [
        "# Study",
        "",
        f"{plan.rounds} rounds of {plan.train.epochs} epoch(s), seeds {_listed(found['seeds'])}.",
        "",
    ]
    for sentence in sentences(found):
        lines += [sentence.replace("\n", " "), ""]
    for title, (headings, rows), _ in _tables(found):
        lines += [f"## {title}", "", line(headings), line(["---"] + ["---:"] * (len(headings) - 1))]
        lines += [*map(line, rows), ""]
    return "\n".join([*lines, "![The figure of each site by method](study.png)", ""])


def _out_of_fold(found: Mapping[str, Any]) -> str:
    """A sentence on how the cases were scored."""
    counts = found["all_cases"][found["methods"][0]]["cases"]
    return (
        f"Figures are out of fold: each site's cases are dealt into {found['folds']} folds by patient or group, and "
        "the cases of a fold are scored by models that were trained without it, so that each case is scored once "
        f"({', '.join(map(str, counts))} cases by seed). data.test_fraction has no part in it."
    )


def _at(one: Mapping[str, Any]) -> str:
    """``pooled, seed 0, fold 2``."""
    fold = f", fold {one['fold']}" if "fold" in one else ""
    return f"{one['run']}, seed {one['seed']}{fold}"


def _counted(found: Mapping[str, Any]) -> str:
    """A sentence on the sites over which means, differences and the worst site are computed."""
    whole, counts = len(found["sites"]), [len(sites) for sites in found["counted"]]
    what = "Means over sites, their differences and the worst site are over"
    by_seed = ", ".join(f"{count} with seed {seed}" for seed, count in zip(found["seeds"], counts, strict=True))
    some = f"the sites with enough test cases and a figure under every method, of {whole}: {by_seed}"
    said = f"{what} {f'all {whole} site(s)' if set(counts) == {whole} else some}."
    aside = [
        title_of(found, name) for name, one in found["mean_over_sites"].items() if one["mean"] is None and any(counts)
    ]
    return f"{said} Left aside, without any figure: {', '.join(aside)}." if aside else said


def _tables(found: Mapping[str, Any]) -> list[tuple[str, tuple[tuple[str, ...], Rows], int]]:
    """Title, content, and how many rows at the end are set apart."""
    heading, seeds = found["heading"], len(found["seeds"])
    over = f"mean and deviation over {seeds} seeds" if seeds > 1 else "one seed"
    what, last = ("Test", 2) if found.get("folds") is None else ("Out-of-fold", 4)
    interval = "mean and 95 % interval, paired by seed" if seeds > 1 else "one seed, no interval"
    tables = [(f"{what} {heading} by site, {over}", figure_rows(found), last)]
    if "rivals" in found:
        beside = f"Recipes beside each other: {heading}, mean over sites (‡ chosen by validation)"
        tables = [
            (beside, recipe_rows(found), 0),
            (f"Difference in {heading}, {interval}", site_rows(found), 1),
            *tables,
        ]
    if found["difference"]:
        tables.append((f"Difference in {heading}, {interval}", difference_rows(found), 1))
    whole = [(title, some, last) for title, table, last in tables for some in in_width(table)]
    return [*whole, ("Cost (bytes per site and round)", cost_rows(found), 0)]


MOST_COLUMNS = 6


def in_width(table: tuple[tuple[str, ...], Rows]) -> list[tuple[tuple[str, ...], Rows]]:
    """The table, or several with the same first column, of so few columns that lines are not broken."""
    headings, rows = table
    starts = range(1, len(headings), MOST_COLUMNS - 1)
    parts = [slice(start, start + MOST_COLUMNS - 1) for start in starts]
    return [((headings[0], *headings[part]), [(row[0], *row[part]) for row in rows]) for part in parts]


def _worst(one: Mapping[str, Any] | None) -> str:
    return UNDEFINED if one is None else f"{one['mean']:.3f}{deviation(one)} {one['site']}"


def _rates(found: Mapping[str, Any], method: str) -> str:
    """``0.01, 0.03``: the chosen rate by seed; for a method with a training per site, each rate with its count;
    ``none`` for one that has no rate."""
    without = set(found.get("without_lr", ()))
    runs = [
        rates
        for name, rates in found["chosen_lr"].items()
        if (name == method or name.startswith(f"{method}-")) and name not in without
    ]
    if not runs:
        return "none"
    if len(runs) == 1 and found.get("folds") is None:
        return ", ".join(f"{rate:g}" for rate in runs[0])
    every = [rate for rates in runs for rate in rates]
    return ", ".join(f"{rate:g} ({every.count(rate)})" for rate in sorted(set(every)))


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
