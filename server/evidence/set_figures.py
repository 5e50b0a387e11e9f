"""Figures of sets of answers on test cases: how often they hold the true one, by where their bounds come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.decisions.decisions import Rules, without_sets
from fedgraft.common.decisions.figures import Held, at_threshold, held, mean_size
from fedgraft.common.interfaces.scores import Answer, ScoreCounts
from fedgraft.common.plan.evidence_sections import Source
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.decisions import by_site, of_all_sites
from fedgraft.server.evidence.grouped import Fits

Counts = tuple[ScoreCounts, ...]


def set_figures(plan: Plan, source: Source, fitted: Fits, tests: Mapping[str, Counts]) -> dict[str, Any]:
    """What sets held whose bounds come from ``source``, by site and over all sites, and the share of positive cases
    that the cautious threshold missed. Of a question without sets there is nothing.

    Args:
        fitted: to which validation cases.
        tests: score counts of test cases, by site.
    """
    task, counts = tasks.of(plan.data), fitted.counts
    rules = by_site(plan, replace(plan.decide, by_site=source), fitted)
    without = without_sets(task, fitted.raw)
    answers = [answer for answer in task.answers if answer.question not in without]
    sites: dict[str, list[Held]] = {}
    found: dict[str, Any] = {}
    for name, each in tests.items():
        rule = rules.get(name, rules[""])
        limits = [
            math.inf if limit is None else limit
            for answer, limit in zip(task.answers, rule.limits, strict=True)
            if answer.question not in without
        ]
        sites[name] = held(answers, limits, each)
        made = None if source == "shrunk" else counts.get(name) if source == "own" else of_all_sites(counts)
        found[name] = {
            **_coverage(plan, answers, sites[name], made),
            "mean_size": _short(mean_size(answers, limits, each)),
            "missed": _missed(rule, each),
        }
    return {"pooled": _coverage(plan, answers, _summed(list(sites.values())), of_all_sites(counts)), "sites": found}


def _coverage(plan: Plan, answers: Sequence[Answer], each: Sequence[Held], made: Counts | None) -> dict[str, Any]:
    """Coverage over all questions' cases, and by answer.

    Args:
        made: the cases that made the bounds; ``None`` if that is no number of cases.
    """
    miss = 1 - plan.decide.coverage
    sizes = [None if made is None else int(answer.true(made[answer.score]).sum()) for answer in answers]
    whole = Held(sum(one.cases for one in each), sum(one.covered for one in each))
    total = None if made is None else sum(size or 0 for size in sizes)
    questions = len({answer.question for answer in tasks.of(plan.data).answers})
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
