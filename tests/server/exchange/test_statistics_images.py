"""Means over images: asked before round 1, pooled, in the plan that is run; a run then sees harmonised images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from flwr.app import ConfigRecord, Context, Message
from rich.console import Console

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.statistics import used, with_statistics
from fedgraft.simulations.engine.grid import InProcessGrid
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation.sites import lay_out

PlanOf = Callable[..., Plan]


def sites_of(plan: Plan, tmp_path: Path, cache: Path) -> list[Path]:
    return list(lay_out(plan, tmp_path / "sites", {"FEDGRAFT_CACHE": str(cache)}).sites.values())


def ask(plan: Plan, sites: list[Path], bad: int | None = None) -> tuple[Plan, Ledger]:
    app, ledger = client_app.build(client_app.MessageHandler(Workspace(), sites)), Ledger(None)

    def answer(message: Message, context: Context) -> Message:
        reply = app(message, context)
        if context.node_config["partition-id"] == bad:
            record = reply.content["statistics"]
            assert isinstance(record, ConfigRecord)
            record["means"] = [0.5]
        return reply

    nodes = [{"partition-id": index} for index in range(len(sites))]
    return with_statistics(Delivery(InProcessGrid(answer, nodes, {})), plan, {}, ledger), ledger  # type: ignore[arg-type]


def test_the_plan_then_holds_the_pooled_means(compose_plan: PlanOf, tmp_path: Path, cache: Path) -> None:
    """Three hospitals with as many training cases each: the means are between theirs; who answers first is nothing."""
    plan = compose_plan("harmonise=histogram")
    sites = sites_of(plan, tmp_path, cache)
    found, ledger = ask(plan, sites)
    assert used(ledger) == sorted(path.parent.name for path in sites)
    assert len(found.harmonise.reference) == 33
    assert from_dict(found.to_dict()) == found
    alone = [ask(compose_plan("harmonise=histogram", "patience.quorum_sites=1"), [site])[0] for site in sites]
    medians = [one.harmonise.reference[5] for one in alone]
    assert min(medians) < found.harmonise.reference[5] < max(medians)
    assert ask(plan, sites[::-1])[0].digest == found.digest
    assert ask(found, [])[0] is found, "a plan that holds its numbers asks nobody"


def test_a_bad_answer_is_left_out(compose_plan: PlanOf, tmp_path: Path, cache: Path) -> None:
    plan = compose_plan("harmonise=fourier", "patience.quorum_sites=1")
    sites = sites_of(plan, tmp_path, cache)
    found, ledger = ask(plan, sites, bad=0)
    assert [entry.outcome for entry in ledger.entries] == ["bad-statistics", "ok", "ok"]
    assert found == ask(plan, sites[1:])[0]
    with pytest.raises(RoundError, match="statistics of the images: 2 site"):
        ask(compose_plan("harmonise=fourier", "patience.quorum_sites=3"), sites, bad=0)


def test_what_held_out_sites_tell_is_not_used(compose_plan: PlanOf, tmp_path: Path, cache: Path) -> None:
    base = ("harmonise=fourier", "patience.quorum_sites=1")
    sites = sites_of(compose_plan(*base), tmp_path, cache)
    names = [path.parent.name for path in sites]
    found, ledger = ask(compose_plan(*base, f"hold_out=[{names[1]}]"), sites)
    assert used(ledger) == [names[0], names[2]]
    assert ledger.entries[1].reason == "it is one of hold_out: what it told is not used"
    assert found.harmonise == ask(compose_plan(*base), [sites[0], sites[2]])[0].harmonise


def test_sites_that_tell_nothing_end_the_run(compose_plan: PlanOf, tmp_path: Path, cache: Path) -> None:
    plan = compose_plan("harmonise=histogram")
    sites = sites_of(plan, tmp_path, cache)
    for site in sites:
        site.write_text(yaml.safe_dump({**yaml.safe_load(site.read_text()), "release": {"statistics": False}}))
    with pytest.raises(PlanError, match="of which no site told anything"):
        ask(plan, sites)


def test_a_run_writes_the_numbers_and_trains_on_harmonised_images(
    compose_plan: PlanOf, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    console = Console(quiet=True)
    plain = simulate(compose_plan(), tmp_path / "plain", console)
    made = simulate(compose_plan("harmonise=histogram"), tmp_path / "made", console)
    written = yaml.safe_load((tmp_path / "made" / "plan.yaml").read_text())
    assert len(written["harmonise"]["reference"]) == 33
    assert made["plan_digest"] == from_dict(written).digest
    ledger = [json.loads(line) for line in (tmp_path / "made" / "ledger.jsonl").read_text().splitlines()]
    assert [line["what"] for line in ledger][:3] == ["describe"] * 3
    assert made["sites"] != plain["sites"]
    again = simulate(from_dict(written), tmp_path / "again", console)
    assert again["sites"] == made["sites"], "the written plan asks nobody and gives the same"
