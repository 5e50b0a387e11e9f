"""Write a run's results into its folder: figures, the model, and the files for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.model_folder.folder import FOLDER, write_model
from fedgraft.common.model_folder.graft import origin
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.evidence import gather
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.reports import summary
from fedgraft.server.reports.attendance import attendance, untested
from fedgraft.server.reports.bounds import bounds_sentences
from fedgraft.server.reports.card.card import MARKDOWN
from fedgraft.server.reports.collapsed import collapsed_sentences
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.noisy import noisy_sentences
from fedgraft.server.reports.promise import lost_steps
from fedgraft.server.rounds.state import RunOutcome


def write_results(
    out: Path,
    plan: Plan,
    model: Model,
    outcome: RunOutcome,
    ledger: Ledger,
    seconds: float,
    reason: str = "",
    extended: Sequence[int] = (),
) -> dict[str, Any]:
    """Write ``summary.json``, what is made of it, and ``model/``.

    Args:
        seconds: that the run has taken.
        reason: why the run ended before its last round; ``""`` if it did not.
        extended: the rounds of the plan before each extension.

    Returns:
        the content of ``summary.json``.
    """
    model.load(outcome.shared)
    evidence = gather(plan, outcome)
    result = {**summary.summary(plan, outcome, ledger, seconds, reason), **evidence.plain}
    result["extended"] = list(extended)
    result["start_from"], changed = origin(out, plan)
    before = [*attendance(plan, outcome, ledger), *bounds_sentences(outcome.rounds), *noisy_sentences(plan, outcome)]
    before += [] if reason else untested(outcome)
    first = [*changed, *collapsed_sentences(plan, outcome), *lost_steps(outcome.rounds)]
    result["warnings"] = [*first, *before, *result["warnings"]]
    if reason:
        result["warnings"] = [_unfinished(plan, outcome, reason), *result["warnings"]]
    (out / "summary.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    card = out / MARKDOWN
    try:
        write_documents(out)
    finally:  # a model is never lost for want of its card
        above = card.read_text(encoding="utf-8") if card.is_file() else ""
        write_model(out / FOLDER, plan, model, evidence.beside_model, above)
    return result


def _unfinished(plan: Plan, outcome: RunOutcome, reason: str) -> str:
    done, final = outcome.rounds[-1].number, outcome.final
    figures = "" if final.by_site or final.central is not None else ", which no site has evaluated"
    return (
        f"the run is not complete: it ended after {done} of {plan.rounds} round(s) ({reason}); this is the model after "
        f"round {final.number}{figures}"
    )
