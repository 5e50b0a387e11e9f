"""Summarise the runs of a study: the content of ``study.json`` (keys: see `fedgraft.simulations.study.study`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from fedgraft.common.drawing.numbers import alike, why_untold
from fedgraft.common.errors import DivergenceError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.server.evidence.confounding import confounding
from fedgraft.server.exchange.ledger import LEARNING
from fedgraft.simulations.engine.predictions import CaseScores, joined
from fedgraft.simulations.study.baselines import FEDERATED, FINAL, LOCAL, SIMPLER
from fedgraft.simulations.study.certainty.compared import Compared, Judging
from fedgraft.simulations.study.certainty.sampling import SeedScores
from fedgraft.simulations.study.figures import (
    Figure,
    Values,
    by_site,
    common_sites,
    over_sites,
    plain,
    worst_site,
)
from fedgraft.simulations.study.out_of_fold import (
    Merged,
    RoundScores,
    all_cases,
    figures_by_site,
    scored_once,
    within_sites,
)
from fedgraft.simulations.study.rivals.beside import beside
from fedgraft.simulations.study.rivals.recipes import Recipes


@dataclass(frozen=True)
class Trained:
    """The result of one training of a study at one learning rate.

    Attributes:
        site: the site that trained alone or was left out; ``""`` for none.
        tested: the sites at which the model was tested.
        val: the headline figure on the validation cases of the training sites.
        figures: by site; empty if training failed.
        runs: the number of rates that were tried.
        seconds: of the rounds, over all rates tried.
        bytes_up, bytes_down: per site and round.
        failed: why there is no result; ``None`` if there is one.
        chosen_without_val: whether the rate is the federation's, or the nearest, since ``val`` is undefined.
        without_columns: columns of the table without any value at the training sites, which were left out.
        without_options: options of the plan without effect on the training sites' cases, which were left out.
        dropped: as in ``summary.json``.
        fold: from 1; ``None`` in a study without folds.
        evaluations: of the sites' test cases, by site; a site that withholds its evaluation is missing. With a test set
            at the coordinator, of that for every site.
        scores: of the sites' test cases, case by case, by site, as far as they are known.
        rounds: the model of each round, if validation chooses one of them.
        without_lr: whether nothing of it depends on ``lr``, since it computes its head exactly.
    """

    method: str
    site: str
    seed: int
    lr: float
    tested: tuple[str, ...]
    val: Figure = None
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: int = 1
    seconds: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    failed: str | None = None
    chosen_without_val: bool = False
    without_columns: tuple[str, ...] = ()
    without_options: tuple[str, ...] = ()
    dropped: tuple[Mapping[str, Any], ...] = ()
    fold: int | None = None
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    scores: Mapping[str, CaseScores] = field(default_factory=dict)
    rounds: tuple[RoundScores, ...] = ()
    without_lr: bool = False

    @property
    def name(self) -> str:
        return f"{self.method}-{self.site}" if self.site else self.method

    @property
    def at(self) -> dict[str, Any]:
        """Which training it is: ``run``, ``seed``, and ``fold`` if there are folds."""
        return {"run": self.name, "seed": self.seed, **({} if self.fold is None else {"fold": self.fold})}

    @property
    def diverged(self) -> bool:
        """Whether training diverged at a site: it reported that, or sent numbers that are not finite."""
        said = f"`{DivergenceError.code}`"
        reasons = [line["reason"] for line in self.dropped if line["what"] in LEARNING]
        return any(said in reason or "not finite" in reason for reason in reasons)


def summarise(
    trained: Sequence[Trained], task: AnyTask, judging: Judging | None = None, recipes: Recipes | None = None
) -> dict[str, Any]:
    """The content of ``study.json``; the first method is the federation. ``recipes``: with rivals, which these are."""
    seeds = list(dict.fromkeys(one.seed for one in trained))
    methods = list(dict.fromkeys(one.method for one in trained))
    sites = sorted({site for one in trained for site in one.tested})
    folds = len({one.fold for one in trained if one.fold is not None}) or None
    merged = {method: [scored_once(_of(trained, method, seed), folds, task) for seed in seeds] for method in methods}
    figures = {method: [_figures(_of(trained, method, seed)) for seed in seeds] for method in methods}
    if folds is not None:
        figures = {method: [figures_by_site(one, sites, task) for one in by] for method, by in merged.items()}
    values: Values = {
        method: [{site: some.get(site, {}).get(task.headline) for site in sites} for some in by_seed]
        for method, by_seed in figures.items()
    }
    tests = {m: [_tested(_of(trained, m, s), merged[m][at]) for at, s in enumerate(seeds)] for m in methods}
    compared = Compared(values, tests, methods[0], judging or Judging())
    enough, heading = compared.enough, task.columns[task.headline]
    found: dict[str, Any] = {
        "headline": task.headline,
        "heading": heading,
        "seeds": seeds,
        "folds": folds,
        "sites": sites,
        "methods": methods,
        "by_site": {
            site: {m: _with_reason(plain(by_site(values, m, site)), trained, m, site) for m in methods}
            for site in sites
        },
        "few": compared.few,
        "mean_over_sites": {method: plain(over_sites(enough, method)) for method in methods},
        "counted": common_sites(enough),
        "worst_site": {method: _worst(enough, method) for method in methods},
        "difference": {
            one: compared.plain(one, sites) for one in methods[1:] if not recipes or one not in recipes.names
        },
        **_runs(trained, methods),
        "figures": figures,
        "warnings": _warnings(tests[methods[0]], task),
    }
    found |= {} if folds is None else _out_of_fold(merged, task)
    found |= {} if recipes is None else {"rivals": beside(recipes, compared, trained, sites, heading)}
    return _judged(found, compared)


def _out_of_fold(merged: Mapping[str, Sequence[Merged]], task: AnyTask) -> dict[str, Any]:
    within = {method: within_sites(by_seed) for method, by_seed in merged.items()}
    return {"all_cases": all_cases(merged, task), "within_sites": within}


def _judged(found: dict[str, Any], compared: Compared) -> dict[str, Any]:
    """With what follows from the differences to the simplest network and to each site alone."""
    if SIMPLER in found["methods"]:
        found["warnings"] += not_better(found["difference"][SIMPLER]["mean_over_sites"])
    if LOCAL not in found["methods"]:
        return found
    cases = _cases(found["figures"][FEDERATED], found["counted"])
    return found | compared.verdict(LOCAL, found["sites"], found["heading"], cases)


def not_better(difference: Mapping[str, Any]) -> list[str]:
    """A sentence, if the plan's network is not shown to be better than the simplest one.

    Args:
        difference: federated minus the simplest: ``mean``, ``low``, ``high``.
    """
    mean, low, high = (difference.get(name) for name in ("mean", "low", "high"))
    if mean is None or (low is not None and low > 0):
        return []
    between = "" if low is None or high is None else f" (95 % interval {low:+.3f} to {high:+.3f})"
    between = f" ({alike(difference)}: {why_untold(difference)})" if difference.get("same") else between
    return [
        f"the plan's network is not shown to be better than the simplest one: the difference is {mean:+.3f}{between}"
    ]


def _runs(trained: Sequence[Trained], methods: Sequence[str]) -> dict[str, Any]:
    """What the runs took, and what was left out of them."""
    return {
        "chosen_lr": {name: [one.lr for one in trained if one.name == name] for name in _names(trained)},
        "without_lr": _names([one for one in trained if one.without_lr]),
        "chosen_without_val": _names([one for one in trained if one.chosen_without_val]),
        "last_without_val": _names([one for one in trained if set(FINAL) & set(one.without_options)]),
        "cost": {method: _cost([one for one in trained if one.method == method]) for method in methods},
        "without_columns": _united((one.name, one.without_columns) for one in trained),
        "without_options": _united((one.name, [o for o in one.without_options if o not in FINAL]) for one in trained),
        "dropped": [{**one.at, "lr": one.lr, **line} for one in trained for line in one.dropped],
        "failed": [{**one.at, "why": one.failed} for one in trained if one.failed],
    }


def _tested(trained: Sequence[Trained], merged: Merged) -> SeedScores:
    """The test of one method and seed; with folds, of all folds' cases together."""
    evaluations = merged or {site: one for run in trained for site, one in run.evaluations.items()}
    parts: dict[str, dict[int, CaseScores]] = {}
    for run in trained:
        for site, scores in run.scores.items():
            parts.setdefault(site, {})[run.fold or 0] = scores
    return SeedScores(
        evaluations, {site: joined([held[fold] for fold in sorted(held)]) for site, held in parts.items()}
    )


