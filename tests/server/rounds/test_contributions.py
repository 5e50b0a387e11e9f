"""What each site's last update changed: the last model without it, evaluated by the sites; and who contributed what."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.deployed_grid import SPENT
from fedgraft.server.reports.contributions import contributions
from fedgraft.server.reports.summary import summary

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
QUICK = ("rounds=2", "calibration=none", "decide.unseen=null")


def test_the_last_model_is_evaluated_without_each_site_s_update(
    federate: Federate, compose_plan: Composer, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan(*QUICK, "contributions=true")
    found = federate(plan)
    told = found.outcome.contributions
    assert told is not None and told.round == 2 and set(told.without) == {"alder", "birch", "cedar"}
    whole = found.outcome.rounds[-1].by_site
    assert all(set(one) == set(whole) for one in (told.whole, *told.without.values()))
    figures = summary(plan, found.outcome, found.ledger, 1.0)["contributions"]
    assert figures["sites"] == sorted(whole) and figures["round"] == 2
    assert set(figures["without"]) == set(told.without) and len({figures["whole"], *figures["without"].values()}) > 1
    asked = [entry for entry in found.ledger.entries if entry.what == "contribution"]
    assert len(asked) == 9 and {entry.outcome for entry in asked} == {"ok"}

    without = compose_plan(*QUICK)
    plain = federate(without, out="plain")
    assert plain.outcome.contributions is None
    assert all(torch.equal(tensor, found.outcome.shared[name]) for name, tensor in plain.outcome.shared.items())
    assert "contributions" not in summary(without, plain.outcome, plain.ledger, 1.0)
    _the_command_tells(found, figures, capsys)


def _the_command_tells(found: Any, figures: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    folder: Path = found.folder
    (folder / "summary.json").write_text(json.dumps({"contributions": figures}))
    (folder / SPENT).write_text(json.dumps({"alder": 75.0}))
    assert main(["coordinator", "contributions", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"change: of {figures['split']} {figures['headline']}" in said and "an approximation" in said
    rows = {row["site"]: row for row in csv.DictReader((folder / "contributions.csv").read_text().splitlines())}
    alder = rows["alder"]
    assert (
        alder["rounds"] == "2"
        and int(alder["cases"]) > 0
        and alder["seconds"] == "75.0"
        and not rows["birch"]["seconds"]
    )
    sent = sum(entry.bytes_up for entry in found.ledger.entries if entry.site == "alder")
    assert int(alder["bytes_up"]) == sent
    change = figures["whole"] - figures["without"]["alder"]
    assert float(alder["change"]) == pytest.approx(change, abs=1e-5) and f"{change:+.4f}" in said
    drawn = ElementTree.parse(folder / "contributions.svg").getroot()
    texts = [one.text for one in drawn.iter() if one.tag.endswith("text")]
    assert texts.count("alder") == 2 and "training cases" in texts


def test_without_the_option_only_the_ledger_is_told(
    federate: Federate, compose_plan: Composer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan(*QUICK, "release.evaluation=false")
    folder = federate(plan).folder
    assert [one.change for one in contributions(folder)] == [None, None, None]
    for text, why in [
        (plan.to_yaml(), "was not asked: a plan with `contributions: true`"),
        (compose_plan("contributions=true").to_yaml(), "the run did not come to its end, or a single site trained"),
        (
            compose_plan("aggregation=secure", "decide.by_site=pooled", "calibration.by_site=false").to_yaml(),
            "can't be told: aggregation=secure gives the coordinator sums only",
        ),
    ]:
        (folder / "plan.yaml").write_text(text)
        assert main(["coordinator", "contributions", str(folder)]) == 0
        said = capsys.readouterr().out
        assert why in said, said
    (folder / "ledger.jsonl").write_text("")
    assert main(["coordinator", "contributions", str(folder)]) == 2
    assert "no site answered anything in this run" in capsys.readouterr().err
    assert main(["coordinator", "contributions", str(tmp_path)]) == 2
    assert "holds no ledger.jsonl: it is not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("aggregation=secure", "decide.by_site=pooled", "calibration.by_site=false"), "tells only their sum"),
        (("privacy=site",), "which privacy does not charge for"),
        (("strategy=fedadam",), "under strategy=fedavg and fedprox only"),
        (("personal=ditto",), "with `personal` each site would train all of these"),
        (("release.evaluation=false",), "has no effect with release.evaluation=false: no figure leaves a site"),
    ],
)
def test_a_plan_that_can_not_tell_it_is_refused(compose_plan: Composer, options: tuple[str, ...], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        compose_plan("contributions=true", *options)


def test_the_option_leaves_older_plans_as_they_were(compose_plan: Composer) -> None:
    assert "contributions" not in compose_plan().to_dict()
    assert compose_plan("contributions=true").digest != compose_plan().digest
