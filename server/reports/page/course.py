"""How the run went: figures by round, who took part, bytes and time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fedgraft.common.drawing.charts import Axis, Series, around, chart, charts
from fedgraft.common.drawing.markup import Content, Html, details, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import duration, figure, size
from fedgraft.server.evidence.listed import WEAKEST, WHOLE
from fedgraft.server.exchange.ledger import LEARNING
from fedgraft.server.reports.crowd import quantiles
from fedgraft.server.reports.page.folder import RunFolder

MOST_ROUNDS, MOST_LINES = 40, 60
_BANDS = {0.1: "the tenth from below", 0.5: "the middle", 0.9: "the tenth from above"}


def rounds(run: RunFolder) -> Html:
    """The headline figure and the training loss by round."""
    last = run.rounds[-1]["round"] if run.rounds else 0
    if last < 1:
        return section("Rounds", paragraph("No round was trained: the model is the one that the run started from."))
    final = run.summary["final_round"]
    split = next((one["split"] for one in run.sites.values()), "val")
    return section(
        "Rounds",
        paragraph(
            f"{last} rounds; the final model is that of round {final} (select={run.plan.select}).",
            "" if run.ranked else f" {run.heading} by round is not given: scores came in too few groups.",
        ),
        charts(_headline(run, split, last), _loss(run, last)) if run.ranked else charts(_loss(run, last)),
        details("Figures by round", _table(run)),
    )


def _headline(run: RunFolder, split: str, last: int) -> Html:
    series, name = [], run.headline
    drawn = [site for site in run.sites if not run.is_crowd or site == run.worst]
    for share, band in _BANDS.items() if run.is_crowd else ():
        series.append(_line(_quantile(run, split, share), "other", None, band))
    for site in sorted(drawn, key=lambda one: one == run.worst):
        points = [(r["round"], (r["sites"].get(site, {}).get(split) or {}).get(name)) for r in run.rounds]
        worst = site == run.worst
        series.append(_line(points, "bad" if worst else "other", f"the weakest: {site}" if worst else None, site))
    whole = [(r["round"], r["test"][name]) for r in run.rounds]
    series.append(_line(whole, "c0", "test cases, all together", "all together"))
    values = [value for each in series for _, value in each.points]
    words = "Grey: each other hospital." if len(run.sites) > 1 else None
    if run.is_crowd:
        words = f"Grey: {', '.join(_BANDS.values())} of {len(run.sites):,} hospitals."
    return chart(
        f"{run.heading} by round", words, _by_round(last), around(values, run.heading, "{:.2f}".format), series
    )


def _quantile(run: RunFolder, split: str, share: float) -> list[tuple[int, float | None]]:
    """Of the hospitals' headline figures, by round."""
    return [
        (r["round"], quantiles([(one.get(split) or {}).get(run.headline) for one in r["sites"].values()], [share])[0])
        for r in run.rounds
    ]


def _line(points: list[tuple[int, float | None]], css: str, name: str | None, tip: str) -> Series:
    known = [(number, value) for number, value in points if value is not None]
    return Series(known, css, name, [f"{tip}, round {number}: {value:.3f}" for number, value in known])


def _loss(run: RunFolder, last: int) -> Html | None:
    points = [(r["round"], r["train_loss"]) for r in run.rounds if r["train_loss"] is not None]
    if not points:
        return tag("figure", tag("h3", "Training loss"), tag("figcaption", "The hospitals did not release it."))
    line = _line(points, "c0", "mean over training cases", "loss")
    values = [value for _, value in points]
    return chart("Training loss by round", None, _by_round(last), around(values, "loss", "{:.3g}".format), [line])


def _by_round(last: int) -> Axis:
    return Axis("round", 0, last, "{:g}".format, whole=True)


def _table(run: RunFolder) -> Html:
    headings = ("round", "hospitals", "training loss", f"{run.heading}, validation", f"{run.heading}, test", "seconds")
    name = run.headline
    rows = [
        (
            str(r["round"]),
            str(len(r["updated"])),
            figure(r["train_loss"], 4),
            figure(r["val"][name] if run.ranked else None),
            figure(r["test"][name] if run.ranked else None),
            f"{r['seconds']:.1f}",
        )
        for r in run.rounds
    ]
    return table(None, headings, rows)


def taking_part(run: RunFolder) -> Html:
    """Who took part in which round, and who was dropped and why."""
    asked = _asked(run)
    numbers = sorted({number for _, number in asked})
    shown = numbers[:MOST_ROUNDS]
    names, who = _in_grid(run, asked, shown)
    head = tag("tr", tag("th", "hospital", scope="col"), *(tag("th", str(number), scope="col") for number in shown))
    body = [
        tag(
            "tr",
            tag("th", named(site), scope="row"),
            *(_cell(asked.get((site, number)), site, number) for number in shown),
        )
        for site in names
    ]
    grid = tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="grid-of-rounds")
    beyond = f" Rounds up to {shown[-1]}; the ledger has all." if len(numbers) > len(shown) else ""
    held = run.summary["held_out"]
    return section(
        "Who took part",
        paragraph(
            tag("span", "●", class_="took"),
            " trained in that round, ",
            tag("span", "✕", class_="broken"),
            " asked, but no usable answer, ",
            tag("span", "○", class_="absent"),
            " not asked.",
            beyond,
            who,
        ),
        grid if shown and names else None if shown else paragraph("Nobody was asked to train."),
        paragraph("Only tested, never trained: ", *_names(held), ".") if held else None,
        _answers(asked, shown) if run.is_crowd else None,
        _dropped(run),
        _quarantined(run),
    )


