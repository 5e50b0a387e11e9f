"""``fedgraft unseen``: choose between recipes by what hospitals would have of them that had no part in training."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.processes import say
from fedgraft.simulations import api
from fedgraft.simulations.federation.sites import partition_cases
from fedgraft.simulations.study.baselines import holding_out

DESCRIPTION = """\
usage: fedgraft unseen [out=DIR] OVERRIDE ... [-- OVERRIDE ...] [-- OVERRIDE ...]

Compares recipes: the plan of the first overrides, and the same with each further group of them. With each recipe a run
is made without each hospital in turn (hold_out), which evaluates the final model on its validation cases. The recipe
with the best mean over hospitals is named, each hospital alike. Test cases are not looked at. DIR (default: unseen)
holds the runs, and unseen.json with all figures.

examples:
  fedgraft unseen data=breast_us features=taps head=plain strategy=exact -- features.keep=500 -- augment=ultrasound
  fedgraft unseen data=phantom backbone.freeze=blocks.5 train=adamw -- backbone.freeze=blocks.4
"""
NAME = "unseen.json"


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(DESCRIPTION)
        return 0 if arguments else 2
    common, *variants = _groups(arguments)
    named = [word.removeprefix("out=") for word in common if word.startswith("out=")]
    common = [word for word in common if not word.startswith("out=")]
    out = Path(named[-1] if named else "unseen")
    if not variants:
        raise PlanError("fedgraft unseen compares recipes: name what is different in another after `--`")
    recipes = {"as it is": common} | {" ".join(some): [*common, *some] for some in variants}
    plans = {name: _plan(words) for name, words in recipes.items()}
    figures = {name: figures_of(plan, out / f"{place}") for place, (name, plan) in enumerate(plans.items())}
    chosen = best_of(figures)
    (out / NAME).write_text(json.dumps({"figures": figures, "chosen": chosen}, indent=2) + "\n", encoding="utf-8")
    for name, by_site in figures.items():
        each = ", ".join(f"{site} {'-' if one is None else f'{one:.3f}'}" for site, one in by_site.items())
        say(f"{name}: {_mean(by_site):.3f} ({each})")
    say(f"best for a hospital that never trained, by validation cases of those left out: {chosen}; see {out / NAME}")
    return 0


def _groups(arguments: Sequence[str]) -> list[list[str]]:
    """The words between ``--``; a group without words is left out, but for the first."""
    parts = [list(some) for is_mark, some in groupby(arguments, lambda word: word == "--") if not is_mark]
    return [[], *parts] if arguments[0] == "--" else parts


def _plan(words: Sequence[str]) -> Plan:
    planned = api.plan(*words)
    if planned.study.is_asked or planned.plan.hold_out:
        raise PlanError(
            "fedgraft unseen leaves out each hospital itself; leave out hold_out, baselines, seeds and the like"
        )
    return planned.plan


def figures_of(plan: Plan, out: Path) -> dict[str, float | None]:
    """The headline figure on each hospital's validation cases of the final model of a run that holds it out; ``None``
    where it is undefined, or not told.

    Raises:
        PlanError: there are fewer than two hospitals.
        FedGraftError: a run failed.
    """
    sites = sorted(partition_cases(plan, os.environ).sites)
    if len(sites) < 2:
        raise PlanError("fedgraft unseen leaves out one hospital after another, and there is one only")
    found: dict[str, float | None] = {}
    for site in sites:
        run = api.simulate(holding_out(plan, site, len(sites)), out / site, quiet=True)
        lines = [json.loads(line) for line in (run.out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()]
        told = lines[run.summary["final_round"]]["sites"].get(site, {})
        found[site] = told.get("val", {}).get(tasks.of(plan.data).headline)
    return found


def best_of(figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """The recipe with the best mean over the hospitals that have a figure of every recipe; of equal ones the first.

    Raises:
        PlanError: there is no such hospital.
    """
    common = set.intersection(*({site for site, one in some.items() if one is not None} for some in figures.values()))
    if not common:
        raise PlanError(
            "fedgraft unseen: no hospital told a defined figure on its validation cases; give them some "
            "(data.val_fraction) of more than one class"
        )
    return max(figures, key=lambda name: _mean({site: figures[name][site] for site in sorted(common)}))


def _mean(by_site: Mapping[str, float | None]) -> float:
    known = [one for one in by_site.values() if one is not None]
    return sum(known) / len(known) if known else math.nan
