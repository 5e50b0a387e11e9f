"""What a run says of scores that hospitals told by groups (`fedgraft.common.calibration.in_groups`), and what is fitted
to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.calibration.figures import together
from fedgraft.common.calibration.in_groups import GROUPS, Counts, Grouped, grouped_by
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.listed import some_of
from fedgraft.server.rounds.state import Round, RunOutcome

LAST = "took the last round's model"
_BY_OTHERS = "chose by the other hospitals' validation cases"


def grouped_of(plan: Plan, outcome: RunOutcome) -> Grouped:
    """How the sites of a run told scores."""
    return grouped_by(tasks.of(plan.data), {name: one.grouped for name, one in outcome.offers.items()})


def told_in_groups(
    grouped: Grouped, validation: Mapping[str, Evaluation], tests: Mapping[str, Evaluation]
) -> dict[str, Any] | None:
    """The key ``scores`` of ``summary.json``; ``None`` if every site tells each case's score."""
    sizes = dict(sorted(grouped.sizes.items()))
    if not sizes or not grouped.scored:
        return None
    few = grouped.too_few(validation)
    return {
        "in_groups_of": sizes,
        "needed": {name: GROUPS * size for name, size in sizes.items()},
        "too_few": {"val": few, "test": grouped.too_few(tests)},
        "share": round(grouped.share(tests), 6),
        "ranked": grouped.ranks(tests),
        "chooses": len(few) < len(validation),
    }


def groups_of_round(round_: Round) -> dict[str, Any]:
    """The key ``scores`` of a round's line; none if every site tells each case's score."""
    grouped = grouped_by(round_.task, round_.grouped)
    if not grouped.sizes or not grouped.scored or not round_.by_site:
        return {}
    told = {
        split: {name: splits[split] for name, splits in round_.by_site.items() if split in splits}
        for split in ("val", "test")
    }
    few = {split: grouped.too_few(one) for split, one in told.items()}
    ranked = {split: grouped.ranks(one, few[split]) for split, one in told.items()}
    return {"scores": {"too_few": few, "ranked": ranked | ({"test": True} if round_.central is not None else {})}}


def grouped_sentences(plan: Plan, told: Mapping[str, Any] | None, chosen: Collection[str] = ()) -> Iterator[str]:
    """What a reader must know of test figures, and of choices by validation cases.

    Args:
        chosen: the options by which there was something to choose before the first round (`RunOutcome.choices`).
    """
    few = {"val": [], "test": []} if told is None else told["too_few"]
    heading = tasks.of(plan.data).columns[tasks.of(plan.data).headline]
    if few["test"]:
        yield (
            f"{heading} and all figures that rest on the order of scores are too low for {some_of(few['test'])}, and "
            "mean nothing there: scores came in groups, and fewer test cases with or without it than "
            f"{GROUPS} groups hold (docs/trust.md)"
        )
    if few["val"] and told is not None:
        why = f"validation scores of {some_of(few['val'])} came in too few groups to choose by (docs/trust.md)"
        for option, default in _choices(plan, chosen):
            yield f"{option} {_BY_OTHERS if told['chooses'] else default}: {why}"


def _choices(plan: Plan, chosen: Collection[str]) -> Iterator[tuple[str, str]]:
    """The options by which a run chose by figures on validation cases, and what it does where there are none."""
    if plan.select == "best":
        yield "select=best", LAST
    if "features.scale" in chosen:
        yield "features.scale=auto", "took the common scale"
    if "initial" in chosen:
        yield "initial", "took the middle one of the heads to choose from"
    if plan.initial.interpolate:
        yield "initial.interpolate", "took the trained head"


@dataclass(frozen=True)
class Fits:
    """What validation cases by groups leave to fit to.

    Attributes:
        grouped: how they were told.
        cases: how many each site told.
        counts: of each site that has any left, the scores that can be fitted to; empty ones of the other classes.
        few: by class or finding, the sites whose scores of it came in too few groups.
        raw: the classes or findings of which nothing is left, and why.
    """

    grouped: Grouped
    cases: Mapping[str, int]
    counts: Mapping[str, Counts]
    few: Mapping[str, tuple[str, ...]]
    raw: Mapping[str, str]

    def sentences(self) -> Iterator[str]:
        """What was not fitted, or not to whose cases."""
        yield from dict.fromkeys(self.raw.values())
        partly = {name: few for name, few in self.few.items() if name not in self.raw}
        for few in dict.fromkeys(partly.values()):
            names = ", ".join(name for name, one in partly.items() if one == few)
            yield (
                f"calibration, thresholds and sets of answers for {names} rest on the other hospitals' validation "
                f"cases: {_told(self.grouped, few)}"
            )


def fits(grouped: Grouped, validation: Mapping[str, Evaluation]) -> Fits:
    """What can be fitted to the validation cases of sites."""
    told = {name: one.score_counts() for name, one in validation.items()}
    clear = {name: grouped.clear(name, counts) for name, counts in told.items()}
    few, raw = {}, dict[tuple[str, ...], list[str]]()
    for place, scored in enumerate(grouped.scored):
        here = tuple(name for name, counts in told.items() if grouped.blurred(name, counts[place]))
        if here:
            few[scored] = here
            if together([counts[place] for counts in clear.values()]).one_sided:
                raw.setdefault(here, []).append(scored)
    because = {scored: _not_fitted(grouped, here, names) for here, names in raw.items() for scored in names}
    left = {name: one for name, one in clear.items() if any(each.cases for each in one)}
    return Fits(grouped, {name: one.cases for name, one in validation.items()}, left, few, because)


def _not_fitted(grouped: Grouped, sites: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"neither calibration nor thresholds nor sets of answers were fitted for {', '.join(names)}: "
        f"{_told(grouped, sites)}; probabilities and the threshold (0.5) are the raw model's"
    )


def _told(grouped: Grouped, sites: Sequence[str]) -> str:
    sizes = sorted({grouped.least(name) for name in sites})
    many = " or ".join(str(size) for size in sizes)
    needed = " or ".join(str(GROUPS * size) for size in sizes)
    return (
        f"{some_of(sites)} tell{'s' * (len(sites) == 1)} scores in groups of {many} cases or more, and fewer than "
        f"{needed} validation cases with or without it are too few groups to fit to (docs/trust.md)"
    )