def _in_grid(run: RunFolder, asked: Mapping[tuple[str, int], str], shown: list[int]) -> tuple[list[str], str]:
    """The hospitals in the grid, and a sentence if these are not all: of many, those that failed most often."""
    names = sorted({*run.sites, *(site for site, _ in asked)})
    if not run.is_crowd:
        return names, ""
    failed = Counter(site for (site, _), outcome in asked.items() if outcome != "ok")
    most = sorted(failed, key=lambda site: (-failed[site], site))[:WEAKEST]
    return most, f" Of {len(names):,} hospitals those that most often gave no usable answer ({len(most)}); {WHOLE}."


def _answers(asked: Mapping[tuple[str, int], str], shown: list[int]) -> Html:
    """How many were asked and answered, by round."""
    outcomes = {number: Counter[str]() for number in shown}
    for (_, number), outcome in asked.items():
        if number in outcomes:
            outcomes[number]["ok" if outcome == "ok" else "not"] += 1
    rows = [
        (str(number), f"{found.total():,}", f"{found['ok']:,}", f"{found['not']:,}")
        for number, found in outcomes.items()
    ]
    return table(None, ("round", "asked to train", "usable", "no usable answer"), rows)


def _names(names: list[str]) -> Iterator[Content]:
    for place, name in enumerate(names):
        yield ", " if place else None
        yield named(name)


def _asked(run: RunFolder) -> dict[tuple[str, int], str]:
    """By site and round, the worst outcome of what it was asked to learn."""
    found: dict[tuple[str, int], str] = {}
    for entry in run.ledger:
        key = (entry["site"], entry["round"])
        if entry["what"] in LEARNING and found.get(key, "ok") == "ok":
            found[key] = entry["outcome"]
    return found


def _cell(outcome: str | None, site: str, number: int) -> Html:
    if outcome is None:
        return tag("td", "○", class_="absent", title=f"{site}: not asked in round {number}")
    if outcome == "ok":
        return tag("td", "●", class_="took", title=f"{site}: trained in round {number}")
    return tag("td", "✕", class_="broken", title=f"{site}: {outcome} in round {number}")


def _dropped(run: RunFolder) -> Html:
    dropped = run.summary["dropped"]
    if not dropped:
        return paragraph("Nobody was dropped: every message got a usable answer.")
    rows = [
        (named(one["site"]), str(one["round"]), one["what"], one["outcome"], one["reason"])
        for one in dropped[:MOST_LINES]
    ]
    more = f" (the first {MOST_LINES} of {len(dropped)}; the ledger has all)" if len(dropped) > MOST_LINES else ""
    return table(f"Dropped, and why{more}", ("hospital", "round", "asked to", "outcome", "reason"), rows)


def _quarantined(run: RunFolder) -> Html | None:
    rows = [
        (
            named(name),
            _how_many(one["quarantined"].values()),
            ", ".join(f"{k}: {v or 'few'}" for k, v in one["quarantined"].items()),
        )
        for name, one in run.sites.items()
        if one.get("quarantined")
    ]
    if not rows:
        return paragraph("No hospital told of cases that it could not use.")
    more = f" (the first {MOST_LINES} of {len(rows)}; summary.json has all)" if len(rows) > MOST_LINES else ""
    return table(f"Cases that a hospital could not use{more}", ("hospital", "cases", "why"), rows[:MOST_LINES])


def _how_many(counts: Collection[int]) -> str:
    """Of counts by reason, 0 being few."""
    whole = sum(counts)
    if 0 not in counts:
        return str(whole)
    return f"more than {whole}" if whole else "few"


def cost(run: RunFolder) -> Html:
    """Bytes by kind of message, and time."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in run.ledger:
        one = sums[entry["what"]]
        one[0], one[1], one[2] = one[0] + 1, one[1] + entry["bytes_down"], one[2] + entry["bytes_up"]
    rows: list[tuple[str, ...]] = [(what, f"{n:,}", size(down), size(up)) for what, (n, down, up) in sums.items()]
    total = [sum(one[k] for one in sums.values()) for k in range(3)]
    rows.append(("all", f"{total[0]:,}", size(total[1]), size(total[2])))
    seconds, each = run.summary["seconds"], run.summary["bytes"]
    return section(
        "Bytes and time",
        paragraph(
            f"{duration(seconds['total'])} in all, {duration(seconds['per_round'])} a round. Each hospital received "
            f"{size(each['down'])} and sent {size(each['up'])} in a round, in the content of messages."
        ),
        table("Messages of all hospitals", ("what", "messages", "to hospitals", "from hospitals"), rows),
        _clock(run.summary.get("clock")),
    )


def _clock(clock: Mapping[str, Any] | None) -> Html | None:
    if clock is None:
        return None
    return paragraph(
        f"Over the hospitals' own lines and machines it would have taken {duration(clock['total_seconds'])}."
    )
