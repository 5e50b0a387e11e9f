"""What a run knows of the items of a model card, in sentences; what it does not know is left out."""

from __future__ import annotations

from collections.abc import Mapping

from fedgraft.common.drawing.markup import words
from fedgraft.common.drawing.numbers import figure
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.summary import summary_lines
from fedgraft.common.tables.far import DEVIATIONS
from fedgraft.server.evidence.listed import some_of
from fedgraft.server.exchange.ledger import CARRIED
from fedgraft.server.reports.page.folder import RunFolder
from fedgraft.server.reports.page.subgroups import gap_sentences

SOFTWARE = "FedGraft"


def tripod(run: RunFolder) -> Mapping[str, str]:
    """By number of the item."""
    plan = run.plan
    return {
        "1": f"The model {run.task.purpose}; population: see the question.",
        "4": "Developed by federated training, and tested on cases that took no part in it.",
        "5a": _sources(run),
        "6a": f"{len(run.sites)} hospitals: {some_of(list(run.sites))}.",
        "7": f"Cases that could not be used, by hospital and reason: {_quarantined(run)}.",
        "8a": f"Labels of the manifest's column for {plan.data.task}; classes: {_classes(plan)}.",
        "12a": _division(run),
        "12b": "; ".join(line for line in summary_lines(plan) if line.startswith(("features", "augment", "harmonise")))
        or "Inputs as the backbone declares them, otherwise unchanged.",
        "12c": f"{_parts(plan)}. Rounds: {plan.rounds}; the final model is that of round "
        f"{run.summary['final_round']} (select={plan.select}{_instead(run)}).",
        "12d": "Figures are given for each hospital (23b).",
        "12e": f"{', '.join(run.summary['columns'].values())}; calibration (ECE, slope, intercept, Brier); "
        "net benefit: report.html."
        if run.task.has_probabilities
        else f"{', '.join(run.summary['columns'].values())}.",
        "12f": _calibrated(run),
        "12g": "By the final model at each hospital, on its own test cases, read in the same way as for training.",
        "13": f"Weights of the loss: {plan.loss.weights} ({plan.loss.scheme}); prior: {plan.loss.prior}; sampling: "
        f"{'none' if plan.sampling.target is None else plan.sampling.target.rpartition('.')[2]}. {_calibrated(run)}",
        "14": _fairness(run),
        "15": _output(run),
        "21": f"Training cases: {_by_site(run, 'examples')}. Test cases: {_by_site(run, 'cases')}.",
        "22": "The folder model/ (weights, plan, calibration, digests) is the model; `fedgraft predict` opens it.",
        "23a": f"{_performance(run)} {_fairness(run)}",
        "23b": f"{run.heading}: {_headlines(run)}.",
    }


def ai_act(run: RunFolder) -> Mapping[str, str]:
    """By number of the item."""
    plan = run.plan
    return {
        "1a": f"The model {run.task.purpose}. Version: plan {run.summary['plan_digest']}.",
        "1d": "A folder of files: weights (safetensors), plan, calibration, digests of all of them.",
        "2a": f"Federated training by {SOFTWARE} with Flower. {_parts(plan)}.",
        "2b": f"Trained to minimise the loss {_last(plan.loss.target)}; what was switched on: "
        f"{'; '.join(summary_lines(plan))}.",
        "2c": f"{_networks(plan)}; {len(run.sites)} hospitals and a coordinator. {_bytes(run)}",
        "2d": f"{_sources(run)} {_division(run)}",
        "2e": _output(run),
        "2g": f"{_performance(run)} By hospital: {_headlines(run)}. Ledger of the run: ledger.jsonl. {_fairness(run)}",
        "2h": "In training: cases stay at hospitals; weights travel over TLS between registered keys; nothing is "
        "unpickled.",
        "3": f"{_performance(run)} Warnings of the run: see above.",
        "4": f"{run.heading}: in that share of pairs of {run.task.ranking}; guessing gives 0.5.",
        "6": f"This file describes one run: seed {plan.seed}, plan {run.summary['plan_digest']}.",
    }


def _last(target: str | None) -> str:
    return "none" if target is None else target.rpartition(".")[2]


def _networks(plan: Plan) -> str:
    names = [one.name for one in plan.features.networks] or [plan.backbone.name]
    return f"Network: {' and '.join(names)}{' (pretrained)' if plan.backbone.pretrained else ''}"


def _parts(plan: Plan) -> str:
    parts = ("head", "loss", "strategy", "adaptation", "personal")
    lines = [line for line in summary_lines(plan) if line.startswith(parts)]
    return "; ".join([_networks(plan), *lines])


def _classes(plan: Plan) -> str:
    return ", ".join(plan.data.classes) or "none"


def _instead(run: RunFolder) -> str:
    few = run.plan.select == "best" and not run.chose_best
    return ", but validation scores came in too few groups to choose by: the last" * few


def _sources(run: RunFolder) -> str:
    trained = [name for name in run.sites if name not in run.summary["held_out"]]
    held = run.summary["held_out"]
    more = f" Only tested at: {some_of(held)}." if held else ""
    return f"Development: {some_of(trained)}. Evaluation: {_tested(run)}.{more}"


