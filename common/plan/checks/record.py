"""Checks of ``privacy=record``: all that leaves a site has noise that is charged, or the plan leaves it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.checks.transfer import bears_noise
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.common.plan.types import Check


def _with(section: str, wrong: Callable[[Any], bool], text: str) -> Check:
    return Check((section, "privacy"), lambda p: p.privacy.by_patient and wrong(p), f"privacy=record {text}")


def _scales(plan: Any) -> tuple[str, ...]:
    """Values of ``features.scale`` that no other case's features enter without noise. A gradient of a linear head needs
    features of bounded length; a site that trains bounds the gradient itself."""
    exact = not hasattr(plan, "strategy") or is_exact(plan.strategy)
    return ("case", "case_common") if exact else ("case", "case_common", "none")


def _task(wrong: Callable[[str], bool], name: str) -> Check:
    return _with(
        "data",
        lambda p: wrong(p.data.task),
        f"has no noise for what {name} tells; set data.task=classification or multilabel",
    )


_FINDINGS = "multilabel"
_OF_FINDINGS: tuple[Check, ...] = tuple(
    _with(section, lambda p, wrong=wrong: p.data.task == _FINDINGS and wrong(p), text)  # type: ignore[misc]
    for section, wrong, text in (
        (
            "loss",
            lambda p: (p.loss.weights, p.loss.prior) != ("none", "none"),
            "with data.task=multilabel counts patients, not findings, of which a patient has several; set loss.weights "
            "and loss.prior to none",
        ),
        (
            "data",
            lambda p: p.privacy.evaluation > 0,
            "has noisy counts of scores where a case has one class; set privacy.evaluation=0 with data.task=multilabel",
        ),
        (
            "data",
            lambda p: p.rounds == 0,
            "with rounds=0 sums up over classes; data.task=multilabel needs rounds and steps (privacy=record)",
        ),
    )
)
RECORD_CHECKS: tuple[Check, ...] = (
    _task(lambda task: task == "survival", "survival"),
    _task(lambda task: task not in ("classification", _FINDINGS, "survival"), "a task of one's own"),
    *_OF_FINDINGS,
    _with(
        "table",
        lambda p: p.table is not None and p.table.statistics != "plan",
        "has no noise for the statistics of a table's columns, which would leave as they are; set "
        "table.statistics=plan, and give means, deviations and vocabulary that are known without these cases",
    ),
    _with(
        "features",
        lambda p: getattr(p, "table", None) is None and p.features.scale not in _scales(p),
        "needs features of bounded length, by no numbers that rest on cases without noise; set "
        "features.scale=case_common, or case",
    ),
    _with(
        "features",
        lambda p: getattr(p, "table", None) is not None and p.features.scale != "none",
        "takes a table's columns as its plan scales them; set features.scale=none",
    ),
    _with(
        "features",
        lambda p: p.features.keep is not None,
        "has no noise for the sums by class that rank features; set features.keep=null",
    ),
    _with(
        "release",
        lambda p: p.release.train_loss or p.release.quarantine,
        "has no noise for losses and quarantine counts; set release.train_loss and release.quarantine to false",
    ),
    _with(
        "release",
        lambda p: p.release.evaluation and not p.privacy.evaluation,
        "tells no figures with privacy.evaluation=0; set release.evaluation=false, and measure on cases of the "
        "coordinator's own or after the run at each site; or set privacy.evaluation above 0 (privacy=record_evaluated)",
    ),
    _with(
        "release",
        lambda p: p.privacy.evaluation and not p.release.evaluation,
        "has noise for figures (privacy.evaluation), and release.evaluation=false withholds them; set it to true",
    ),
    _with(
        "data",
        lambda p: p.privacy.evaluation and p.data.val_fraction == 0 and p.data.test == "coordinator",
        "has noise for figures (privacy.evaluation) over cases that no site has: set data.val_fraction or "
        "data.test=sites, or privacy.evaluation=0",
    ),
    _with(
        "release",
        lambda p: not p.release.class_counts,
        "tells class counts with noise, from which it knows how large its steps may be; set release.class_counts=true",
    ),
    _with(
        "loss",
        lambda p: "local" in (p.loss.weights, p.loss.prior),
        "needs a loss that each patient's own cases decide, and a site's own class counts are its other patients' too; "
        "set loss.weights and loss.prior to global (from the noisy counts) or none",
    ),
    _with(
        "augment",
        lambda p: p.augment.views > 1,
        "bounds what each patient gives by the head's inputs of one view; set augment=none",
    ),
    _with(
        "calibration",
        lambda p: p.calibration.method != "none" and not p.privacy.evaluation,
        "has no noise for scores of validation cases, to which probabilities would be fitted; set calibration=none, or "
        "privacy.evaluation above 0",
    ),
    _with(
        "calibration",
        lambda p: p.privacy.evaluation and p.calibration.method != "none" and p.calibration.by_site,
        "adds noisy scores of all sites up before anything is fitted to them; set calibration.by_site=false",
    ),
    _with(
        "decide",
        lambda p: p.privacy.evaluation and p.decide.by_site != "pooled",
        "adds noisy scores of all sites up before anything is decided by them; set decide.by_site=pooled",
    ),
    _with(
        "decide",
        lambda p: p.decide.unseen is not None,
        "has no noise for sums over features, by which cases are unfamiliar; set decide.unseen=null",
    ),
    _with("audit", lambda p: bool(p.audit.columns), "has no noise for figures by subgroup; set audit.columns=[]"),
    _with("select", lambda p: p.select == "best", "tells no validation figures to choose a round by; set select=last"),
    _with(
        "initial",
        lambda p: p.initial.target is not None and not bears_noise(p),
        "has no noise for what `initial` asks of sites; set initial=none, or initial=noisy_ridge with rounds=0",
    ),
    Check(
        ("initial", "privacy", "rounds"),
        lambda p: bears_noise(p) and not (p.privacy.by_patient and p.rounds == 0),
        "initial=noisy_ridge is for privacy=record and rounds=0 (privacy=record_once), where hospitals meet once; set "
        "initial=ridge or none",
    ),
    Check(
        ("initial", "privacy", "rounds"),
        lambda p: p.privacy.by_patient and p.rounds == 0 and not bears_noise(p),
        "privacy=record with rounds=0 trains nothing; set rounds, or initial=noisy_ridge (privacy=record_once)",
    ),
    _with(
        "personal",
        lambda p: p.personal.target is not None,
        "bounds gradients of one head for all sites; set personal=none",
    ),
    _with(
        "hold_out",
        lambda p: bool(p.hold_out),
        "tells no evaluations, for which sites are held out; set hold_out=[]",
    ),
    _with(
        "harmonise",
        lambda p: p.harmonise.target is not None and not p.harmonise.reference,
        "has no noise for means over images; give harmonise.reference, or set harmonise=none",
    ),
    _with(
        "rounds",
        lambda p: p.privacy.steps < p.rounds,
        "deals its steps over the rounds, and has fewer steps; set privacy.steps to rounds or more",
    ),
    Check(
        ("privacy", "aggregation", "strategy"),
        lambda p: (
            p.privacy.by_patient
            and is_exact(p.strategy)
            and p.aggregation.secure
            and p.strategy.options.get("precision") != "float64"
        ),
        "privacy=record with aggregation.secure needs words that hold noisy gradients exactly; set "
        "strategy.precision=float64",
    ),
    Check(
        ("privacy",),
        lambda p: not p.privacy.on and p.privacy != PrivacySection(),
        "options of privacy have no effect with privacy.unit=none; leave them out, or set privacy=record",
    ),
    Check(
        ("privacy",),
        lambda p: p.privacy.counts + p.privacy.moments >= 1,
        "privacy.counts and privacy.moments are shares of the promise, and leave nothing for gradients; set their sum "
        "below 1",
    ),
)
