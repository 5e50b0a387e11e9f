"""The loop against sites that drop out, send garbage, or claim another's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord

from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine import grid

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
WRAPPED = (
    "strategy._target_=flwr.serverapp.strategy.DifferentialPrivacyServerSideFixedClipping",
    "+strategy.strategy._target_=flwr.serverapp.strategy.FedAvg",
    "+strategy.noise_multiplier=0.1",
    "+strategy.clipping_norm=1.0",
    "+strategy.num_sampled_clients=3",
)
QFEDAVG = ("strategy._target_=flwr.serverapp.strategy.QFedAvg", "+strategy.client_learning_rate=0.01")
BIRCH = 1  # alder, birch, cedar: in the order of their names


def on_train(change: Callable[[Message], None]) -> Callable[[Message, Message], Message]:
    """Change the replies to ``train`` only."""

    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            change(reply)
        return reply

    return tamper


def with_array(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Message], None]:
    def change(reply: Message) -> None:
        arrays = reply.content.array_records["arrays"]
        reply.content["arrays"] = ArrayRecord({**arrays, "head.weight": Array(make(arrays["head.weight"].numpy()))})

    return change


def with_metric(examples: int) -> Callable[[Message], None]:
    def change(reply: Message) -> None:
        reply.content["metrics"] = MetricRecord({"num-examples": examples})

    return change


def test_a_site_whose_cases_have_changed_is_prepared_again(federate: Federate, compose_plan: Composer) -> None:
    """Files that are gone cost the round in which that is found out, and no other."""

    def fewer(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train" and message.content["config"]["server-round"] == 1:
            with_metric(3)(reply)
        return reply

    result = federate(compose_plan("rounds=3"), {BIRCH: fewer})
    lines = [(e.round, e.what, e.outcome) for e in result.ledger.entries if e.site == "birch"]
    asked = [line for line in lines if line[1] in ("prepare", "train")]
    assert asked[-4:] == [(1, "train", "wrong-count"), (2, "prepare", "ok"), (2, "train", "ok"), (3, "train", "ok")]
    others = [e for e in result.ledger.entries if e.site == "alder" and e.what == "prepare" and e.round > 1]
    assert others == []


def with_site(**values: str | int) -> Callable[[Message], None]:
    def change(reply: Message) -> None:
        reply.content["site"] = ConfigRecord({**reply.content.config_records["site"], **values})

    return change


def without_bias(reply: Message) -> None:
    del reply.content.array_records["arrays"]["head.bias"]


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        (with_array(lambda a: np.full_like(a, np.nan)), "bad-update", "head.weight holds a number that is not finite"),
        (with_array(lambda a: a[:1]), "bad-update", r"head.weight has shape \(1, 256\), the plan says \(2, 256\)"),
        (with_array(lambda a: a.astype(np.float64)), "bad-update", "dtype float64, the plan says float32"),
        (without_bias, "bad-update", "1 missing, 0 not in the plan"),
        (with_metric(0), "bad-update", "must be a whole number above 0"),
        (with_metric(-5), "bad-update", "must be a whole number above 0"),
        (with_site(plan="0" * 64), "wrong-plan", "belongs to another plan"),
        (with_site(round=7), "wrong-round", "belongs to round 7"),
        (with_site(name="alder"), "wrong-site", "another name than birch"),
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(
    federate: Federate, compose_plan: Composer, change: Callable[[Message], None], outcome: str, words: str
) -> None:
    """The result equals that of a federation in which the bad site never answers."""
    plan = compose_plan("rounds=1")
    silent = federate(plan, {BIRCH: on_train(fail)}, out="silent")
    bad = federate(plan, {BIRCH: on_train(change)}, out="bad")
    assert all(torch.equal(bad.outcome.shared[n], silent.outcome.shared[n]) for n in silent.outcome.shared)
    (entry,) = [e for e in bad.ledger.entries if e.outcome != "ok"]
    assert (entry.round, entry.what, entry.site, entry.outcome) == (1, "train", "birch", outcome)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(entry.reason)


def test_a_claim_of_more_cases_than_were_offered_is_refused(federate: Federate, compose_plan: Composer) -> None:
    result = federate(compose_plan("rounds=1"), {BIRCH: on_train(with_metric(10**6))})
    (entry,) = [e for e in result.ledger.entries if e.outcome != "ok"]
    assert (entry.site, entry.outcome) == ("birch", "wrong-count")


def test_a_node_under_another_name_than_it_was_registered_with_is_refused(
    federate: Federate, compose_plan: Composer
) -> None:
    """Nodes of the in-process grid are numbered from 1000."""
    registered = {1000: "alder", 1001: "hazel", 1002: "cedar"}
    result = federate(compose_plan("rounds=1"), registered=registered)
    assert set(result.outcome.offers) == {"alder", "cedar"}
    (entry,) = [e for e in result.ledger.entries if e.outcome != "ok"]
    assert "registered as hazel" in entry.reason


def test_a_class_that_no_given_count_holds_is_an_error(federate: Federate, compose_plan: Composer) -> None:
    def none_of_class_one(message: Message, reply: Message) -> Message:
        if message.metadata.message_type.startswith("query"):
            count = reply.content.config_records["site"]["num-examples"]
            with_site(**{"class-counts": [count, 0]})(reply)  # type: ignore[arg-type]
        return reply

    with pytest.raises(RoundError, match=r"no case of lesion.*loss.weights=local"):
        federate(compose_plan(), dict.fromkeys(range(3), none_of_class_one))


def test_a_server_side_wrapper_of_a_strategy_can_be_named(federate: Federate, compose_plan: Composer) -> None:
    shared = federate(compose_plan(*WRAPPED)).outcome.shared
    assert shared["head.weight"].dtype == torch.float32


def test_a_client_side_privacy_wrapper_is_refused_because_nothing_would_be_clipped(
    federate: Federate, compose_plan: Composer
) -> None:
    wrapped = [word.replace("ServerSide", "ClientSide") for word in WRAPPED]
    with pytest.raises(PlanError, match="nothing would be clipped"):
        federate(compose_plan(*wrapped))


def test_what_a_strategy_raises_names_it(federate: Federate, compose_plan: Composer) -> None:
    """QFedAvg needs every site's loss; the plan withholds it."""
    plan = compose_plan(*QFEDAVG, "release.train_loss=false")
    with pytest.raises(RoundError, match=r"round 1: strategy QFedAvg failed"):
        federate(plan)


