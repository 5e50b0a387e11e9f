"""What the recipes beside each other say, in sentences for whoever decides by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.common.drawing.numbers import alike, signed, why_untold
from fedgraft.simulations.study.cells import difference_cell

_NO_SEEDS = "from one seed there is no interval; give seeds=[0,1,2]"


def sentences(found: Mapping[str, Any], heading: str, seeds: Sequence[int]) -> list[str]:
    """A sentence for each rival, one on their number, one on the choice by validation cases.

    Args:
        found: the key ``rivals`` of ``study.json``, but for these.
        heading: of the headline figure.
    """
    return [
        *(_rival(found, method, heading) for method in found["difference"]),
        *_number(found),
        *_unpaired(found),
        _chosen(found, heading, seeds),
        *(
            f"{found['names'][method]} is without {' '.join(words)}, which has no place there."
            for method, words in found["without"].items()
        ),
    ]


def _rival(found: Mapping[str, Any], method: str, heading: str) -> str:
    names, one, margin = found["names"], found["difference"][method], found["margin"]
    name, over, outcome = names[method], one["mean_over_sites"], one["outcome"]
    reference = names[found["reference"]]
    if outcome == "missing":
        return f"{name}: no figure to compare with {reference}."
    if outcome == "same":
        return f"{name}: {alike(over)}, {signed(over['mean'])} {heading}; {why_untold(over)}."
    if outcome == "one_seed":
        return f"{name}: {signed(over['mean'])} {heading} to {reference}; {_NO_SEEDS}."
    said = f"{difference_cell(over)} {heading}"
    if outcome == "cannot_tell":
        why = "every site has fewer than 5 positive or negative test cases (survival: events)"
        return f"{name}: nothing that these data can tell, {said}: {why}."
    if outcome == "no_difference":
        size = (
            f"one above {margin:g} is ruled out either way"
            if one["ruled_out"]
            else f"one of {margin:g} is not ruled out"
        )
        return f"{name}: no difference that these data can show, {said}; {size}."
    which = outcome.removesuffix("_alone")
    if outcome == which:
        return f"{name}: {which} than {reference}, {said}."
    count = len(found["difference"])
    return (
        f"{name}: {which} than {reference} if it were the only rival, {said}; among {count} it may be chance "
        f"(p = {one['p_holm']:.2g} by Holm)."
    )


def _number(found: Mapping[str, Any]) -> list[str]:
    """How many comparisons there are, and what was done about it."""
    count = len(found["difference"])
    if count < 2 or all(one["p_holm"] is None for one in found["difference"].values()):
        return []
    return [
        f"{count} recipes are compared with {found['names'][found['reference']]}. Each interval is a 95 % interval by "
        "itself, not corrected for their number; a recipe is called better or worse only if p, corrected by Holm's "
        f"method for all {count}, is below 0.05 too. By site nothing is corrected."
    ]


def _unpaired(found: Mapping[str, Any]) -> list[str]:
    """Rivals whose scores are not known, or of other cases, at some site."""
    known = {m: one for m, one in found["difference"].items() if one["mean_over_sites"]["cases_deviation"] is not None}
    names = [found["names"][method] for method, one in known.items() if not one["paired"]]
    if not names:
        return []
    return [
        f"At some site the scores of the same test cases are not known of {', '.join(names)}, or are of other cases (a "
        "recipe that can't read all of them): there the two count as independent, which is too wide."
    ]


def _chosen(found: Mapping[str, Any], heading: str, seeds: Sequence[int]) -> str:
    chosen, names = found["chosen"], found["names"]
    if chosen is None:
        return (
            f"By validation nothing can be chosen: there is no {heading} on validation cases of every recipe; set "
            "data.val_fraction=0.15. Test figures are not for choosing."
        )
    best, by_seed = chosen["method"], list(chosen["by_seed"].values())
    figures = found["validation"]
    if best is None:
        return _tied(found, heading)
    others = ", ".join(f"{names[m]} {_figure(one)}" for m, one in figures.items() if m != best)
    times = by_seed.count(best)
    how = "" if len(seeds) < 2 else f", with {times} of {len(by_seed)} seeds"
    said = (
        f"By validation one would choose {names[best]}: {heading} {_figure(figures[best])} on validation cases "
        f"({others}){how}. Choose by that, not by test figures, the best of which is too good by chance."
    )
    if len(set(by_seed)) > 1 and chosen["test"]["mean"] is not None:
        said += f" Chosen anew with each seed, what is best there has a test {heading} of {chosen['test']['mean']:.3f}."
    return said


def _tied(found: Mapping[str, Any], heading: str) -> str:
    names, figures, tied = found["names"], found["validation"], found["chosen"]["tied"]
    rest = ", ".join(f"{names[m]} {_figure(one)}" for m, one in figures.items() if m not in tied)
    equal = f"{', '.join(names[m] for m in tied[:-1])} and {names[tied[-1]]}"
    return (
        f"By validation it is a tie: {equal} have the same {heading}, {_figure(figures[tied[0]])}, on validation cases"
        f"{f' ({rest})' if rest else ''}, so these choose none of them: take the simpler one, or more cases or seeds. "
        "Test figures are not for choosing."
    )


def _figure(one: Mapping[str, Any]) -> str:
    return "undefined" if one["mean"] is None else f"{one['mean']:.3f}"
