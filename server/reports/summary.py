"""Write a run's results: ``summary.json`` and ``rounds.jsonl``.

``summary.json`` (scripts can rely on these keys; a figure that is undefined, for instance AUROC over one class, is
null):

- ``plan_digest``, ``seed``, ``rounds``, ``task``
- ``complete``: whether all rounds were run and the final model evaluated; ``reason``: why not; ``completed_rounds``
- ``extended``: the rounds of the plan before each time that the complete run was extended; empty if it never was
- ``start_from``: of the finished run from whose graft this one began, ``digest`` (of the graft), ``run`` (its folder's
  name) and ``plan_digest``; null if it began from none
- ``final_round``: the round whose model is the final one (``select``)
- ``headline``: the figure that is plotted and that decides which site is the worst; ``columns``: the figures in tables,
  with their headings
- ``seconds.total``, and ``seconds.per_round`` (mean)
- ``bytes.up``, ``bytes.down``: of message content, per site and round (mean over accepted train messages)
- ``test.<figure>``: of the final model; ``test.source`` is ``coordinator`` (its own test set) or ``sites`` (merged)
- ``val.<figure>``: of the final model on the validation cases of the sites that train, merged
- ``noise.<val|test>.<figure>``: how far noise for privacy (``privacy.evaluation``) moves these (root mean square),
  beside the chance of so many cases; empty if they have none; without a figure that it may leave undefined
- ``privacy``: ``unit``, ``epsilon``, ``delta``; ``spent``: the epsilon of what sites told, or (``unit=site``) of the
  completed rounds; ``releases`` and ``apart``: sums with ``noise`` (in lengths of the longest part), ``times``,
  ``shared``, ``sampled``; ``steps``: noisy steps (or rounds) ``due``, and ``taken``, on which the model rests; those
  ``lost``, each with ``round``, ``step``, ``why``; ``spent``: whether accounts ended the training; null without
- ``sites.<name>.<figure>``, with ``cases``, ``prevalence``, ``examples`` (training cases) and ``split``
- ``sites.<name>.quarantined``: cases that the site can't use, by reason (empty too if the site withholds them; 0: some,
  but fewer than its ``min_count``)
- ``sites.<name>.own_fractions``: validation and test, where a site splits by others than the plan's
- ``worst_site.name``, ``worst_site.<headline>``: the site with the lowest headline figure, of those where it is defined
  and rests on 5 positive and 5 negative cases at least
- ``prevalence_of``: what ``prevalence`` is the share of
- ``held_out``: sites that never trained; their cases count in ``sites`` and, if the coordinator has no test set, in
  ``test``
- ``abstaining.<name>``: those of them that the plan does not hold out, and the code of why they send no update
- ``dropped``: ledger lines that were not ok
- ``statistics_from``: sites that contributed to the federated statistics of a table or of images; empty if the run had
  none
- ``initial_without``: sites whose sums are missing from the head's start (``initial``); empty if the run had none
- ``interpolations.<share>``: the headline figure on validation cases for each share of the trained head in
  ``initial.interpolate``; the final model, and the last line of ``rounds.jsonl``, is the best of them; empty without
- ``fits``: with ``strategy=exact``, the fit of each round: ``round``, ``ridge``, ``evaluations``, ``gradient`` (its
  largest component), ``converged``, and ``sites`` that were in it to its end; empty without
- ``choices``: for each option that validation cases chose before the first round (``features.scale``, ``initial``), the
  figure of each value
- ``moments_without``: sites whose moments of features are missing from the common ones (``features.scale``)
- ``kept.<module>``: with ``features.keep``, how many of the features that enter the head come from each module of the
  backbone; empty without
- ``ranking_without``: sites whose sums are missing from the ranking by which they were chosen
- ``prevalence_estimated.<name>``: with ``features.scale=own_balanced``, of each held-out site the share of each class
  that it estimated, on which its scale rests; null if it does not tell; empty without such sites
- ``bounds``: ``refused``, ``clipped``: each with ``round``, ``site``, ``ratio`` (its update's norm in parts of the
  sites' median) and ``kept`` (what was left of it); ``counted``: sites that count for fewer ``cases`` than they
  ``told``, ``because`` of ``registered`` or ``share``; ``against.<name>``: rounds in which a site's update pulled
  against the others'
- ``class_counts_withheld``: sites whose class counts are missing from the global class counts
- ``calibration``: ``method``; ``from_cases``, ``from_sites.<name>``: validation cases that it was fitted to;
  ``own_maps``: sites with maps of their own; ``pooled_because.<name>``: why others have none; ``maps``: the calibration
  itself (`fedgraft.common.calibration.calibration`); ``pooled``, ``by_site.<name>``, ``central``: on test cases,
  ``before`` and ``after``, each with ``ece``, ``ece_by_chance``, ``adaptive_ece`` (means over the scored classes) and
  ``classes.<name>`` (`fedgraft.common.calibration.figures.Figures`); added by `fedgraft.server.evidence`, as is
- ``decisions``: ``rule``; ``thresholds.<class>``: ``chosen``, ``cautious``, ``half``, each ``pooled`` and ``sites`` on
  test cases; ``curves.<class>``; ``sets.<pooled|own|shrunk>``: coverage over all test cases and by site; null without
  validation cases or test cases
- ``familiarity``: ``share`` and ``limit`` (``decide.unseen``), ``pooled`` and ``sites.<name>``: by split, how many
  cases are flagged as unlike the training cases; null if nobody told
- ``subgroups.<column>`` (``audit``): ``groups`` over all sites' test cases and ``sites.<name>``, each with ``cases``,
  the headline figure, and by class AUROC, calibration intercept (value, low, high), sensitivity, specificity; ``gaps``
  by class, with ``p`` and ``more_than_chance``; ``without``: sites that told nothing of the column
- ``intervals``: 95 % intervals from the numbers of cases alone (a case is a case, also of one patient):
  ``sites.<name>`` (with ``few``: fewer than 5 positive or negative test cases, or scores in too few groups),
  ``together`` (all sites' test cases),
  ``central``: each ``auroc`` and ``classes.<class or finding>`` (``auroc``; ``sensitivity`` and ``specificity`` at
  log odds 0, where each is called yes or no), as ``value``, ``low``, ``high`` and numbers of cases; ``within_site``:
  the AUROC over pairs of cases of the same site; ``seen``: the ``smallest_difference`` to another model that so many
  ``cases`` would show with a power of 80 %, and the ``cases_needed`` for ``difference``
- ``confounding``: ``site_alone``, the AUROC that the site has without a look at the case; ``by_chance``; ``one_class``:
  sites with one class only; ``shares.<class>.<site>``; ``headline``: ``within_site`` if the site tells the label, so
  that ``test.auroc`` can't be trusted and ``intervals.within_site`` is the figure to go by, else ``merged``; null if
  the figures are not of several sites
- ``contributions`` (if the plan asks): ``whole``, the ``headline`` figure of the last ``round``'s model on the
  ``split`` of all ``sites`` that told, and ``without.<site>``, of that without this site's update
- ``scores`` (if some hospital tells scores by groups; in a line of ``rounds.jsonl`` ``too_few`` and ``ranked``, both by
  split, alone): ``in_groups_of.<name>`` (cases), ``needed.<name>``: cases with
  and as many without a class, below which its scores rank nothing; ``too_few.<val|test>``: sites below that, ``share``
  of the test cases that are theirs, and ``ranked``: whether figures over all sites that rest on ranks can be given;
  ``chooses``: whether validation scores of any site can choose a round (``select=best``; else the last is taken)
- ``site_distances`` (if the plan asks): ``before`` training and ``after`` (as the final model's head takes cases), by
  site: ``nearest`` other site, ``deviations`` from it and those ``by_chance``, whether it ``differs`` from all
  ``others``
- ``warnings``: sentences on what a reader must know before relying on the model
- ``notes``: sentences on the data set; added by a simulation, as ``clock`` is

Figures by task (``fedgraft.common.tasks``; ``headline`` first):

- classification: ``auroc``, ``auprc``, ``balanced_accuracy``, ``sensitivity``, ``specificity``, ``accuracy``, ``loss``
- multilabel: the same without ``accuracy``, as macro means over the findings with positive and negative cases;
  ``undefined`` names the others; and ``findings.<name>.<figure>``, with ``cases`` (whose label is known) and
  ``prevalence``
- survival: ``c_index``, ``loss`` (mean negative log partial likelihood per event), ``events``, ``comparable`` (pairs)
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.prior import estimates_prevalence
from fedgraft.common.tasks.areas import too_few
from fedgraft.server.evidence.grouped import grouped_of, groups_of_round
from fedgraft.server.exact.fit import Fit
from fedgraft.server.exchange.held_out import abstaining, without_part
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.statistics import used
from fedgraft.server.reports.bounds import bounds_figures, update_figures
from fedgraft.server.reports.promise import promise
from fedgraft.server.rounds.site_sums import withheld
from fedgraft.server.rounds.state import Round, RunOutcome


def summary(plan: Plan, outcome: RunOutcome, ledger: Ledger, seconds: float, reason: str = "") -> dict[str, Any]:
    """The content of ``summary.json``.

    Args:
        reason: why the run ended before its last round; ``""`` if it did not.
    """
    task, last = tasks.of(plan.data), outcome.final
    up, down = ledger.mean_bytes()
    sites = site_figures(outcome)
    headline = task.headline
    few = _few(plan, outcome)
    defined = {name: f[headline] for name, f in sites.items() if f[headline] is not None and name not in few}
    worst = min(defined, key=lambda name: (defined[name], name)) if defined else None
    return {
        **_about(plan, outcome, reason),
        "seconds": {"total": round(seconds, 3), "per_round": _mean([r.seconds for r in outcome.rounds[1:]])},
        "bytes": {"up": up, "down": down},
        "test": {
            **evaluation_figures(task, last.test),
            "source": "coordinator" if last.central is not None else "sites",
        },
        "val": evaluation_figures(task, last.pooled("val", without_part(outcome.offers, plan))),
        "noise": _short({split: dict(errors) for split, errors in last.noise.items()}),
        "privacy": promise(plan, outcome.rounds),
        "sites": sites,
        "worst_site": {"name": worst, headline: None if worst is None else defined[worst]},
        "held_out": list(without_part(outcome.offers, plan)),
        "abstaining": abstaining(outcome.offers),
        "dropped": ledger.dropped(),
        "statistics_from": used(ledger),
        "initial_without": withheld(ledger, "sums"),
        "interpolations": {f"{share:g}": _short(value) for share, value in outcome.interpolations.items()},
        "fits": [
            {"round": one.number, **fit_figures(one.fit), "sites": list(one.sites)}
            for one in outcome.rounds
            if one.fit is not None
        ],
        "choices": {option: _short(figures) for option, figures in outcome.choices.items() if figures},
        "moments_without": withheld(ledger, "moments"),
        "kept": dict(outcome.kept),
        "ranking_without": withheld(ledger, "ranking"),
        "prevalence_estimated": _estimated(plan, outcome),
        "class_counts_withheld": _withheld(plan, outcome),
        "bounds": bounds_figures(outcome.rounds),
    }


def _contributions(outcome: RunOutcome) -> dict[str, Any]:
    """The headline figure of the last round's model over all sites that told of all models, with and without each."""
    told = outcome.contributions
    if told is None:
        return {}
    task, models = outcome.final.task, {"": told.whole, **told.without}
    split = "test" if any("test" in splits for splits in told.whole.values()) else "val"
    sites = set.intersection(*({site for site, splits in one.items() if split in splits} for one in models.values()))
    merged = {name: task.merge([one[site][split] for site in sorted(sites)]) for name, one in models.items() if sites}
    figures = {name: _short(one.figures()[task.headline]) for name, one in merged.items()}
    about = {"round": told.round, "split": split, "headline": task.headline, "sites": sorted(sites)}
    without = {site: figures.get(site) for site in sorted(told.without)}
    return {"contributions": {**about, "whole": figures.get(""), "without": without}}


