"""All attacks on a run, one after another, into the files of its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.linear_shape import is_linear, width_of
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.runtime.files import replacing
from fedgraft.server.reports.documents import write_documents
from fedgraft.simulations.audit.any_graft.confidence import confidence
from fedgraft.simulations.audit.canaries import Mechanism, canaries, mechanism_of
from fedgraft.simulations.audit.cases import AuditedRun, open_run
from fedgraft.simulations.audit.differencing import differencing
from fedgraft.simulations.audit.finding import Finding
from fedgraft.simulations.audit.membership import FEWEST, membership
from fedgraft.simulations.audit.page import audit_page
from fedgraft.simulations.audit.pictures import pictures
from fedgraft.simulations.audit.reconstruction import reconstruction
from fedgraft.simulations.audit.updates import updates

JSON, PAGE = "audit.json", "audit.html"
SHADOWS = 128
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """Which attacks, with how many shadow heads, and the seed of what is drawn (noise of a plan apart)."""

    attacks: tuple[str, ...]
    shadows: int = SHADOWS
    seed: int = 0


def audit(folder: Path, asked: Asked, progress: Progress) -> tuple[Finding, ...]:
    """Attack a run, and write ``audit.json``, ``audit.html`` and the report's section about them into its folder.

    Args:
        progress: is told each attack before it begins.

    Raises:
        DataError: the folder holds no finished run, or not its simulated sites.
        PlanError: there is no such attack, or there are too few shadows.
    """
    _require(asked)
    audited = open_run(folder)
    found = []
    for name in asked.attacks:
        progress(name)
        found.append(ATTACKS[name](audited, asked))
    about = _about(audited, asked)
    content = {**about, "attacks": [one.to_dict() for one in found]}
    _write(folder / JSON, json.dumps(content, indent=2, allow_nan=False) + "\n")
    _write(folder / PAGE, audit_page(audited.run.out.resolve().name, about, found))
    write_documents(folder)
    return tuple(found)


def _require(asked: Asked) -> None:
    unknown = [name for name in asked.attacks if name not in ATTACKS]
    problems = [f"there is no attack {name!r}; there are {', '.join(ATTACKS)}" for name in unknown]
    if asked.shadows < FEWEST:
        problems.append(
            f"{asked.shadows} shadow heads are too few to say how sure a head is with and without a case; {FEWEST} are "
            f"the fewest, {SHADOWS} the default"
        )
    if problems:
        raise PlanError(problems)


def _about(audited: AuditedRun, asked: Asked) -> dict[str, Any]:
    plan = audited.plan
    promised = None
    if plan.privacy.by_patient:
        promised = {"epsilon": plan.privacy.epsilon, "delta": plan.privacy.delta, "shared": budget_of(plan).shared}
    return {
        "plan_digest": plan.digest,
        "promised": promised,
        "secure": plan.aggregation.secure,
        "sites": len(audited.sessions),
        "shadows": asked.shadows,
        "seed": asked.seed,
    }


def _mechanism(audited: AuditedRun) -> Mechanism | None:
    """How the run told gradients; ``None`` without noise."""
    if not audited.plan.privacy.by_patient:
        return None
    return mechanism_of(audited.plan, _width(audited), _training_sites(audited))


def _canaries(audited: AuditedRun) -> Finding:
    model = audited.model
    head_alone = model.constant.what == FEATURES and is_linear(model.network.head, needs_bias=False)
    return canaries(audited.plan, _width(audited), _training_sites(audited), head_alone)


def _width(audited: AuditedRun) -> int:
    return width_of(audited.model.network.head, audited.model.head_width)


def _training_sites(audited: AuditedRun) -> int:
    return sum(not one.held_out for one in audited.sessions)


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


ATTACKS: dict[str, Callable[[AuditedRun, Asked], Finding]] = {
    "membership": lambda audited, asked: membership(audited, asked.shadows, asked.seed),
    "confidence": lambda audited, asked: confidence(audited),
    "updates": lambda audited, asked: updates(audited),
    "canaries": lambda audited, asked: _canaries(audited),
    "reconstruction": lambda audited, asked: reconstruction(audited, _mechanism(audited), asked.seed),
    "pictures": lambda audited, asked: pictures(audited.model, asked.seed),
    "differencing": lambda audited, asked: differencing(audited, _mechanism(audited), asked.seed),
}
"""By name, in the order in which they are made and shown."""


def names() -> Sequence[str]:
    """Of all attacks."""
    return tuple(ATTACKS)
