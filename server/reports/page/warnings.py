"""What a reader must know before relying on the model: warnings of the run, and those that its figures give."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.common.causes import waits_for_a_person
from fedgraft.common.drawing.markup import Content, Html, listed, named, tag
from fedgraft.common.drawing.numbers import figure, of_hundred
from fedgraft.common.tasks.areas import FEW
from fedgraft.server.evidence.listed import WEAKEST
from fedgraft.server.reports.page.folder import RunFolder
from fedgraft.server.reports.page.subgroups import unequal


def warnings(run: RunFolder) -> Html:
    """All warnings as a list, or that there is none."""
    found = [tag("li", *([one] if isinstance(one, str) else one)) for one in every_warning(run)]
    if not found:
        return tag("aside", tag("p", "Nothing in the run's figures warns of anything."), class_="warnings calm")
    return tag("aside", tag("h2", "Before you rely on it"), tag("ul", *found), class_="warnings", role="note")


def every_warning(run: RunFolder) -> Iterator[str | tuple[Content, ...]]:
    yield from run.summary.get("warnings", ())
    yield from _guessing(run)
    yield from _never(run)
    yield from _missed(run)
    yield from _coverage(run)
    yield from _probabilities(run)
    yield from unequal(run)
    yield from _few(run)
    yield from _absent(run)


def _guessing(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    intervals = {name: None if run.too_few(name) else run.interval(name) for name in run.sites}
    guessing = {name: one for name, one in intervals.items() if one is not None and one[0] <= 0.5}
    yield from _guessing_together(run)
    if len(guessing) > WEAKEST:
        yield (
            f"At {len(guessing):,} hospitals the model can't be told from guessing: ",
            listed(sorted(guessing, key=lambda name: (run.sites[name][run.headline], name))),
            f" ({run.heading}: the 95 % interval reaches 0.5 or below).",
        )
        return
    for name, interval in guessing.items():
        value = figure(run.sites[name][run.headline])
        yield (
            "At ",
            named(name),
            f" the model can't be told from guessing: {run.heading} {value}, 95 % interval {interval[0]:.2f} to "
            f"{interval[1]:.2f} (0.5 is guessing).",
        )


def _guessing_together(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    """Over all test cases, if they are of several hospitals."""
    value, interval = run.shown(None, run.headline), run.interval(None)
    if value is not None and interval is not None and interval[0] <= 0.5 and len(run.sites) > 1:
        yield (
            f"On all {run.summary['test']['cases']:,} test cases together the model can't be told from guessing: "
            f"{run.heading} {figure(value)}, 95 % interval {interval[0]:.2f} to {interval[1]:.2f} (0.5 is guessing).",
        )


def _never(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    """What is never found, or never left alone, at most hospitals."""
    for name, one in run.thresholds.items():
        sites = one[run.threshold]["sites"]
        for key, words in (("sensitivity", "It finds no "), ("specificity", "It leaves nobody alone without ")):
            told = {site: at[key]["value"] for site, at in sites.items() if at[key]}
            none = [site for site, value in told.items() if value == 0]
            if 2 * len(none) > len(told):
                what = " case" if key == "sensitivity" else ""
                yield words, named(name), f"{what} at {len(none)} of {len(told)} hospitals: ", listed(none), "."


def _missed(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    """The promise of the cautious threshold that was not kept over all sites."""
    miss = run.decisions.get("miss") if run.ranked else None
    for name, one in run.thresholds.items():
        found = one["cautious"]["pooled"]["sensitivity"]
        if miss is not None and found and found["high"] < 1 - miss:
            yield (
                f"The cautious setting was to miss at most {of_hundred(miss)} of 100 ",
                named(name),
                f" cases; on test cases it missed {of_hundred(1 - found['value'])} (95 % interval "
                f"{100 - 100 * found['high']:.0f} to {100 - 100 * found['low']:.0f}).",
            )


def _coverage(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    if not run.decisions.get("sets") or not run.ranked:
        return
    found = run.decisions["sets"][run.decisions["rule"]["by_site"]]["pooled"]
    if found["expected"] and found["coverage"] < found["expected"][0]:
        yield (
            f"Sets of answers were to hold the true one for {of_hundred(run.decisions['coverage'])} of 100 cases; on "
            f"test cases they did for {of_hundred(found['coverage'])}, fewer than chance explains.",
        )


def _probabilities(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    pooled = run.calibration.get("pooled")
    if not pooled or not run.ranked:
        return
    after, before = pooled["after"], pooled["before"]
    if after["ece"] > after["ece_by_chance"]:
        yield (
            "Its probabilities are not to be taken at their word: on test cases they are off by "
            f"{100 * after['ece']:.1f} percentage points on average (a perfect model of this size: at most "
            f"{100 * after['ece_by_chance']:.1f}).",
        )
    if run.calibration["method"] != "none" and after["ece"] > max(before["ece"], after["ece_by_chance"]):
        yield (
            f"Calibration made probabilities worse on test cases (error {before['ece']:.3f} before, "
            f"{after['ece']:.3f} after): {_why_worse(run)}.",
        )


def _why_worse(run: RunFolder) -> str:
    if run.in_groups:
        return (
            "hospitals told scores in groups, so that both the fit and this error are coarse; or test cases differ "
            "from the validation cases that it was fitted to"
        )
    return "test cases differ from the validation cases that it was fitted to"


def _few(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    few = [name for name, one in run.sites.items() if one["cases"] and run.too_few(name) and not run.is_blurred(name)]
    if few:
        what = "positive or negative cases"
        if not run.task.has_probabilities:
            what = "events"
        elif len(run.task.scored) > 1:
            what = "cases of some class or finding"
        yield f"Too few to say (fewer than {FEW} {what} in the test): ", listed(few), "."


def _absent(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    waited = [one for one in run.summary["dropped"] if waits_for_a_person(one["reason"])]
    dropped = [one for one in run.summary["dropped"] if not waits_for_a_person(one["reason"])]
    never = sorted({one["site"] for one in waited} - set(run.sites))
    if never:
        yield "Nobody has approved the plan at ", listed(never), ", which took no part."
    if dropped:
        names = sorted({one["site"] for one in dropped})
        times = f"{len(dropped)} message{'s' * (len(dropped) != 1)}"
        yield Html(f"{times} to "), listed(names), " got no usable answer: see “Who took part”."
