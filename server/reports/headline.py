"""``headline.json``: how many rounds a run has, and which figure of ``rounds.jsonl`` is its headline.

Whoever watches a run reads these here, and needs neither the plan's task nor, therefore, torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import replacing
from fedgraft.server.deployment.open_runs import HEADLINE, PLAN

if TYPE_CHECKING:
    from fedgraft.common.interfaces.task import AnyTask
    from fedgraft.common.plan.plan import Plan

_REPORT = "what that is worth is in report.html"


@dataclass(frozen=True)
class Headline:
    """What is shown of a run.

    Attributes:
        rounds: of its plan, with those by which it was extended.
        figure: the headline figure's name in ``rounds.jsonl``; empty if it is not known (a run of an older version that
            has not ended).
        heading: its name for people.
        plan: the digest of the plan as sites are asked to approve it; empty if it is not known.
    """

    rounds: int
    figure: str = ""
    heading: str = ""
    plan: str = ""


def write_headline(out: Path, task: AnyTask, plan: Plan) -> None:
    """Write ``headline.json`` into a run's folder."""
    found = Headline(plan.rounds, task.headline, task.columns[task.headline], plan.digest)
    with replacing(out / HEADLINE) as partial:
        partial.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")


def read_headline(out: Path) -> Headline:
    """What is shown of the run of a folder.

    Raises:
        DeploymentError: the folder is none of a run.
    """
    if (out / HEADLINE).is_file():
        return Headline(**_json(out / HEADLINE))
    rounds = _rounds(out)
    if not (out / "summary.json").is_file():
        return Headline(rounds)
    summary = _json(out / "summary.json")
    name = summary["headline"]
    return Headline(summary.get("rounds", rounds), name, summary["columns"][name], summary.get("plan_digest", ""))


def closing_sentence(out: Path) -> str:
    """The main figure of a finished run, for its log: of the final model on test cases, or on validation cases if there
    are none."""
    summary = _json(out / "summary.json")
    name, split = summary["headline"], "test" if summary["test"]["cases"] else "val"
    value, cases = summary[split][name], summary[split]["cases"]
    ranked = (summary.get("scores") or {}).get("ranked", True)
    what = f"{cases} {'test' if split == 'test' else 'validation'} cases"
    if not ranked:
        told = f"its {summary['columns'][name]} can't be told from {what}, whose scores came in too few groups"
        return f"final model: {told}; {_REPORT}"
    if value is None:
        return f"final model: no {summary['columns'][name]} can be told from {what}; {_REPORT}"
    return f"final model: {summary['columns'][name]} {value:.3f} on {what}; {_REPORT}"


def _rounds(out: Path) -> int:
    """Of the plan, without checking the rest of it."""
    if (out / PLAN).is_file():
        return int(_json(out / PLAN)["rounds"])
    if (out / "plan.yaml").is_file():
        return int(yaml.safe_load((out / "plan.yaml").read_text(encoding="utf-8"))["rounds"])
    raise DeploymentError(f"{out} is not the folder of a run: it has neither {PLAN} nor plan.yaml")


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