def _about(plan: Plan, outcome: RunOutcome, reason: str) -> dict[str, Any]:
    task = tasks.of(plan.data)
    return {
        "plan_digest": plan.digest,
        "seed": plan.seed,
        "rounds": plan.rounds,
        "complete": not reason,
        "reason": reason,
        "completed_rounds": outcome.rounds[-1].number,
        "final_round": outcome.final.number,
        "task": plan.data.task,
        "headline": task.headline,
        "columns": dict(task.columns),
        "prevalence_of": task.prevalence_of,
        **_contributions(outcome),
    }


def site_figures(outcome: RunOutcome) -> dict[str, dict[str, Any]]:
    """The final model's figures by site, on test cases, or on validation cases if no site has test cases."""
    task, by_site, split = outcome.final.task, outcome.final.by_site, _split(outcome)
    return {
        name: {
            **evaluation_figures(task, by_site.get(name, {}).get(split)),
            "examples": offer.examples,
            "split": split,
            "quarantined": dict(offer.quarantined),
            **({} if offer.fractions is None else {"own_fractions": list(offer.fractions)}),
        }
        for name, offer in sorted(outcome.offers.items())
    }


def _split(outcome: RunOutcome) -> str:
    return "test" if any("test" in splits for splits in outcome.final.by_site.values()) else "val"


