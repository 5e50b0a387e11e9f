"""Every field of every kind of message that leaves a site: noisy and charged, of no patient, or not told with privacy.

A field or a kind of message that is added fails here until it is said which of these it is. That what leaves with each
kind of plan is no more than this is seen over the wire in tests/client/app/test_private_*.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.app.client_app import app
from fedgraft.client.deployment.sending import require_no_promise
from fedgraft.client.privacy import site, updates
from fedgraft.client.privacy.required import UPDATE, require_unpromised
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PlanError, PrivacyError
from fedgraft.common.features.moments import Moments
from fedgraft.common.logs.heads import Statement
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.external import External
from fedgraft.common.wire.familiarity import Told, ToldByPatient
from fedgraft.common.wire.feature_moments import SiteMoments
from fedgraft.common.wire.gradient import Gradient
from fedgraft.common.wire.head_sums import SiteSums
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer
from fedgraft.common.wire.site_facts import SiteFacts
from fedgraft.common.wire.statistics import SiteStatistics
from fedgraft.common.wire.summed import kinds, steps
from fedgraft.common.wire.summed.words import Words

Composer = Callable[..., Plan]
CHARGED = {site.COUNTS, site.MOMENTS, site.GRADIENT, site.FIGURES, site.TRAINED, site.START, updates.UPDATE}
"""Kinds of lines in the site's account."""
NOBODY = "of no patient"
NEVER = "never told with privacy"
NAMED = dict.fromkeys(("site", "plan_digest"), NOBODY)
ANSWERS: dict[str, dict[type, dict[str, str]]] = {
    "query.prepare": {
        Offer: {
            **NAMED,
            **dict.fromkeys(("has_backbone", "lacks", "abstains", "fractions", "receipt", "grouped"), NOBODY),
            **dict.fromkeys(("examples", "class_counts"), site.COUNTS),
            **dict.fromkeys(("quarantined", "seconds", "marked"), NEVER),
        }
    },
    "query.backbone": {},
    "query.describe": {SiteStatistics: {**NAMED, "statistics": NEVER}},
    "query.moments": {
        SiteMoments: {**NAMED, "moments": site.MOMENTS},
        Moments: {"cases": site.COUNTS, "mean": site.MOMENTS, "squares": site.MOMENTS},
    },
    "query.familiarity": {
        Told: {**NAMED, "sums": NEVER, "counts": NEVER},
        ToldByPatient: {**NAMED, "sums": NEVER},
    },
    "query.sums": {SiteSums: {**NAMED, "sums": site.START}},
    "query.gradient": {
        Gradient: {
            **NAMED,
            "round": NOBODY,
            "tensors": site.GRADIENT,
            "examples": site.COUNTS,
            "loss": NEVER,
            "evaluations": NEVER,
        }
    },
    "query.secure": {steps.Told: dict.fromkeys(("site", "shares", "mask_key", "card", "sealed"), NOBODY)},
    "train": {
        Update: {
            **NAMED,
            "round": NOBODY,
            "tensors": f"{site.TRAINED}, {updates.UPDATE}",
            "examples": site.COUNTS,
            **dict.fromkeys(("train_loss", "evaluations", "held_back"), NEVER),
        },
        Words: {**dict.fromkeys(("site", "plan", "parts", "mask_key"), NOBODY), "vector": ", ".join(sorted(CHARGED))},
    },
    "evaluate": {},
}
"""By kind of message, what is packed into its answers. With ``evaluate`` these are evaluations, expected counts and
figures by subgroup, which are never told, and `site.FIGURES`, which are arrays of counts."""
OUTSIDE: dict[type, dict[str, str]] = {
    SiteFacts: {
        **dict.fromkeys(("fedgraft", "wire", "kind", "columns", "room", "allow"), NOBODY),
        **dict.fromkeys(("approval", "approved", "refused"), NOBODY),
        **dict.fromkeys(("cases", "classes"), NEVER),
    },
    External: {"model": NOBODY, "trained": NOBODY, "grouped": NOBODY, "evaluation": NEVER},
    Statement: dict.fromkeys(("of", "time", "heads", "key", "signature"), NOBODY),
}
"""What leaves outside of a run's questions: never, where the site has a budget."""
PRIVATE = ("record", "record_evaluated", "record_once", "record_trained", "site")


def test_every_kind_of_message_is_here() -> None:
    registered = {name.removesuffix(".default") for name in vars(app)["_registered_funcs"]}
    assert registered == set(ANSWERS)
    assert {*kinds.KINDS, *kinds.OPEN} <= registered


@pytest.mark.parametrize(
    ("packed", "said"), [pair for some in (*ANSWERS.values(), OUTSIDE) for pair in some.items()], ids=lambda one: ""
)
def test_every_field_is_charged_or_of_no_patient_or_never_told(packed: type[Any], said: dict[str, str]) -> None:
    assert {one.name for one in fields(packed)} == set(said)
    for how in said.values():
        assert how in (NOBODY, NEVER) or set(how.split(", ")) <= CHARGED


@pytest.mark.parametrize("privacy", PRIVATE)
def test_what_is_never_told_is_refused_whatever_is_asked(compose_plan: Composer, privacy: str) -> None:
    plan = compose_plan(f"privacy={privacy}", *(["rounds=0"] if privacy == "record_once" else []))
    told = {UPDATE} if privacy in ("record_trained", "site") else set()
    for what in {UPDATE, "sums by class", "sums over features", "statistics of the input"} - told:
        with pytest.raises(PrivacyError, match=f"and {what} would leave without noise"):
            require_unpromised(plan, what)
    with pytest.raises(PrivacyError, match=r"the model's plan has privacy=.*, and figures would leave without noise"):
        require_no_promise(SiteFile("alder", Path("manifest.csv"), Path("state")), plan)


@pytest.mark.parametrize("privacy", PRIVATE)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("site_distances=true",), "which privacy does not charge for; set site_distances=false"),
        (("contributions=true",), "which privacy does not charge for; set contributions=false"),
        (("select=unseen",), "which privacy does not charge for; set select=last"),
        (("strategy=qffl",), "set strategy=fedavg or fedprox"),
        (("strategy=group_dro",), "set strategy=fedavg or fedprox"),
        (("decide.unseen=0.05",), r"set decide\.unseen=null"),
        (("audit.columns=[sex]",), r"set audit\.columns=\[\]"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_no_plan_asks_for_it(compose_plan: Composer, privacy: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan(f"privacy={privacy}", *words)


@pytest.mark.parametrize("privacy", [one for one in PRIVATE if one != "site"])
def test_survival_is_refused_by_name(compose_plan: Composer, privacy: str) -> None:
    """Before anything is sent: the plan is refused."""
    with pytest.raises(PlanError, match=r"has no noise for what survival tells; set data\.task=classification or"):
        compose_plan(f"privacy={privacy}", "data.task=survival", "loss=cox")
