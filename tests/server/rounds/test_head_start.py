"""The head before the first round, over hospitals with tables: exact, and honest about who told nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message
from flwr.clientapp import ClientApp
from sklearn.linear_model import Ridge
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import BackboneError, PlanError, RoundError
from fedgraft.common.interfaces.head_start import HeadStart, Sums
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import arrays
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import admit, distributed
from fedgraft.server.exchange.statistics import with_statistics
from fedgraft.server.rounds.head_start import head_of, initial_shared, require_start
from fedgraft.server.rounds.site_sums import total, withheld
from fedgraft.server.rounds.state import RunContext
from fedgraft.simulations.engine.grid import InProcessGrid

Sites = Callable[..., list[Path]]
PlanOf = Callable[..., Plan]
Change = Callable[[Message], None]
HEAD = ("head=plain", "loss.weights=local")


class Hospitals:
    """Sites in this process; of some, the reply to ``query.sums`` is changed before it is sent."""

    def __init__(self, plan: Plan, sites: list[Path], changes: dict[int, Change] | None = None) -> None:
        self.workspace, self.sites, self.ledger = Workspace(), sites, Ledger(None)
        app, changed = client_app.build(client_app.MessageHandler(self.workspace, sites)), changes or {}

        def answer(message: Message, context: Context) -> Message:
            reply = app(message, context)
            index = int(str(context.node_config["partition-id"]))
            if message.metadata.message_type == "query.sums" and index in changed:
                changed[index](reply)
            return reply

        client: ClientApp = answer  # type: ignore[assignment]
        nodes: Any = [{"partition-id": index} for index in range(len(sites))]
        self.delivery = Delivery(InProcessGrid(client, nodes, {}))
        self.plan = with_statistics(self.delivery, plan, {}, Ledger(None))
        self.model = build(self.plan, None)

    def start(self) -> dict[str, Tensor]:
        backbone = distributed(self.model)
        roster = admit(self.delivery, self.plan, backbone, self.delivery.nodes(), 1, Ledger(None))
        roster = training(roster, self.plan)
        built = self.model.tensors(self.model.received)
        context = RunContext(self.delivery, self.plan, backbone, built, self.ledger, self.model.groups)
        return next(iter(initial_shared(context, roster, built).values()))

    def pooled(self, *places: int) -> tuple[Any, Any]:
        """Features and labels of the training cases of some sites."""
        some = [self.workspace.open(self.sites[k], self.plan.digest, 1).cohort["train"] for k in places]
        return torch.cat([s.inputs for s in some]).double().numpy(), torch.cat([s.labels for s in some]).numpy()


def forbid(site: Path) -> None:
    site.write_text(f"{site.read_text()}release: {{statistics: false}}\n")


def set_to(record: str, key: str, value: str) -> Change:
    def change(reply: Message) -> None:
        config = reply.content[record]
        assert isinstance(config, ConfigRecord)
        config[key] = value

    return change


def with_array(name: str, make: Callable[[Tensor], Tensor]) -> Change:
    def change(reply: Message) -> None:
        sums = reply.content["sums"]
        assert isinstance(sums, ArrayRecord)
        held = {key: torch.from_numpy(array.numpy().copy()) for key, array in sums.items()}
        reply.content["sums"] = arrays.record_of({**held, name: make(held[name])}.items())

    return change


def break_down(reply: Message) -> None:
    reply.__dict__["_content"], reply.__dict__["_error"] = None, Error(2, "fedgraft:data-unusable")


@pytest.mark.parametrize("balanced", [False, True])
def test_the_ridge_head_is_that_of_pooled_cases(table_plan: PlanOf, table_sites: Sites, balanced: bool) -> None:
    options = ("initial=ridge", f"initial.balanced={balanced}", "initial.alpha=0.5", "initial.scale=1")
    found = Hospitals(table_plan(*options, *HEAD), table_sites(3, 60))
    head = head_of(found.start())
    features, labels = found.pooled(0, 1, 2)
    weights = (len(labels) / (2 * np.bincount(labels)))[labels] if balanced else None
    ridge = Ridge(alpha=0.5).fit(features, np.eye(2)[labels], sample_weight=weights)
    np.testing.assert_allclose(head["weight"].numpy(), ridge.coef_, atol=1e-6)
    np.testing.assert_allclose(head["bias"].numpy(), ridge.intercept_, atol=1e-6)
    assert [(e.round, e.what, e.site, e.outcome, e.reason) for e in found.ledger.entries] == [
        (0, "sums", f"site-{k}", "ok", "") for k in range(3)
    ]
    assert all(e.bytes_up > 0 and e.bytes_down > 0 for e in found.ledger.entries)


def test_prototypes_are_the_class_means_of_those_who_told(table_plan: PlanOf, table_sites: Sites) -> None:
    sites = table_sites(3, 60)
    forbid(sites[1])
    found = Hospitals(table_plan("initial=prototypes", *HEAD), sites)
    head = head_of(found.start())
    features, labels = found.pooled(0, 2)
    means = np.stack([features[labels == c].mean(0) for c in (0, 1)])
    way = head["weight"][1] - head["weight"][0]
    np.testing.assert_allclose(way / way.norm(), (means[1] - means[0]) / np.linalg.norm(means[1] - means[0]), atol=1e-6)
    logits = means @ head["weight"].double().numpy().T + head["bias"].double().numpy()
    np.testing.assert_allclose(logits[1, 1] - logits[1, 0], 2, rtol=1e-5)
    assert withheld(found.ledger, "sums") == ["site-1"]
    assert "it told no sums: release.statistics or release.class_counts forbids it" in found.ledger.entries[1].reason


def test_the_ridge_head_needs_everyone_if_the_plan_says_so(table_plan: PlanOf, table_sites: Sites) -> None:
    sites = table_sites(3, 60)
    forbid(sites[1])
    plan = table_plan("initial=ridge", "initial.every_site=true", "initial.alpha=1", *HEAD)
    found = Hospitals(plan, sites, {2: break_down})
    with pytest.raises(RoundError) as caught:
        found.start()
    text = str(caught.value)
    assert "initial=ridge needs the sums of every site; set initial.every_site=false" in text
    assert "site-1: it told no sums" in text
    assert "site-2: the site reported `data-unusable`" in text


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        (with_array("sums", lambda s: s * torch.nan), "bad-sums", "not finite"),
        (with_array("sums", lambda s: s[:1]), "bad-sums", "has shape"),
        (with_array("counts", lambda c: c + 1), "wrong-count", "when it was prepared"),
        (set_to("site", "plan", "0" * 64), "wrong-plan", "another plan"),
        (set_to("site", "name", "site-2"), "wrong-site", "another name than site-0"),
        (break_down, "site-error", "data-unusable"),
    ],
)
def test_a_bad_answer_is_left_out(
    table_plan: PlanOf, table_sites: Sites, change: Change, outcome: str, reason: str
) -> None:
    plan, sites = table_plan("initial=prototypes", *HEAD), table_sites(3, 60)
    bad = Hospitals(plan, sites, {0: change})
    shared = bad.start()
    entry = bad.ledger.entries[0]
    assert (entry.site, entry.outcome) == ("site-0", outcome)
    assert reason in entry.reason
    forbid(sites[0])
    without = Hospitals(bad.plan, sites).start()
    assert all(torch.equal(shared[name], without[name]) for name in shared)


def test_nobody_told_anything(table_plan: PlanOf, table_sites: Sites) -> None:
    sites = table_sites(2, 60)
    plan = Hospitals(table_plan("initial=prototypes", *HEAD), sites).plan
    for site in sites:
        forbid(site)
    with pytest.raises(RoundError, match=r"(?s)initial=prototypes: no site told its sums; use initial=none.*site-1"):
        Hospitals(plan, sites).start()


def test_a_class_without_a_case_is_named(table_plan: PlanOf, table_sites: Sites) -> None:
    plan, sites = table_plan("initial=prototypes", "data.classes=[clear,lesion,scar]", *HEAD), table_sites(2, 60)
    with pytest.raises(RoundError, match="no site that told its sums has a training case of scar; use initial=none"):
        Hospitals(plan, sites).start()


def test_sites_that_are_held_out_are_not_asked(table_plan: PlanOf, table_sites: Sites) -> None:
    found = Hospitals(table_plan("initial=ridge", "hold_out=[site-1]", *HEAD), table_sites(3, 60))
    found.start()
    assert [e.site for e in found.ledger.entries] == ["site-0", "site-2"]


def test_zeros_ask_nobody(table_plan: PlanOf, table_sites: Sites) -> None:
    found = Hospitals(table_plan("initial=zeros", *HEAD), table_sites(2, 60))
    assert not any(tensor.any() for tensor in found.start().values())
    assert found.ledger.entries == []


def test_totals_by_hand_leave_the_parts_as_they_are() -> None:
    parts = [{"counts": torch.tensor([1.0, 2.0])}, {"counts": torch.tensor([3.0, 0.0])}]
    assert total(parts)["counts"].tolist() == [4, 2]
    assert parts[0]["counts"].tolist() == [1, 2]


class Strange(HeadStart):
    """Gives what is no head."""

    given: dict[str, Tensor]

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        return {}

    def head(self, sums: Sums, built: Any) -> dict[str, Tensor]:
        return Strange.given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "gave tensors that are not the head's"),
        ({"weight": torch.zeros(2, 3)}, "gave tensors that are not the head's"),
        ({"bias": torch.full((2,), torch.inf)}, "gave a number that is not finite"),
    ],
)
def test_what_is_no_head_is_refused(
    table_plan: PlanOf,
    table_sites: Sites,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Tensor],
    words: str,
) -> None:
    found = Hospitals(table_plan("initial=zeros", *HEAD), table_sites(2, 60))
    Strange.given = given
    monkeypatch.setattr("fedgraft.server.rounds.head_start.build_initial", lambda plan, allowed: Strange())
    with pytest.raises(RoundError, match=words):
        found.start()


def test_a_site_that_restarts_for_every_message_gives_the_same_result(
    federate: Callable[..., Any], compose_plan: PlanOf
) -> None:
    """Also with a head that takes a trained stage's features, and stages whose turn comes later."""
    free = ("backbone.freeze=blocks.2", "train.unfreeze=1", "train.layer_decay=0.5", "rounds=4")
    plan = compose_plan("initial=prototypes", "initial.interpolate=[0.5,1.0]", *free)
    stays, restarts = federate(plan, out="stays"), federate(plan, fresh=True, out="restarts")
    assert all(torch.equal(tensor, restarts.outcome.shared[name]) for name, tensor in stays.outcome.shared.items())
    assert stays.outcome.interpolations == restarts.outcome.interpolations


