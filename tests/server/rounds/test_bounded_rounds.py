"""Rounds with robust strategies, and with a site that sends too much: together with the rest of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import read_entries
from fedgraft.server.reports.bounds import bounds_figures, bounds_sentences, round_sentences, update_figures

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
BIRCH = 1  # alder, birch, cedar
QUICK = ("rounds=2", "release.evaluation=false", "calibration=none", "decide.unseen=null")


def times(factor: float) -> Callable[[Message, Message], Message]:
    """The update, so many times."""

    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            sent, came = message.content.array_records["arrays"], reply.content.array_records["arrays"]
            reply.content["arrays"] = ArrayRecord(
                {
                    name: Array(
                        (sent[name].numpy() + np.float32(factor) * (came[name].numpy() - sent[name].numpy())).astype(
                            np.float32
                        )
                    )
                    for name in came
                }
            )
        return reply

    return tamper


def test_an_honest_run_is_the_same_bit_for_bit_with_bounds_and_without(
    federate: Federate, compose_plan: Composer
) -> None:
    plans = [compose_plan(*QUICK), compose_plan(*QUICK, "bounds=none")]
    bound, free = (federate(plan, out=out) for plan, out in zip(plans, ("bound", "free"), strict=True))
    for name, tensor in free.outcome.shared.items():
        assert torch.equal(tensor, bound.outcome.shared[name])
    assert plans[0].digest != plans[1].digest
    found = bounds_figures(bound.outcome.rounds)
    assert {name: found[name] for name in ("refused", "clipped", "counted")} == {
        "refused": [],
        "clipped": [],
        "counted": [],
    }


def test_a_site_that_sends_too_much_is_named_everywhere(federate: Federate, compose_plan: Composer) -> None:
    """Ten times is refused, twice as much shortened: phantom hospitals' norms are alike."""
    refused = federate(compose_plan(*QUICK), {BIRCH: times(1e6)}, out="refused")
    assert {one.outcome for one in refused.ledger.entries if one.site == "birch" and one.what == "train"} == {
        "out-of-bounds"
    }
    assert [one.sites for one in refused.outcome.rounds[1:]] == [("alder", "cedar")] * 2
    bounds = ("bounds.clip=1.2", "bounds.least=1.2")
    clipped = federate(compose_plan(*QUICK, *bounds), {BIRCH: times(3)}, out="clipped")
    entries = read_entries(clipped.folder / "ledger.jsonl")
    said = [one.reason for one in entries if one.site == "birch" and one.what == "train"]
    assert all(reason.startswith("clipped: its update was ") for reason in said)
    rounds = clipped.outcome.rounds
    assert round_sentences(rounds[1])[0].startswith("birch: clipped: its update was")
    assert any(one.startswith("birch: its update was shortened in 2 of 2 round(s)") for one in bounds_sentences(rounds))
    told = json.loads(json.dumps(update_figures(rounds[1])))["birch"]
    assert told["ratio"] > 1.2 > told["ratio"] * told["kept"] - 0.01


def test_what_the_bounds_remember_is_part_of_the_state(federate: Federate, lay: Any, compose_plan: Composer) -> None:
    from fedgraft.server.rounds.loop import _next, start
    from fedgraft.server.rounds.prepare import prepare

    laid = lay(compose_plan(*QUICK, "bounds.rounds=2"))
    prepared = prepare(laid.context)
    state = start(laid.context, prepared)
    assert state.memory.norms == ()
    state = _next(laid.context, prepared.rounds, state)
    assert [len(some) for some in state.memory.norms] == [3]
    assert len(_next(laid.context, prepared.rounds, state).memory.norms) == 1


@pytest.mark.parametrize("strategy", ["geometric_median", "centered_clipping", "median"])
def test_robust_strategies_with_compression_and_partial_participation(
    federate: Federate, compose_plan: Composer, strategy: str
) -> None:
    words = (f"strategy={strategy}", "strategy.fraction=0.7", "compression=int8", "compression.down=float16")
    found = federate(compose_plan(*QUICK, *words))
    assert [len(one.sites) for one in found.outcome.rounds[1:]] == [2, 2]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in found.outcome.shared.values())
    assert found.outcome.shared["head.weight"].dtype == torch.float32


def test_too_few_sites_for_a_strategy_are_said_before_anybody_trains(
    federate: Federate, compose_plan: Composer, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=r"strategy.beta=0.2 of 3 site\(s\) is less than one"):
        federate(compose_plan(*QUICK, "strategy=trimmed_mean"))
    with pytest.raises(PlanError, match=r"strategy\.num_malicious_nodes=1 needs 5 sites"):
        federate(compose_plan(*QUICK, "strategy=multi_krum"), out="krum")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bounds.least=6",), "bounds.least is the lowest multiple"),
        (("bounds.refuse=2",), "bounds.refuse below bounds.clip"),
        (("strategy=exact", "head=plain", "bounds=none"), "strategy=exact sums gradients"),
        (("bounds.clip=0.5",), "bounds.clip=0.5: input should be greater than or equal to 1"),
        (("bounds.share=0",), "bounds.share=0"),
    ],
)
def test_bounds_that_contradict_themselves_or_have_no_effect(
    compose_plan: Composer, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(PlanError, match=said.replace(".", r"\.")):
        compose_plan(*words)


def test_older_plans_keep_their_digest(compose_plan: Composer) -> None:
    plan = compose_plan()
    text = {name: value for name, value in plan.to_dict().items() if name != "bounds"}
    from fedgraft.common.plan.plan import from_dict

    assert from_dict(text).digest == plan.digest
    assert compose_plan("bounds.rounds=5").digest != plan.digest
