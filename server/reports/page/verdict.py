"""The first screen: what the model does and how well, in words for a person who knows no machine learning."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.common.drawing.markup import Html, Row, listed, named, paragraph, table, tag, together
from fedgraft.common.drawing.numbers import figure, of_hundred
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.server.reports.page.folder import Figures, RunFolder

MOST_LISTED = 4
"""With more classes or findings, sentences name the best and the worst."""


def verdict(run: RunFolder) -> Html:
    """What it does, on how many cases of how many hospitals, and how often it is right."""
    test = run.summary["test"]
    does = paragraph("This model ", run.task.purpose, ". ", _tested(run), class_="lead")
    if not test["cases"]:
        return does
    found = tuple(_frequencies(run))
    pairs = paragraph(*_in_pairs(run), class_="lead" if not found else None)
    return together((does, in_groups(run), *found, pairs, _weakest(run)))


def _tested(run: RunFolder) -> Html:
    test = run.summary["test"]
    if not test["cases"]:
        return Html(
            "How well it does for patients whom it has never seen is <strong>not known</strong>: the run had no test "
            "cases, or no hospital released figures on them."
        )
    where = "that the coordinator holds"
    if test["source"] == "sites":
        count = sum(1 for one in run.sites.values() if one["split"] == "test" and one["cases"])
        where = f"at {count} hospital{'s' * (count != 1)}"
    whose = "of patients it had never seen."
    if run.plan.data.options.get("patient", "") is None:
        whose = "that it had never seen; each was taken for another patient's (data.patient=null)."
    return Html(f"It was tested on <strong>{test['cases']:,} cases</strong> {where}, {whose}")


def in_groups(run: RunFolder) -> Html | None:
    """That hospitals told scores by groups, and what that does to the figures."""
    sizes = sorted(set(run.in_groups.get("in_groups_of", {}).values()))
    if not sizes:
        return None
    many = " or ".join(map(str, sizes))
    first = tag(
        "strong",
        f"Hospitals told scores in groups of {many} cases or more (release.scores: merged), so that nobody reads a "
        "single case's. ",
    )
    few = run.in_groups["too_few"]["test"]
    if not few:
        return paragraph(first, f"{run.heading} is therefore a little too low {_HOW_FAR}")
    needed = " or ".join(str(one) for one in sorted(set(run.in_groups["needed"].values())))
    return paragraph(
        first,
        f"With fewer than {needed} test cases with or without what is looked for, as at ",
        listed(few),
        ", these groups are too few to rank cases: figures from them would be far too low, and are not given. ",
        "" if run.ranked else f"Neither are {run.heading}, curves and sets of answers over all hospitals. ",
        "What the model calls yes and no at its own probability of 0.5 each hospital counted exactly",
        ". " if run.ranked else ", and that is what stands here. ",
        "A hospital's own page (fedgraft site report) has all its figures exactly.",
    )


_HOW_FAR = (
    "(by up to 0.05 at a hospital with 30 test cases, 0.02 with 50, 0.01 with 100, if half have what is looked for), "
    "and calibration is coarse."
)


def _frequencies(run: RunFolder) -> Iterator[Html]:
    """At the thresholds that are shown: of 100 cases of each kind, how many are called right."""
    names = list(run.thresholds)
    if len(names) == 1:
        yield paragraph(*_one(names[0], run.thresholds[names[0]][run.threshold]["pooled"]), class_="lead")
    elif names:
        rows = sorted(names, key=lambda name: _found(run, name), reverse=True)
        some = rows if len(rows) <= MOST_LISTED else [rows[0], rows[-1]]
        words = "" if len(rows) == len(some) else f" (the best and the worst of {len(rows)})"
        headings = ("", "of 100 such cases it finds", "of 100 others it gives false alarm on")
        yield table(f"How often it is right{words}", headings, [_row(run, name) for name in some])


def _found(run: RunFolder, name: str) -> float:
    one = run.thresholds[name][run.threshold]["pooled"]["sensitivity"]
    return -1.0 if one is None else float(one["value"])


def _row(run: RunFolder, name: str) -> Row:
    figures = run.thresholds[name][run.threshold]["pooled"]
    cells = [_hundred(figures["sensitivity"], False), _hundred(figures["specificity"], True)]
    return Row((named(name), *cells))


def _one(name: str, figures: Figures) -> Iterator[Html]:
    if figures["sensitivity"]:
        yield Html(f"Of 100 {named(name)} cases it finds <strong>{_hundred(figures['sensitivity'], False)}</strong>. ")
    if figures["specificity"]:
        alarms = _hundred(figures["specificity"], True)
        yield Html(f"Of 100 other cases it calls <strong>{alarms}</strong> {named(name)} by mistake.")


def _hundred(one: Figures | None, rest: bool) -> str:
    """``54 (47 to 61)``; ``rest``: of the others."""
    if one is None:
        return "no such case"
    value, low, high = one["value"], one["low"], one["high"]
    if rest:
        value, low, high = 1 - value, 1 - high, 1 - low
    return f"{of_hundred(value)} ({100 * low:.0f} to {100 * high:.0f})"


def _in_pairs(run: RunFolder) -> Iterator[Html | str]:
    value = run.shown(None, run.headline)
    if value is None and run.summary["test"][run.headline] is not None:
        yield f"How well it ranks cases ({run.heading}) is not known, since scores came in too few groups"
        yield _BRACKETS * bool(run.thresholds) or "."
        return
    if value is None:
        yield f"The {run.heading} is undefined: {run.task.undefined}."
        return
    same = (run.summary.get("confounding") or {}).get("headline") == "within_site"
    inside = run.summary["intervals"]["within_site"] if same else None
    value, of = (value, "") if inside is None else (inside["value"], " of the same hospital")
    yield f"In {100 * value:.0f} of 100 pairs{of} of {run.task.ranking}; guessing would be right in 50 "
    ends = None if run.thresholds or of else run.interval(None)
    known = "" if ends is None else f", 95 % interval {ends[0]:.2f} to {ends[1]:.2f}"
    yield f"({run.heading} {figure(value)}{' within hospitals' * bool(of)}{known})"
    yield _BRACKETS * bool(run.thresholds) or "."


_BRACKETS = ". In brackets: 95 % intervals, since other patients would give other numbers."


def _weakest(run: RunFolder) -> Html | None:
    if run.worst is None:
        return None
    one = run.sites[run.worst]
    said = [Html(f"The weakest hospital is <strong>{named(run.worst)}</strong> ({one['cases']:,} cases): ")]
    for name, at in run.thresholds.items() if len(run.thresholds) == 1 else ():
        found = at[run.threshold]["sites"].get(run.worst, {}).get("sensitivity")
        if found:
            count = round(found["value"] * found["cases"])
            said.append(Html(f"there it finds {count or 'none'} of {found['cases']} {named(name)} cases; "))
    return paragraph(*said, f"{run.heading} {figure(one[run.headline])}.")


def _of_rounds(run: RunFolder) -> str:
    """Where the model is not that of the plan's last round."""
    made, planned, done = (run.summary[name] for name in ("final_round", "rounds", "completed_rounds"))
    if made == planned:
        return ""
    if done == planned:
        return f" (of {planned} rounds, the one that did best on validation cases)" * run.chose_best
    return f" (of {planned} that were planned; the run ended after {done})"


def model(run: RunFolder) -> Html:
    """The model in a sentence."""
    plan, trained = run.plan, {name: one for name, one in run.sites.items() if name not in run.summary["held_out"]}
    cases = sum(one["examples"] or 0 for one in trained.values())
    made = run.summary["final_round"]
    networks = [one.name for one in plan.features.networks] or [plan.backbone.name]
    kept = ", kept as it was" if plan.backbone.freeze == "all" and len(networks) == 1 else ""
    start = f" (pretrained{kept})" if plan.backbone.pretrained else ""
    head = "a head of its own" if plan.head.target is None else choice_of("head", plan.head.target, plan.head.options)
    return paragraph(
        "What it is: ",
        tag("strong", " and ".join(networks)),
        f"{start} with the head “{head}”, which {len(trained)} hospital{'s' * (len(trained) != 1)} (",
        listed(list(trained)),
        f") trained together in {made} round{'s' * (made != 1)} on {cases:,} cases"
        f"{_of_rounds(run)}. "
        "The cases stayed where they are; only weights and counts travelled.",
        class_="about",
    )
