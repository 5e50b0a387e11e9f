"""The run that goes on, or the last: its headline, curves by hospital and merged, cases and bytes by round."""

from __future__ import annotations

from fedgraft.common.drawing.charts import Axis, Series, around, chart, charts
from fedgraft.common.drawing.markup import Content, Html, details, listed, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import duration, figure, size
from fedgraft.common.web.frame import button, form, hidden
from fedgraft.server.watching.observed import ENDS, Observed, SeenRound
from fedgraft.server.watching.words import headline

_COLOURS = ("c1", "c2", "c3", "c4", "c5")
SHOWN_ROUNDS = 200
_UNITS = {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def run_part(run: Observed | None, token: str) -> Html:
    """A run, with what may be done about it."""
    if run is None:
        return section("Run", paragraph("No run has begun yet. ", tag("a", "Start one", href="/start"), "."))
    trained = [one for one in run.course if one.number > 0]
    left = paragraph("Left out, since the plan does not fit: ", listed(run.left_out)) if run.left_out else None
    return section(
        "Run",
        paragraph(headline(run), class_="lead"),
        left,
        _charts(run, trained),
        details("Rounds as a table", _table(run)) if trained else None,
        _actions(run, token),
    )


def _charts(run: Observed, trained: list[SeenRound]) -> Html | None:
    if not run.course:
        return None
    last = max(run.rounds, run.course[-1].number, 1)
    x = Axis("round", 0, last, "{:g}".format, whole=True)
    drawn = [_curves(run, x)]
    if trained:
        drawn += [_cases(trained, x), _bytes(trained, x)]
    return charts(*drawn)


def _curves(run: Observed, x: Axis) -> Html | None:
    if not run.figure:
        return None
    names = sorted({name for one in run.course for name in one.by_site})
    series = [
        _line(
            [(one.number, one.by_site[name]) for one in run.course if name in one.by_site],
            _COLOURS[place] if place < len(_COLOURS) else "other",
            named(name) if place < len(_COLOURS) else None,
            name,
        )
        for place, name in enumerate(names)
    ]
    merged = [(one.number, one.figure) for one in run.course if one.figure is not None]
    series.append(_line(merged, "c0", "all together", "all together"))
    values = [value for each in series for _, value in each.points]
    more = f"Grey: {len(names) - len(_COLOURS)} more hospitals." if len(names) > len(_COLOURS) else None
    return chart(f"{run.figure} by round", more, x, around(values, run.figure, "{:.2f}".format), series)


def _line(points: list[tuple[int, float]], css: str, name: Content, tip: str) -> Series:
    return Series(points, css, name, [f"{tip}, round {number}: {value:.3f}" for number, value in points])


def _cases(trained: list[SeenRound], x: Axis) -> Html:
    points = [(one.number, float(one.cases)) for one in trained]
    tips = [f"round {one.number}: {one.cases:,} cases of {one.sites} hospitals" for one in trained]
    y = Axis("training cases", 0, 1.1 * max(1.0, *(value for _, value in points)), "{:,.0f}".format)
    return chart("Cases by round", None, x, y, [Series(points, "c0", None, tips, dots=len(points) < 60)])


def _bytes(trained: list[SeenRound], x: Axis) -> Html:
    most = max(1, *(max(one.up, one.down) for one in trained))
    unit = size(most).rpartition(" ")[2]
    scale = _UNITS[unit]
    y = Axis(f"{unit}, all hospitals together", 0, 1.1 * most / scale, "{:,g}".format)
    up = Series([(one.number, one.up / scale) for one in trained], "c0", "from hospitals", _tips(trained, "up"))
    down = Series([(one.number, one.down / scale) for one in trained], "c1", "to hospitals", _tips(trained, "down"))
    return chart("Bytes by round", None, x, y, [up, down])


def _tips(trained: list[SeenRound], way: str) -> list[str]:
    return [f"round {one.number}: {size(one.up if way == 'up' else one.down)}" for one in trained]


def _table(run: Observed) -> Html:
    marks = {"": "", "marked": " (scores in groups)", "not given": " (not given: scores in too few groups)"}
    headings = (
        "round",
        f"{run.figure or 'figure'}{marks[run.groups]}",
        "hospitals",
        "cases",
        "seconds",
        "from hospitals",
        "to hospitals",
    )
    rows = [
        (
            str(one.number),
            figure(one.figure),
            str(one.sites),
            f"{one.cases:,}",
            f"{one.seconds:.1f}",
            size(one.up),
            size(one.down),
        )
        for one in reversed(run.course[-SHOWN_ROUNDS:])
    ]
    return table(f"A round takes {duration(run.per_round)}", headings, rows)


def _actions(run: Observed, token: str) -> Html | None:
    name = hidden("run", run.out.name)
    if run.state not in ENDS and run.state != "cut off":
        said = paragraph("It ends for good, with the results of the rounds so far.", class_="soft")
        return details("Stop this run", said, form("/stop", token, name, button("Stop it", "grave")))
    if run.state in ("ended", "cut off"):
        return form("/resume", token, name, button("Go on with this run"))
    return None
