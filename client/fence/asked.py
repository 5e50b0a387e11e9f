"""What a run has asked of this site, on the site's disk: one plan in a run, each round once, going up.

Asked the same again a site says the same again (`fedgraft.client.app.answered`), and so a coordinator that was
interrupted, or that is below its quorum, is never refused. Two more honest ways change a question: sites that come or
go change the class counts that go with the same tensors; and a coordinator that went back to an older checkpoint asks
for the rounds after it anew, perhaps over other sites. It shows that it went back by asking for a round that was
answered with the tensors of that time. Both are counted, and end at ``bounds.changes``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import AskedBeforeError, BoundsError
from fedgraft.common.runtime.files import private_folder, replacing

FOLDER = "asked"


@dataclass(frozen=True)
class Question:
    """What a message asks.

    Attributes:
        plan: the plan's digest.
        round: from 1.
        tensors: digest of all that came, but for the class counts.
        counts: those, as text.
    """

    plan: str
    round: int
    tensors: str
    counts: str = ""


@dataclass(frozen=True)
class Asked:
    """What a run has asked so far.

    Attributes:
        plan: digest of its plan; ``""`` before the first question.
        at: the last round that was asked for; of later ones in ``rounds`` the coordinator has gone back.
        rounds: by round, the tensors' digest and the class counts.
        changes: how often a question that was answered came back changed.
        evaluations: gradients that were asked for.
    """

    plan: str = ""
    at: int = 0
    rounds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    changes: int = 0
    evaluations: int = 0


def with_question(asked: Asked, question: Question, rounds: int, bounds: Bounds) -> Asked:
    """What a run has asked, with one more question to ``train``.

    Args:
        rounds: of the plan.

    Raises:
        BoundsError: the plan has no such round.
        AskedBeforeError: the run has another plan; or the round was answered with other content.
    """
    _require_plan(asked, question.plan)
    _require_round(question.round, rounds)
    key, number = str(question.round), question.round
    known = asked.rounds.get(key)
    if number <= asked.at and known is None:
        raise AskedBeforeError(f"round {key} was left out, and the run has gone on to round {asked.at}")
    if number <= asked.at and known is not None and known[0] != question.tensors:
        raise AskedBeforeError(f"round {key} was answered with other tensors")
    changed = known is not None and tuple(known) != (question.tensors, question.counts)
    if changed and asked.changes >= bounds.changes:
        raise AskedBeforeError(
            f"round {key} was answered with other content, and the run has changed {asked.changes} before, "
            f"bounds.changes={bounds.changes}"
        )
    found = {**asked.rounds, key: (question.tensors, question.counts)}
    return replace(asked, plan=question.plan, at=number, rounds=found, changes=asked.changes + changed)


def with_gradient(asked: Asked, plan: str, number: int, rounds: int, bounds: Bounds) -> Asked:
    """What a run has asked, with one more gradient in a round (``strategy=exact``).

    Raises:
        BoundsError: the plan has no such round, or the run has asked for too many.
        AskedBeforeError: the run has another plan.
    """
    _require_plan(asked, plan)
    _require_round(number, rounds)
    if asked.evaluations >= bounds.evaluations:
        raise BoundsError(
            f"the run has asked for {asked.evaluations} gradients, bounds.evaluations={bounds.evaluations}"
        )
    return replace(asked, plan=plan, at=number, evaluations=asked.evaluations + 1)


def with_plan(asked: Asked, plan: str) -> Asked:
    """What a run has asked, with its plan.

    Raises:
        AskedBeforeError: the run has another plan.
    """
    _require_plan(asked, plan)
    return replace(asked, plan=plan)


def extended(asked: Asked, plan: str) -> Asked:
    """What a run has asked, under the digest of the plan that extends its own by rounds."""
    return replace(asked, plan=plan)


def read_asked(state: Path, run: int) -> Asked:
    """What a run has asked, as the site's state folder says."""
    path = _file(state, run)
    return Asked(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Asked()


def write_asked(state: Path, run: int, asked: Asked) -> None:
    path = _file(state, run)
    private_folder(path.parent)
    with replacing(path, private=True, durable=True) as partial:
        partial.write_text(json.dumps(asdict(asked)), encoding="utf-8")


def _require_plan(asked: Asked, plan: str) -> None:
    if asked.plan not in ("", plan):
        raise AskedBeforeError("the run has another plan here: one plan in a run")


def _require_round(number: int, rounds: int) -> None:
    if not 1 <= number <= rounds:
        raise BoundsError(f"round {number} of a plan with rounds={rounds}")


def _file(state: Path, run: int) -> Path:
    return state / FOLDER / f"{run}.json"
