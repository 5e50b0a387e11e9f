"""The coordinator asks for statistics, merges what is good, and runs the plan with the numbers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Context, Error, Message
from flwr.clientapp import ClientApp

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.statistics import used, with_statistics
from fedgraft.simulations.engine.grid import InProcessGrid
from fedgraft.simulations.federation.local_statistics import with_local_statistics

from ..clock import Wound

Sites = Callable[..., list[Path]]
PlanOf = Callable[..., Plan]
Change = Callable[[Message], None]


def grid_of(sites: list[Path], changes: dict[int, Change] | None = None) -> InProcessGrid:
    """All sites; of some, the reply is changed before it is sent."""
    app = client_app.build(client_app.MessageHandler(Workspace(), sites))

    def answer(message: Message, context: Context) -> Message:
        reply = app(message, context)
        index = int(str(context.node_config["partition-id"]))
        if changes and index in changes:
            changes[index](reply)
        return reply

    client: ClientApp = answer  # type: ignore[assignment]
    return InProcessGrid(client, [{"partition-id": index} for index in range(len(sites))], {})  # type: ignore[dict-item]


def ask(plan: Plan, grid: InProcessGrid, **more: Any) -> tuple[Plan, Ledger]:
    ledger = Ledger(None)
    delivery = Delivery(grid, clock=Wound().clock)
    return with_statistics(delivery, plan, more.get("registered", {}), ledger), ledger


def set_to(record: str, key: str, value: Any) -> Change:
    def change(reply: Message) -> None:
        config = reply.content[record]
        assert isinstance(config, ConfigRecord)
        config[key] = value

    return change


def break_down(reply: Message) -> None:
    reply.__dict__["_content"], reply.__dict__["_error"] = None, Error(2, "fedgraft:data-unusable")


def table_of(plan: Plan) -> TableSection:
    assert plan.table is not None
    return plan.table


def test_the_plan_then_holds_the_numbers(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, sites = table_plan(), table_sites(3)
    found, ledger = ask(plan, grid_of(sites))
    table = table_of(found)
    assert table.statistics == "plan"
    assert set(table.means) == set(table.deviations) == {"age", "pressure"}
    assert table.vocabulary == {"sex": ("f", "m")}
    assert 45 < table.means["age"] < 65
    assert found.digest != plan.digest
    assert from_dict(found.to_dict()) == found
    assert [(e.round, e.what, e.site, e.outcome) for e in ledger.entries] == [
        (0, "describe", f"site-{number}", "ok") for number in range(3)
    ]
    assert all(entry.bytes_up > 0 and entry.bytes_down > 0 for entry in ledger.entries)


def test_a_simulation_reckons_the_same(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, sites = table_plan(), table_sites(3)
    found, _ = ask(plan, grid_of(sites))
    assert with_local_statistics(plan, {path.parent.name: path for path in sites}) == found


def test_who_answers_first_does_not_matter(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, sites = table_plan(), table_sites(3)
    assert ask(plan, grid_of(sites))[0].digest == ask(plan, grid_of(sites[::-1]))[0].digest


def test_a_plan_that_holds_its_numbers_asks_nobody(table_plan: PlanOf, compose_plan: PlanOf) -> None:
    images = compose_plan()
    assert ask(images, grid_of([]))[0] is images


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        (set_to("statistics", "means", [float("nan"), 1.0]), "bad-statistics", "must be finite"),
        (set_to("statistics", "counts", [-1, 5]), "bad-statistics", "count must be 0"),
        (set_to("site", "plan", "0" * 64), "wrong-plan", "another plan"),
        (set_to("site", "name", "site-2"), "same-name", "another node gives the same site name"),
        (break_down, "site-error", "the site reported `data-unusable`"),
    ],
)
def test_a_bad_answer_is_left_out_with_a_line_in_the_ledger(
    table_plan: PlanOf, table_sites: Sites, change: Change, outcome: str, reason: str
) -> None:
    plan, sites = table_plan("patience.quorum_sites=1"), table_sites(3)
    found, ledger = ask(plan, grid_of(sites, {0: change}))
    bad = ledger.entries[0]
    assert (bad.what, bad.outcome) == ("describe", outcome)
    assert reason in bad.reason
    left = sites[1:2] if outcome == "same-name" else sites[1:]
    assert table_of(found) == table_of(ask(plan, grid_of(left))[0])


def test_a_site_that_tells_nothing_is_not_among_those_used(table_plan: PlanOf, table_sites: Sites) -> None:
    sites = table_sites(3)
    sites[1].write_text(f"{sites[1].read_text()}release: {{statistics: false}}\n")
    _, ledger = ask(table_plan("patience.quorum_sites=1"), grid_of(sites, {2: break_down}))
    assert used(ledger) == ["site-0"]
    assert ledger.entries[1].outcome == "ok"
    told = "it told nothing: release.statistics=false, too few patients, or the plan holds it out"
    assert ledger.entries[1].reason == told


class LateGrid(InProcessGrid):
    """The last node connects when the nodes are listed for the second time."""

    listed = 0

    def get_node_ids(self) -> list[int]:
        self.listed += 1
        nodes = sorted(super().get_node_ids())
        return nodes if self.listed > 1 else nodes[:-1]


def test_registered_sites_beyond_the_least_are_waited_for(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, sites = table_plan("patience.quorum_sites=1"), table_sites(2)
    app = client_app.build(client_app.MessageHandler(Workspace(), sites))
    nodes: list[Any] = [{"partition-id": index} for index in range(2)]
    registered = {1000: "site-0", 1001: "site-1"}
    assert used(ask(plan, LateGrid(app, nodes, {}), registered=registered)[1]) == ["site-0", "site-1"]
    assert used(ask(plan, LateGrid(app, nodes, {}))[1]) == ["site-0"]


def test_the_wait_for_registered_sites_ends(table_plan: PlanOf, table_sites: Sites) -> None:
    plan = table_plan("patience.quorum_sites=1")
    registered = {1000: "site-0", 1001: "site-1", 1002: "away"}
    assert used(ask(plan, grid_of(table_sites(2)), registered=registered)[1]) == ["site-0", "site-1"]


def test_an_impostor_is_left_out(table_plan: PlanOf, table_sites: Sites) -> None:
    plan = table_plan("patience.quorum_sites=1")
    grid = grid_of(table_sites(2))
    _, ledger = ask(plan, grid, registered={1000: "site-0", 1001: "west"})
    assert [entry.outcome for entry in ledger.entries] == ["ok", "wrong-name"]
    assert ledger.entries[1].reason.startswith("the node is registered as west")


def test_too_few_answers_end_the_run_and_say_who_was_missing(table_plan: PlanOf, table_sites: Sites) -> None:
    plan = table_plan("patience.quorum_sites=2")
    with pytest.raises(RoundError) as caught:
        ask(plan, grid_of(table_sites(2), {1: break_down}))
    text = str(caught.value)
    assert "statistics of the table: 1 site(s) sent them, patience.quorum_sites=2 are needed" in text
    assert "node 1001: site-error (the site reported `data-unusable`" in text
    with pytest.raises(RoundError, match="no other site is connected"):
        ask(table_plan("patience.quorum_sites=1"), grid_of([]))


def test_a_column_that_no_site_tells_of_ends_the_run(table_plan: PlanOf, table_sites: Sites) -> None:
    with pytest.raises(PlanError, match=r"table.numeric names age, of which no site told anything"):
        ask(table_plan("table.min_count=1000"), grid_of(table_sites(2)))


def test_a_site_that_is_held_out_is_neither_used_nor_counted(table_plan: PlanOf, table_sites: Sites) -> None:
    sites = table_sites(3)
    plan = replace(table_plan(), hold_out=("site-1",))
    found, ledger = ask(plan, grid_of(sites))
    alone, _ = ask(table_plan(), grid_of([sites[0], sites[2]]))
    assert table_of(found) == table_of(alone)
    assert used(ledger) == ["site-0", "site-2"]
    with pytest.raises(RoundError, match=r"1 site\(s\) sent them, patience.quorum_sites=2"):
        ask(replace(table_plan(), hold_out=("site-1", "site-2")), grid_of(sites))