def _few(plan: Plan, outcome: RunOutcome) -> set[str]:
    """The sites that are never the worst: with too few cases, or scores in too few groups."""
    split, grouped = _split(outcome), grouped_of(plan, outcome)
    told = {name: splits.get(split) for name, splits in outcome.final.by_site.items()}
    return {name for name, one in told.items() if _too_few(one) or grouped.is_blurred(name, one)}


def _too_few(evaluation: Evaluation | None) -> bool:
    return evaluation is None or too_few(evaluation)


def fit_figures(fit: Fit) -> dict[str, Any]:
    """How a fit ended."""
    return {
        "ridge": fit.ridge,
        "evaluations": fit.evaluations,
        "gradient": fit.gradient,
        "converged": fit.converged,
    }


def _withheld(plan: Plan, outcome: RunOutcome) -> list[str]:
    """The training sites that withheld the class counts from which global weights or a global prior are computed."""
    if not plan.loss.asks_all_counts:
        return []
    without = without_part(outcome.offers, plan)
    trained = (offer for name, offer in outcome.offers.items() if name not in without)
    return sorted(offer.site for offer in trained if offer.class_counts is None)


def _estimated(plan: Plan, outcome: RunOutcome) -> dict[str, dict[str, float] | None]:
    """By held-out site, the estimated share of each class; ``None`` if it is not told."""
    found: dict[str, dict[str, float] | None] = {}
    for name in plan.hold_out if estimates_prevalence(plan) else ():
        counts = outcome.final.expected.get(name)
        shares = None if counts is None else zip(plan.data.classes, counts, strict=True)
        found[name] = None if shares is None else {label: round(n / sum(counts or ()), 4) for label, n in shares}
    return found