def test_sums_of_a_plan_without_classes_are_refused_before_anyone_is_asked(table_plan: PlanOf) -> None:
    plan = table_plan("initial=prototypes", *HEAD)
    multilabel = replace(plan, data=replace(plan.data, task="multilabel"))
    with pytest.raises(PlanError, match=r"initial=prototypes sums up over classes, and needs data.task=classification"):
        require_start(multilabel, {"head.weight": torch.zeros(2, 4), "head.bias": torch.zeros(2)})


def test_a_file_that_is_not_there_is_said_before_anyone_is_asked(table_plan: PlanOf) -> None:
    plan = table_plan("head=embeddings", "initial=embeddings", "initial.file=nowhere.safetensors")
    with pytest.raises(BackboneError, match=r"nowhere.safetensors does not exist"):
        require_start(plan, {"head.weight": torch.zeros(2, 4), "head.log_scale": torch.zeros(())})


class Asking(Strange):
    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        return {"sum": features.sum(dim=0).double()}


def test_an_initial_of_somebody_else_s_that_asks_for_sums_is_refused_beside_differential_privacy(
    table_plan: PlanOf, table_sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = (
        "strategy._target_=flwr.serverapp.strategy.DifferentialPrivacyServerSideFixedClipping",
        "+strategy.strategy._target_=flwr.serverapp.strategy.FedAvg",
        "+strategy.noise_multiplier=0.1",
        "+strategy.clipping_norm=1.0",
        "+strategy.num_sampled_clients=2",
    )
    found = Hospitals(table_plan("initial=zeros", *HEAD, *private), table_sites(2, 60))
    monkeypatch.setattr("fedgraft.server.rounds.head_start.build_initial", lambda plan, allowed: Asking())
    with pytest.raises(PlanError, match=r"initial=Asking asks sites for sums over their cases that a Differential"):
        require_start(found.plan, found.model.tensors(found.model.names("shared")))
    assert found.ledger.entries == []
