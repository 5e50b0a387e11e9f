"""The recipes of a study beside each other as tables: in the terminal and ``study.md``, and as ``rivals.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.files import replacing
from fedgraft.server.reports.page.study import few_sites
from fedgraft.simulations.study.cells import difference_cell, spread_cell

RIVALS = "rivals.csv"
MEAN = "mean over sites"
COLUMNS = (
    *("recipe", "words", "minus", "site", "few_cases", "validation", "test", "difference"),
    *("low", "high", "p", "p_holm", "outcome", "chosen_by_validation"),
)
_SHORT = {
    "better": "better",
    "worse": "worse",
    "better_alone": "better (alone)",
    "worse_alone": "worse (alone)",
    "no_difference": "none shown",
    "same": "can't tell",
    "cannot_tell": "can't tell",
    "one_seed": "one seed",
    "missing": "",
}
Rows = list[tuple[str, ...]]


def recipe_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Headings, and a row for each recipe: validation and test figure, difference, p; ``‡``: chosen by validation."""
    rivals = found["rivals"]
    names, chosen = rivals["names"], rivals["chosen"]
    rows: Rows = []
    for method, name in names.items():
        mark = " ‡" if chosen is not None and chosen["method"] == method else ""
        test, val = found["mean_over_sites"][method], rivals["validation"][method]
        one = rivals["difference"].get(method)
        told = (
            ("", "", "") if one is None else (difference_cell(one["mean_over_sites"]), _p(one), _SHORT[one["outcome"]])
        )
        rows.append((name + mark, spread_cell(val), spread_cell(test), *told))
    reference = names[rivals["reference"]]
    p = "p" if len(rivals["difference"]) == 1 else "p (Holm)"
    return ("recipe", "validation", "test", f"minus {reference}", p, "difference"), rows


def site_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Headings, and a row for each site: the difference of each recipe to the reference."""
    rivals = found["rivals"]
    few = few_sites(found)
    rows: Rows = [
        (site + " †" * (site in few), *(difference_cell(one["by_site"][site]) for one in rivals["difference"].values()))
        for site in found["sites"]
    ]
    rows.append((MEAN, *(difference_cell(one["mean_over_sites"]) for one in rivals["difference"].values())))
    reference = rivals["names"][rivals["reference"]]
    return (f"minus {reference}", *(rivals["names"][method] for method in rivals["difference"])), rows


def write_rivals(path: Path, found: Mapping[str, Any]) -> None:
    """Write ``rivals.csv``: for each recipe a line for the mean over sites, and one for each site."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(csv_rows(found))


def csv_rows(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of ``rivals.csv``; what is undefined is empty."""
    rivals = found["rivals"]
    few, chosen = few_sites(found), rivals["chosen"]
    for method, name in rivals["names"].items():
        known = rivals["difference"].get(method)
        common = {"recipe": name, "words": rivals["words"][method], "minus": rivals["names"][rivals["reference"]]}
        whole = {"validation": rivals["validation"][method]["mean"], "test": found["mean_over_sites"][method]["mean"]}
        whole["chosen_by_validation"] = None if chosen is None else int(chosen["method"] == method)
        if known is not None:
            whole |= {**_numbers(known["mean_over_sites"]), "p_holm": known["p_holm"], "outcome": known["outcome"]}
        yield {**common, "site": MEAN, **whole}
        for site in found["sites"]:
            own = {"few_cases": int(site in few), "test": found["by_site"][site][method]["mean"]}
            yield {**common, "site": site, **own, **({} if known is None else _numbers(known["by_site"][site]))}


def _numbers(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"difference": one["mean"], **{name: one[name] for name in ("low", "high", "p")}}


def _p(one: Mapping[str, Any]) -> str:
    p = one["p_holm"]
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