def round_line(round_: Round) -> dict[str, Any]:
    """One line of ``rounds.jsonl``: the figures after a round (round 0: before training)."""
    task = round_.task
    return {
        "round": round_.number,
        "updated": list(round_.sites),
        "train_loss": round_.train_loss,
        "seconds": round(round_.seconds, 4),
        **({} if round_.rested_on is None else {"rested_on": asdict(round_.rested_on)}),
        **({} if round_.fit is None else {"fit": fit_figures(round_.fit)}),
        **({} if round_.steps is None else {"steps": asdict(round_.steps)}),
        "bytes": {"up": round_.bytes_up, "down": round_.bytes_down},
        **({"updates": update_figures(round_)} if round_.updates else {}),
        **groups_of_round(round_),
        "val": evaluation_figures(task, round_.pooled("val")),
        "test": evaluation_figures(task, round_.test),
        "sites": {
            name: {split: evaluation_figures(task, evaluation) for split, evaluation in splits.items()}
            for name, splits in sorted(round_.by_site.items())
        },
    }


def evaluation_figures(task: AnyTask, evaluation: Evaluation | None) -> dict[str, Any]:
    """All figures of an evaluation, rounded, with ``cases`` and ``prevalence``; ``None`` gives those of no case."""
    if evaluation is None:
        return {**dict.fromkeys(task.figures), "cases": 0, "prevalence": None}
    figures = {**evaluation.figures(), "cases": evaluation.cases, "prevalence": evaluation.prevalence}
    found: dict[str, Any] = _short({**figures, **evaluation.details()})
    return found


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