def _tested(run: RunFolder) -> str:
    test = run.summary["test"]
    if not test["cases"]:
        return "none"
    whose = "the coordinator's own test set" if test["source"] == "coordinator" else "test cases of the same hospitals"
    return f"{whose}, {test['cases']:,} cases"


FEW = "few"
"""For a number that is above 0 and below a hospital's ``min_count``."""


def _division(run: RunFolder) -> str:
    data = run.plan.data
    own = [
        f"{name} {val:g} and {test:g}"
        for name, one in run.sites.items()
        for val, test in [one.get("own_fractions") or (None, None)]
        if val is not None
    ]
    besides = f"; by their own fractions: {some_of(own)}" if own else ""
    return (
        f"Each hospital's cases were split by patient: validation {data.val_fraction:g}, test {data.test_fraction:g}, "
        f"the rest for training (seed {run.plan.seed}; a hospital draws by its own secret){besides}."
    )


def _quarantined(run: RunFolder) -> str:
    told = [
        f"{name}: {', '.join(f'{reason} {count or FEW}' for reason, count in one['quarantined'].items())}"
        for name, one in run.sites.items()
        if one.get("quarantined")
    ]
    return some_of(told, "; ") or "none told"


def _calibrated(run: RunFolder) -> str:
    method = run.calibration.get("method", "none")
    if method == "none":
        return "Probabilities were not calibrated."
    return f"Probabilities were calibrated by {method} on {run.calibration['from_cases']:,} validation cases."


def _output(run: RunFolder) -> str:
    if not run.task.has_probabilities:
        return f"A risk that ranks cases; no probability and no threshold.{_far(run)}"
    said = "A probability of each class or finding."
    if run.decisions:
        raw = run.decisions.get("because", {})
        if len(raw) == len(run.task.scored):
            return f"{said} The threshold is the raw model's, 0.5; no sets of answers.{_far(run)}"
        rule = run.decisions["rule"]
        said += (
            f" Threshold by validation cases: {rule['at']}. Sets of answers promised to hold the true one for "
            f"{100 * run.decisions['coverage']:g} % of cases, and flags for a person to look."
        )
    return f"{said}{_far(run)}"


def _far(run: RunFolder) -> str:
    if run.plan.table is None or not run.plan.table.numeric:
        return ""
    return (
        f" A case with a number more than {DEVIATIONS:g} deviations from the mean of all hospitals' tables is flagged, "
        "with the name of the column."
    )


def _bytes(run: RunFolder) -> str:
    """Of a round, and of what travels once. A network goes to those only that lack it, and packed answers of the same
    run differ by a few bytes: the card of the same run is the same."""
    each, hospitals = run.summary["bytes"], max(1, len(run.sites))
    rest = [entry for entry in run.ledger if entry["what"] not in (*CARRIED, "prepare")]
    down, up = (float(f"{sum(e[way] for e in rest) / hospitals:.2g}") for way in ("bytes_down", "bytes_up"))
    return (
        f"Bytes per hospital and round: {each['down']:,} down, {each['up']:,} up; besides, once: the network, to a "
        "hospital that has not got it (as large as model.safetensors at most), and for statistics and evaluations "
        f"about {down:,.0f} down, {up:,.0f} up."
    )


def _by_site(run: RunFolder, what: str) -> str:
    return some_of([f"{name} {one[what]:,}" for name, one in run.sites.items()])


def _headlines(run: RunFolder) -> str:
    told = ", ".join(f"{name} {_one(run, name)}" for name in run.of_listed(run.sites))
    return f"{told}.{run.who_is_listed}".removesuffix(".") if run.is_crowd else told


def _one(run: RunFolder, name: str) -> str:
    if run.is_blurred(name):
        return "not given (scores in too few groups)"
    return f"{figure(run.sites[name][run.headline])}{' (too few cases to say)' * run.too_few(name)}"


def _fairness(run: RunFolder) -> str:
    """The gaps between subgroups, of every column and class."""
    if not run.subgroups:
        return "No figures by subgroup: the plan names no columns (audit.columns)."
    said = [f"Figures by subgroup of {', '.join(run.subgroups)}: report.html."]
    for column, one in run.subgroups.items():
        for scored, gaps in one["gaps"].items():
            name = f"{scored}: " if len(one["gaps"]) > 1 else ""
            said += [f"{name}{words(sentence)}" for sentence in gap_sentences(column, gaps)]
    return " ".join(said)


def _together(run: RunFolder) -> str:
    value = run.shown(None, run.headline)
    blurred = value is None and run.summary["test"][run.headline] is not None
    if blurred:
        return "not given (scores in too few groups)"
    ends = run.interval(None)
    return figure(value) + ("" if ends is None or value is None else f" [{ends[0]:.3f}, {ends[1]:.3f}]")


def _performance(run: RunFolder) -> str:
    test = run.summary["test"]
    if not test["cases"]:
        return "There are no test cases: performance is not known."
    said = f"On {_tested(run)}: {run.heading} {_together(run)}."
    for name, one in run.thresholds.items():
        shares = one[run.threshold]["pooled"]
        parts = [
            f"{what} {shares[what]['value']:.3f} [{shares[what]['low']:.3f}, {shares[what]['high']:.3f}]"
            for what in ("sensitivity", "specificity")
            if shares[what]
        ]
        said += f" {name}: {', '.join(parts)}."
    return said
