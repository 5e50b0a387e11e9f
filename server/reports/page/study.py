"""The page about a study: its verdict, methods beside each other, and their differences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.charts import Axis, Series, around, chart, charts
from fedgraft.common.drawing.curves import COLOURS
from fedgraft.common.drawing.markup import Content, Html, Row, named, paragraph, section, table, tag, together
from fedgraft.common.drawing.numbers import MISSING, difference_words, duration, figure, size, spread_words
from fedgraft.common.errors import FedGraftError
from fedgraft.server.reports.page.rivals import rivals_lead, rivals_section

Found = Mapping[str, Any]
TITLES = {
    "federated": "together (federated)",
    "local": "each hospital alone",
    "pooled": "all cases in one place",
    "leave_one_site_out": "trained without it",
    "simpler": "the simplest network",
}


def read_study(folder: Path) -> Found:
    """The content of ``study.json``.

    Raises:
        FedGraftError: it can't be read.
    """
    try:
        found: Found = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FedGraftError(f"{folder}/study.json can't be read: {error}") from error
    return found


def title_of(found: Found, method: str) -> str:
    """What a method is called; beside rivals the recipe itself has a name too."""
    names: Mapping[str, str] = found.get("rivals", {}).get("names", {})
    return names.get(method) or TITLES.get(method, method)


def study_page(found: Found) -> tuple[Content, ...]:
    """The parts of the page."""
    beside = None
    if "rivals" in found:
        beside = rivals_section(found, few_sites(found), [] if found["difference"] else alike_sentence(found))
    parts = (_figures(found), _differences(found), _cost(found), _notes(found))
    return (_verdict(found), _warnings(found), beside, *parts)


def _verdict(found: Found) -> Html:
    said = found.get("verdict")
    if "rivals" in found:
        said = rivals_lead(found) if said is None else f"{said} {rivals_lead(found)}"
    if said is None:
        said = "Whether federation helped is not known: no hospital was trained alone (baselines=[local])."
    counted = found.get("counted")
    count = len(found["sites"]) if counted is None else len({site for sites in counted for site in sites})
    seeds = len(found["seeds"])
    whole = found["mean_over_sites"]["federated"]["mean"]
    folds = (
        ""
        if found.get("folds") is None
        else f", each case scored once, by models trained without it ({found['folds']} folds)"
    )
    named_so = f" ({title_of(found, 'federated')})" if "rivals" in found else ""
    return together(
        (
            paragraph(said, class_="lead"),
            paragraph(
                f"Trained together{named_so}, the model reaches {found['heading']} {figure(whole)} on average over "
                f"{count} hospital{'s' * (count != 1)} and {seeds} random seed{'s' * (seeds != 1)}{folds}. "
                "Higher is better; 0.5 is guessing for AUROC and C-index.",
                class_="about",
            ),
        )
    )


def _warnings(found: Found) -> Html | None:
    said = [f"Failed: {one['run']}, seed {one['seed']}: {one['why']}" for one in found["failed"]]
    if len(found["seeds"]) == 1:
        said.append("One seed only: another draw of training and test cases can give other figures.")
    said += [few_sentence(found)] if few_sites(found) else []
    said += found.get("warnings", [])
    if found["dropped"]:
        names = ", ".join(sorted({one["site"] for one in found["dropped"]}))
        said.append(f"Dropped from a round or an evaluation: {names} ({len(found['dropped'])} times).")
    if not said:
        return None
    items = (tag("li", text) for text in said)
    return tag("aside", tag("h2", "Before you rely on it"), tag("ul", *items), class_="warnings", role="note")


def _figures(found: Found) -> Html:
    methods: Sequence[str] = found["methods"]
    rows = [
        Row((_marked(found, site), *(spread_words(found["by_site"][site][method]) for method in methods)))
        for site in found["sites"]
    ]
    rows.append(Row(("mean over hospitals", *(spread_words(found["mean_over_sites"][m]) for m in methods)), "all"))
    if found.get("folds") is not None:
        rows.append(Row(("all cases together", *(spread_words(found["all_cases"][m]) for m in methods)), "all"))
    rows.append(Row(("the weakest hospital", *(_worst(found["worst_site"][m]) for m in methods))))
    what = "out-of-fold" if found.get("folds") is not None else "test"
    return section(
        "Methods",
        paragraph(f"{found['heading']} on {what} cases; ± is the standard deviation over seeds."),
        charts(_chart(found)),
        table(None, ("hospital", *(title_of(found, method) for method in methods)), rows),
    )


def few_sites(found: Found) -> list[str]:
    """The sites with fewer than 5 positive or negative test cases with some seed."""
    return sorted({site for by_seed in found.get("few", ()) for site in by_seed})


def few_sentence(found: Found) -> str:
    """What the mark `†` says of `few_sites`: that they count in nothing, or that all do, since all have too few."""
    few = few_sites(found)
    said = "Marked †, fewer than 5 positive or negative test cases with some seed"
    if any(set(by_seed) & set(counted) for by_seed, counted in zip(found["few"], found["counted"], strict=True)):
        return (
            f"{said}: {', '.join(few)}. No hospital has enough, so that means, differences and the worst site are over "
            "these all the same, and can tell nothing."
        )
    return f"{said}, with which it counts in no mean, no difference over sites and no worst site: {', '.join(few)}."


def differences_of(found: Found) -> list[Mapping[str, Any]]:
    """All differences: to baselines, and of rivals."""
    return [*found["difference"].values(), *found.get("rivals", {}).get("difference", {}).values()]


def alike_sentence(found: Found) -> list[str]:
    """What `fedgraft.common.drawing.numbers.alike` says of differences, a sentence for each of the two reasons."""
    each = [one for some in differences_of(found) for one in (some["mean_over_sites"], *some["by_site"].values())]
    known = {one.get("cases_deviation") is not None for one in each if one.get("same")}
    said = {
        True: "Equal or the same in all resamples: whatever seed and test cases are drawn, the difference is that, as "
        "when both models rank all cases alike. There is no interval then, and no certainty: too few cases to tell.",
        False: "Equal or the same with every seed: seeds change nothing, and what other test cases would change is not "
        "known. There is no interval then, and no certainty.",
    }
    return [sentence for reason, sentence in said.items() if reason in known]


def _marked(found: Found, site: str) -> Content:
    return tag("span", named(site), " †" * (site in few_sites(found)))


_NAMED, _SHORT = 5, 14
"""So many hospitals at most are named below the chart, by names of so many letters at most."""


def _chart(found: Found) -> Html:
    names: Sequence[str] = found["sites"]
    apart = min(0.12, 0.8 / len(found["methods"]))
    series, values = [], []
    for place, method in enumerate(found["methods"]):
        points, tips = [], []
        for number, site in enumerate(names):
            for value in found["by_site"][site][method]["values"]:
                if value is not None:
                    points.append((number + 1 + apart * (place - (len(found["methods"]) - 1) / 2), value))
                    tips.append(f"{site}, {title_of(found, method)}: {value:.3f}")
        values += [value for _, value in points]
        name = title_of(found, method)
        series.append(Series(points, COLOURS[place % len(COLOURS)], name, tips, line=False, dots=True))
    x = Axis("hospital, in the order of the table", 0.5, len(names) + 0.5, "{:g}".format, whole=True)
    if len(names) <= _NAMED and max(map(len, names)) <= _SHORT:
        x = Axis("hospital", 0.5, len(names) + 0.5, lambda place: names[round(place) - 1], whole=True)
    return chart(
        f"{found['heading']} by hospital, a point for each seed",
        None,
        x,
        around(values, found["heading"], "{:.2f}".format),
        series,
    )


def _differences(found: Found) -> Html | None:
    if not found["difference"]:
        return None
    baselines, compared = list(found["difference"]), found["difference"].values()
    rows = [
        Row((_marked(found, site), *(difference_words(one["by_site"][site]) for one in compared)))
        for site in found["sites"]
    ]
    whole = (difference_words(one["mean_over_sites"]) for one in compared)
    rows.append(Row(("mean over hospitals", *whole), "all"))
    return section(
        "Differences",
        paragraph("Together, minus each of the others; in brackets the 95 % interval, paired by seed."),
        *map(paragraph, alike_sentence(found)),
        table(None, ("hospital", *(f"minus {title_of(found, name)}" for name in baselines)), rows),
    )


def _cost(found: Found) -> Html:
    rows = [
        (
            title_of(found, method),
            str(one["runs"]),
            duration(one["seconds"]),
            *(MISSING if one[way] is None else size(one[way]) for way in ("bytes_down", "bytes_up")),
        )
        for method, one in found["cost"].items()
    ]
    return section("Cost", table(None, ("method", "runs", "time of rounds", "to a hospital a round", "from it"), rows))


def _notes(found: Found) -> Html:
    said: Iterator[Content] = (tag("li", text) for text in (*found.get("notes", ()), *found.get("budget", ())))
    return section(
        "Notes",
        tag("ul", *said, tag("li", "Every run's own report is in its folder under runs/; study.json has all numbers.")),
    )


def _worst(one: Mapping[str, Any] | None) -> Content:
    return "undefined" if one is None else tag("span", f"{figure(one['mean'])} ", named(one["site"]))
