"""Figures of sets of answers on test cases: how often they hold the true one, by where their bounds come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.decisions.decisions import Rules
from fedgraft.common.decisions.figures import Held, at_threshold, held, mean_size
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.plan.evidence_sections import Source
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.decisions import by_site, of_all_sites

Counts = tuple[ScoreCounts, ...]


def set_figures(
    plan: Plan, source: Source, counts: Mapping[str, Counts], tests: Mapping[str, Counts]
) -> dict[str, Any]:
    """What sets held whose bounds come from ``source``, by site and over all sites, and the share of positive cases
    that the cautious threshold missed.

    Args:
        counts, tests: score counts of validation and of test cases, by site.
    """
    task = tasks.of(plan.data)
    rules = by_site(plan, replace(plan.decide, by_site=source), counts)
    sites: dict[str, list[Held]] = {}
    found: dict[str, Any] = {}
    for name, each in tests.items():
        rule = rules.get(name, rules[""])
        limits = [math.inf if limit is None else limit for limit in rule.limits]
        sites[name] = held(task.answers, limits, each)
        made = None if source == "shrunk" else counts.get(name) if source == "own" else of_all_sites(counts)
        found[name] = {
            **_coverage(plan, sites[name], made),
            "mean_size": _short(mean_size(task.answers, limits, each)),
            "missed": _missed(rule, each),
        }
    return {"pooled": _coverage(plan, _summed(list(sites.values())), of_all_sites(counts)), "sites": found}


def _coverage(plan: Plan, each: Sequence[Held], made: Counts | None) -> dict[str, Any]:
    """Coverage over all questions' cases, and by answer.

    Args:
        made: the cases that made the bounds; ``None`` if that is no number of cases.
    """
    answers, miss = tasks.of(plan.data).answers, 1 - plan.decide.coverage
    sizes = [None if made is None else int(answer.true(made[answer.score]).sum()) for answer in answers]
    whole = Held(sum(one.cases for one in each), sum(one.covered for one in each))
    total = None if made is None else sum(size or 0 for size in sizes)
    questions = len({answer.question for answer in answers})
    by_answer = {
        (answer.name if questions == 1 else f"{answer.question}={answer.name}"): one.figures(
            size if plan.decide.by_answer else total, miss
        )
        for answer, one, size in zip(answers, each, sizes, strict=True)
    }
    return {**whole.figures(total, miss), "by_answer": by_answer}


def _missed(rules: Rules, counts: Counts) -> list[Any]:
    """By scored class: the share of positive test cases below the cautious threshold."""
    found = []
    for each, cut in zip(counts, rules.cautious, strict=True):
        at = at_threshold(each, -math.inf if cut is None else cut)
        cases = at.true_positives + at.false_negatives
        found.append({"cases": cases, "share": round(at.false_negatives / cases, 6) if cases else None})
    return found


def _summed(each: list[list[Held]]) -> list[Held]:
    columns = zip(*each, strict=True)
    return [Held(sum(one.cases for one in column), sum(one.covered for one in column)) for column in columns]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