def fail(reply: Message) -> None:
    reply.__dict__["_content"], reply.__dict__["_error"] = None, Error(2, "a text with /home/anna/patient_7.dcm in it")


def test_a_foreign_error_text_never_reaches_the_ledger(federate: Federate, compose_plan: Composer) -> None:
    result = federate(compose_plan("rounds=1"), {BIRCH: on_train(fail)})
    (entry,) = [e for e in result.ledger.entries if e.outcome != "ok"]
    assert entry.outcome == "unreachable"
    assert "patient" not in (result.folder / "ledger.jsonl").read_text()


def test_fewer_good_updates_than_the_quorum_says_who_was_missing_and_why(
    federate: Federate, compose_plan: Composer
) -> None:
    with pytest.raises(RoundError, match=r"(?s)round 1: 2 site.*patience.quorum_sites=3.*birch: bad-update"):
        federate(compose_plan("patience.quorum_sites=3"), {BIRCH: on_train(with_metric(0))})


def test_two_nodes_under_one_name_are_both_refused(federate: Federate, compose_plan: Composer) -> None:
    def claim(message: Message, reply: Message) -> Message:
        with_site(name="alder")(reply)
        return reply

    with pytest.raises(RoundError, match=r"alder: same-name .another node gives the same site name"):
        federate(compose_plan(), {BIRCH: claim})


def test_the_aggregate_is_the_mean_weighted_by_training_cases(federate: Federate, compose_plan: Composer) -> None:
    seen: list[tuple[int, torch.Tensor]] = []

    def watch(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            count = reply.content.metric_records["metrics"]["num-examples"]
            array = reply.content.array_records["arrays"]["head.weight"].numpy()
            seen.append((int(count), torch.from_numpy(array.copy()).double()))  # type: ignore[arg-type]
        return reply

    result = federate(compose_plan("rounds=1"), {0: watch, 1: watch, 2: watch})
    total = sum(count for count, _ in seen)
    by_hand = sum((count / total * weight for count, weight in seen), torch.zeros(2, 256).double())
    assert len(seen) == 3
    assert torch.allclose(result.outcome.shared["head.weight"].double(), by_hand, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("adaptation", ["none", "fedbn", "silobn"])
def test_a_site_that_restarts_for_every_message_gives_the_same_result(
    federate: Federate, compose_plan: Composer, adaptation: str
) -> None:
    """Local tensors survive between rounds on the site's disk."""
    plan = compose_plan(f"adaptation={adaptation}", "rounds=3")
    stays, restarts = federate(plan, out="stays"), federate(plan, fresh=True, out="restarts")
    for name, tensor in stays.outcome.shared.items():
        assert torch.equal(tensor, restarts.outcome.shared[name])
    for site, splits in stays.outcome.rounds[-1].by_site.items():
        for split, evaluation in splits.items():
            assert evaluation.loss_sum == restarts.outcome.rounds[-1].by_site[site][split].loss_sum


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "fedadam", "fedmedian"])
def test_every_strategy_returns_float32_under_the_same_names(
    federate: Federate, compose_plan: Composer, strategy: str
) -> None:
    shared = federate(compose_plan(f"strategy={strategy}")).outcome.shared
    assert {name: tensor.dtype for name, tensor in shared.items()} == {
        "head.weight": torch.float32,
        "head.bias": torch.float32,
    }


def test_a_fraction_asks_the_same_sites_for_the_same_seed(federate: Federate, compose_plan: Composer) -> None:
    plan = compose_plan("strategy.fraction=0.4", "patience.quorum_sites=1", "rounds=4")
    asked = [[r.sites for r in federate(plan, out=out).outcome.rounds[1:]] for out in ("one", "two")]
    assert asked[0] == asked[1]
    assert all(len(sites) == 1 for sites in asked[0])


def test_the_site_weighs_classes_by_the_sum_of_all_counts(federate: Federate, compose_plan: Composer) -> None:
    configs: list[Any] = []

    def watch(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            configs.append(message.content.config_records["config"]["class-counts"])
        return reply

    result = federate(compose_plan("rounds=1"), {0: watch})
    given = [offer.class_counts for offer in result.outcome.offers.values() if offer.class_counts]
    assert configs == [[sum(counts[0] for counts in given), sum(counts[1] for counts in given)]]


def test_the_grid_delivers_in_the_order_of_pushing(federate: Federate, compose_plan: Composer) -> None:
    order: list[int] = []

    def note(index: int) -> Callable[[Message, Message], Message]:
        def tamper(message: Message, reply: Message) -> Message:
            order.append(index)
            return reply

        return tamper

    federate(compose_plan("rounds=1"), {0: note(0), 1: note(1), 2: note(2)})
    assert order[:3] == [0, 1, 2]
    assert grid.RUN_ID == 1
