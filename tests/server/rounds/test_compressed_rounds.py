"""Rounds whose tensors are compressed: what travels, what is learnt, and what a site owes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message

from fedgraft.common.compression.compression import require_effect
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
HEAD = 4 * (2 * 256 + 2)  # bytes of a head on test_efficientnet's 256 features


def arrays_of(result: Any) -> tuple[int, int]:
    """Bytes of one train message up and down."""
    entry = next(e for e in result.ledger.entries if e.what == "train")
    return entry.bytes_up, entry.bytes_down


def test_only_what_changed_is_bit_for_bit_the_exact_result(federate: Federate, compose_plan: Composer) -> None:
    exact, changed = (
        federate(compose_plan(f"compression={name}"), out=name).outcome.shared for name in ("none", "changed")
    )
    assert all(torch.equal(exact[name], changed[name]) for name in exact)


@pytest.mark.parametrize(
    ("compression", "near", "up", "down"),
    [("float16", 2e-3, 0.65, 0.7), ("int8", 3e-2, 0.45, 0.5), ("topk", 1.0, 0.42, 1.01)],
)
def test_less_travels_and_the_result_is_near(
    federate: Federate, compose_plan: Composer, compression: str, near: float, up: float, down: float
) -> None:
    """Of 2,056 bytes of a head: half in float16, a quarter and scales in int8, a tenth twice and a header in top-k;
    what is beside them is about 400 bytes."""
    plans = [compose_plan(f"compression={c}", "rounds=3", "release.evaluation=false") for c in ("none", compression)]
    exact, less = (federate(plan, out=name) for plan, name in zip(plans, ("none", "less"), strict=True))
    sizes = [arrays_of(result) for result in (exact, less)]
    assert sizes[1][0] < up * sizes[0][0] and sizes[1][1] < down * sizes[0][1]
    head, whole = less.outcome.shared["head.weight"], exact.outcome.shared["head.weight"]
    assert 0 < float((head - whole).norm()) <= near * float(whole.norm())


def test_what_rounding_lost_is_kept_at_the_site_and_survives_a_restart(
    federate: Federate, compose_plan: Composer
) -> None:
    plan = compose_plan("compression=topk", "rounds=3")
    stays, restarts = federate(plan, out="stays"), federate(plan, fresh=True, out="restarts")
    for name, tensor in stays.outcome.shared.items():
        assert torch.equal(tensor, restarts.outcome.shared[name])
    owed = list((stays.folder).glob("*/state/local/*-residual.safetensors"))
    assert len(owed) == 3


def test_a_payload_that_does_not_fit_is_refused_by_name(federate: Federate, compose_plan: Composer) -> None:
    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "train":
            arrays = dict(reply.content.array_records["arrays"])
            arrays["head.weight#scale"] = Array(np.array([np.nan, 1.0], np.float32))
            reply.content["arrays"] = ArrayRecord(arrays)
        return reply

    result = federate(compose_plan("compression=int8", "rounds=1"), {1: tamper})
    (entry,) = [e for e in result.ledger.entries if e.outcome != "ok"]
    assert (entry.site, entry.outcome) == ("birch", "bad-update")
    assert entry.reason == "tensor head.weight#scale holds a number that is not finite"


def test_a_compression_that_rounds_nothing_is_an_error(compose_plan: Composer) -> None:
    """A head of 2 x 20 numbers; batch norm's statistics alone."""
    small = {"head.weight": torch.zeros(2, 20), "backbone.bn1.running_mean": torch.zeros(500)}
    section = compose_plan("compression=int8").compression
    with pytest.raises(PlanError, match=r"compression=int8 has no effect: no shared tensor.*compression=none"):
        require_effect(section, small)
    require_effect(section, {"head.weight": torch.zeros(2, 40)})
    require_effect(compose_plan("compression=changed").compression, small)
    require_effect(compose_plan().compression, small)
