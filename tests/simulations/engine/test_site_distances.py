"""How far sites lie apart, through the real client and server: asked, told, said, withheld."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedgraft.client.review.words import what_leaves
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.site_distances import distance_sentences
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation import sites

ASKED = ("site_distances=true", "rounds=1", "features.scale=own")


@pytest.fixture
def run(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(*words: str) -> dict[str, Any]:
        return simulate(compose_plan(*words), tmp_path / "run", Console(file=StringIO()))

    return go


def test_sites_that_differ_are_named_and_what_took_it_away_is_said(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third site forbids statistics: it tells nothing, and nothing is said of it."""

    def closed(name: str, *given: Any, **others: Any) -> SiteFile:
        return SiteFile(name, *given, **{**others, "release": ReleasePolicy(statistics=name != "cedar")})

    monkeypatch.setattr(sites, "SiteFile", closed)
    summary = run(*ASKED)
    before, after = summary["site_distances"]["before"], summary["site_distances"]["after"]
    assert set(before) == {"alder", "birch"} == set(after)
    assert before["alder"]["differs"] and before["alder"]["nearest"] == "birch" and not after["alder"]["differs"]
    said = [one for one in summary["warnings"] if "features differ" in one]
    assert len(said) == 2 and "alder's features differ from those of every other site (nearest: birch, " in said[0]
    assert "what the plan does takes it away; whether that helps, validation cases say" in said[0]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How far hospitals lie apart" in page
    ledger = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    assert [one["site"] for one in ledger if "no sums over its patients" in one["reason"]] == ["cedar"]
    logs = [path.read_text() for path in sorted(tmp_path.glob("run/sites/*/state/released.jsonl"))]
    told = [json.loads(line) for line in logs[0].splitlines() if "patients' features" in line]
    assert told[0]["before"]["labels"] == 1 and told[0]["before"]["patients"] > 5


def test_what_is_said_depends_on_what_the_plan_does_already(compose_plan: Callable[..., Plan]) -> None:
    one = {"nearest": "oak", "deviations": 3.04, "by_chance": 0.9, "differs": True}
    still = {**one, "deviations": 2.0}
    common, own = compose_plan(), compose_plan("features.scale=own")
    figures = {"before": {"elm": one, "oak": {**one, "differs": False}}, "after": {"elm": still}}
    (said,) = distance_sentences(common, figures)
    assert said == (
        "elm's features differ from those of every other site (nearest: oak, 3.0 deviations; by chance up to 0.9); "
        "still 2.0 (by chance up to 0.9) as the final model's head takes them: try features.scale=auto, and see "
        "docs/adaptation.md"
    )
    assert "try features.scale" not in next(distance_sentences(own, figures))
    assert next(distance_sentences(own, {"before": {"elm": one}})).endswith("0.9); see docs/adaptation.md")
    assert not [*distance_sentences(common, None)]


def test_it_is_refused_where_single_sites_may_not_tell_and_shown_to_who_approves(
    compose_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match="compares sums over single sites' patients, and aggregation=secure tells"):
        compose_plan("site_distances=true", "aggregation=secure")
    with pytest.raises(PlanError, match="single sites' patients, which privacy does not charge for; set site_dist"):
        compose_plan("site_distances=true", "privacy=record")
    plan, site = compose_plan("site_distances=true"), SiteFile("elm", tmp_path, tmp_path)
    said = "sums over the patients' features, by which sites are compared; the number of patients"
    assert dict(what_leaves(site, plan))["at the end, too"] == said
    assert compose_plan().digest != plan.digest and "site_distances" not in compose_plan().to_dict()
