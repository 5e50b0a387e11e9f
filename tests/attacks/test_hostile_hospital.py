"""One hostile hospital of five sends through the wire what it likes; the model of the others stays near what it is
without it. `benchmarks/attacks.py` measures more attacks, on real cases."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord

from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages as wire
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.reports.bounds import bounds_figures
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import RunOutcome
from fedgraft.simulations.federation.sites import lay_out

from ..server.in_process import Tamper, Tampered, context_over

HOSTILE = 1
WORDS = (
    "data.sites=5",
    "rounds=2",
    "calibration=none",
    "decide.unseen=null",
    "release.evaluation=false",
    "loss.weights=none",
)
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What was sent, and what would come back, to what comes back instead."""
Attack = Callable[..., tuple[RunOutcome, Ledger]]


def sends(change: Change) -> Tamper:
    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == wire.TRAIN:
            sent, came = (m.content.array_records[wire.ARRAYS] for m in (message, reply))
            reply.content[wire.ARRAYS] = ArrayRecord(
                {n: Array(change(sent[n].numpy(), came[n].numpy()).astype(np.float32)) for n in came}
            )
        return reply

    return tamper


def flip(sent: np.ndarray, came: np.ndarray) -> np.ndarray:
    return 2 * sent - came


def silent(message: Message, reply: Message) -> Message:
    """Answers no message that trains."""
    is_train = message.metadata.message_type == wire.TRAIN
    return Message(Error(code=0, reason="fedgraft:unexpected"), reply_to=message) if is_train else reply


def claims(cases: int) -> Tamper:
    """Tells so many training cases from the first message on, and turns its update round."""
    turned = sends(flip)

    def tamper(message: Message, reply: Message) -> Message:
        reply = turned(message, reply)
        if message.metadata.message_type == wire.PREPARE:
            offer = reply.content[wire.SITE]
            reply.content[wire.SITE] = type(offer)(
                {n: v for n, v in {**offer, wire.EXAMPLES: cases}.items() if n != "class-counts"}
            )
        if message.metadata.message_type == wire.TRAIN:
            reply.content[wire.METRICS] = MetricRecord({**reply.content[wire.METRICS], wire.EXAMPLES: cases})
        return reply

    return tamper


@pytest.fixture
def attack(compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(tamper: Tamper | None, *words: str, confirmed: int | None = None) -> tuple[RunOutcome, Ledger]:
        plan = compose_plan(*WORDS, *words)
        sites = list(lay_out(plan, tmp_path / "sites", os.environ).sites.values())
        ledger = Ledger(None)
        hostile = sites[HOSTILE].parent.name
        known = {} if confirmed is None else {hostile: confirmed}
        answering = Tampered(sites, {} if tamper is None else {HOSTILE: tamper})
        return run(context_over(plan, answering, ledger, confirmed=lambda: known)), ledger

    return go


def same(one: RunOutcome, other: RunOutcome) -> bool:
    return all(torch.equal(one.shared[name], other.shared[name]) for name in other.shared)


@pytest.mark.parametrize(
    "change", [lambda s, c: s + 1e6 * (c - s), lambda s, c: 0 * c + 1e30, lambda s, c: 21 * s - 20 * c]
)
def test_what_is_far_too_long_is_refused_and_the_model_is_that_of_the_others(attack: Attack, change: Change) -> None:
    found, ledger = attack(sends(change))
    assert [one.outcome for one in ledger.entries if one.what == "train"].count("out-of-bounds") == 2
    without, _ = attack(silent)
    assert same(found, without)


def test_what_is_just_short_enough_is_shortened_and_named(attack: Attack) -> None:
    found, ledger = attack(sends(lambda sent, came: sent - 8 * (came - sent)))
    (site,) = {one["site"] for one in bounds_figures(found.rounds)["clipped"]}
    for one in found.rounds[1:]:
        figures = one.updates[site]
        assert figures.ratio is not None
        assert figures.ratio * figures.kept <= 5.0 + 1e-6
    said = [one.reason for one in ledger.entries if one.site == site and one.what == "train"]
    assert all(reason.startswith("clipped") for reason in said)


def test_a_thousand_times_its_cases_count_as_those_that_are_registered(attack: Attack) -> None:
    honest, ledger = attack(sends(flip))
    true = {one.site: one.examples for one in ledger.entries if one.what == "train"}
    named, said = attack(claims(40_000), confirmed=list(true.values())[HOSTILE])
    assert same(named, honest)
    reasons = {one.site for one in said.entries if "which were registered for it; it told 40000" in one.reason}
    assert reasons == {list(true)[HOSTILE]}
    unknown, said = attack(claims(40_000))
    assert not same(unknown, honest)
    assert any("which is bounds.share of all; it told 40000" in one.reason for one in said.entries)