def _cases(figures: Sequence[Mapping[str, Mapping[str, Any]]], counted: Sequence[Sequence[str]]) -> int:
    """Test cases of a seed at the sites that count, in the mean over seeds."""
    each: list[int] = [sum(some[site]["cases"] for site in sites) for some, sites in zip(figures, counted, strict=True)]
    return round(fmean(each))


def _with_reason(found: dict[str, Any], trained: Sequence[Trained], method: str, site: str) -> dict[str, Any]:
    """With ``absent`` if a site has no figure with any seed: nobody trained for it (it ``only tests``), training
    ``failed``, it told none (``not told``), or it is ``undefined``."""
    if found["mean"] is not None:
        return found
    tested = [one for one in trained if one.method == method and site in one.tested]
    if any(one.failed for one in tested) or not tested:
        return {**found, "absent": "failed" if tested else "only tests"}
    told = any(one.figures.get(site, {}).get("cases") for one in tested)
    return {**found, "absent": "undefined" if told else "not told"}


def _warnings(tests: Sequence[SeedScores], task: AnyTask) -> list[str]:
    """What the federation's test figures warn of, with the first seed."""
    found = confounding(task, tests[0].evaluations, {})
    return [] if found is None else list(found.sentences())


def _of(trained: Sequence[Trained], method: str, seed: int) -> list[Trained]:
    return [one for one in trained if (one.method, one.seed) == (method, seed)]


def _figures(trained: Sequence[Trained]) -> dict[str, dict[str, Any]]:
    """All figures of a method and a seed, by site; each site is tested by exactly one training of the method."""
    return {site: dict(figures) for one in trained for site, figures in one.figures.items()}


def _worst(values: Values, method: str) -> dict[str, Any] | None:
    found = worst_site(values, method)
    return None if found is None else {"site": found[0], **plain(found[1])}


def _cost(trained: Sequence[Trained]) -> dict[str, Any]:
    """Runs and seconds in all; mean bytes over the trainings with a result."""
    whole = [one for one in trained if one.failed is None]
    return {
        "runs": sum(one.runs for one in trained),
        "seconds": round(sum(one.seconds for one in trained), 3),
        "bytes_up": round(sum(one.bytes_up for one in whole) / len(whole)) if whole else None,
        "bytes_down": round(sum(one.bytes_down for one in whole) / len(whole)) if whole else None,
    }


def _united(given: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Unite the lists of each run over seeds; runs without an entry are left out."""
    found: dict[str, dict[str, None]] = {}
    for name, some in given:
        found.setdefault(name, {}).update(dict.fromkeys(some))
    return {name: list(some) for name, some in found.items() if some}


def _names(trained: Sequence[Trained]) -> list[str]:
    return list(dict.fromkeys(one.name for one in trained))
