"""Sites that never train: prepared and evaluated, and without any part in the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import Message

from fedgraft.client.app.workspace import Workspace
from fedgraft.common import tensors
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import lay_out

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
BIRCH = 1  # alder, birch, cedar: in the order of their names


def held_out(plan: Plan, *names: str) -> Plan:
    return replace(plan, hold_out=names)


def test_a_held_out_site_is_prepared_and_evaluated_and_never_asked_to_train(
    federate: Federate, compose_plan: Composer
) -> None:
    result = federate(held_out(compose_plan(), "birch"))
    kinds = [entry.what for entry in result.ledger.entries if entry.site == "birch" and entry.outcome == "ok"]
    assert set(kinds) == {"prepare", "evaluate", "familiarity"}
    assert [round_.sites for round_ in result.outcome.rounds[1:]] == [("alder", "cedar")] * 2
    assert set(result.outcome.rounds[-1].by_site) == {"alder", "birch", "cedar"}
    assert set(result.outcome.rounds[0].by_site) == {"alder", "cedar"}


def test_its_cases_are_computed_as_they_are_and_in_no_other_view(
    compose_plan: Composer, cache: Path, tmp_path: Path
) -> None:
    plan = held_out(compose_plan("augment=mild"), "birch")
    sites = lay_out(plan, tmp_path / "sites", {"FEDGRAFT_CACHE": str(cache)}).sites
    workspace, state = Workspace(), build(plan, None).backbone_state()
    views = {}
    for name in ("alder", "birch"):
        site, digest = workspace.site(sites[name]), tensors.digest(state)
        workspace.accept_plan(site, plan.to_json(), plan.digest, digest)
        workspace.accept_backbone(site, digest, {digest: state})
        views[name] = workspace.open(sites[name], plan.digest, 1).cohort["train"].views
    assert views == {"alder": 6, "birch": 1}


def test_its_class_counts_are_neither_told_nor_counted(federate: Federate, compose_plan: Composer) -> None:
    sent: list[list[int]] = []

    def watch(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            sent.append(list(message.content.config_records["config"]["class-counts"]))  # type: ignore[arg-type]
        return reply

    offers = federate(held_out(compose_plan("rounds=1"), "birch"), {0: watch}).outcome.offers
    assert offers["birch"].class_counts is None
    others = [offer.class_counts for offer in offers.values() if offer.class_counts]
    assert sent == [[sum(counts[c] for counts in others) for c in range(2)]]


def test_the_model_is_that_of_a_federation_without_the_site(federate: Federate, compose_plan: Composer) -> None:
    """A site whose updates are all lost, and with weights that do not depend on others, leaves the same model."""

    def lose(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            reply.content.metric_records["metrics"]["num-examples"] = 0
        return reply

    plan = compose_plan("loss.weights=local")
    without = federate(plan, {BIRCH: lose}, out="without").outcome.shared
    held = federate(held_out(plan, "birch"), out="held").outcome.shared
    assert all(torch.equal(held[name], without[name]) for name in without)


def test_an_unknown_name_is_an_error_that_says_who_is_there(federate: Federate, compose_plan: Composer) -> None:
    """As at a coordinator; a simulation knows its sites before it starts (next test)."""
    plan = held_out(compose_plan(), "birch")
    registered = {1000: "alder", 1001: "hazel", 1002: "cedar"}  # birch's node is refused
    with pytest.raises(RoundError, match=r"(?s)hold_out names birch, .*ready: alder, cedar.*wrong-name"):
        federate(plan, registered=registered)


def test_a_simulation_refuses_an_unknown_name_at_once(federate: Federate, compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match="hold_out names hazel, but the partition's sites are alder, birch, cedar"):
        federate(held_out(compose_plan(), "hazel"))


def test_a_simulation_refuses_to_hold_out_too_many(federate: Federate, compose_plan: Composer) -> None:
    with pytest.raises(
        PlanError,
        match=r"partition has 3 site\(s\), of which 2 are held out: set it to 1, or have more",
    ):
        federate(held_out(compose_plan(), "birch", "cedar"))


def test_the_quorum_counts_sites_that_train(federate: Federate, compose_plan: Composer) -> None:
    def renamed(message: Message, reply: Message) -> Message:
        if message.metadata.message_type.startswith("query"):
            reply.content.config_records["site"]["plan"] = "0" * 64
        return reply

    with pytest.raises(
        RoundError, match=r"(?s)round 1: 1 site\(s\) ready to train, patience.quorum_sites=2.*wrong-plan"
    ):
        federate(held_out(compose_plan(), "birch"), {0: renamed})


def test_a_site_that_the_plan_holds_out_refuses_to_train(
    federate: Federate, compose_plan: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a coordinator asks: the plan that the site was shown says that it never trains."""
    monkeypatch.setattr("fedgraft.server.rounds.round.training", lambda roster, plan: roster)
    result = federate(held_out(compose_plan("rounds=1"), "birch"))
    refused = [entry for entry in result.ledger.entries if entry.what == "train" and entry.site == "birch"]
    assert [entry.outcome for entry in refused] == ["site-error"]


def test_a_name_twice_is_an_error(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match="hold_out names a site twice"):
        compose_plan("hold_out=[birch,birch]")
