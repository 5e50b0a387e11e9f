"""What no honest coordinator asks is refused by name, over the wire's messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from .conftest import Rows
from .coordinator import Curious

Hospital = Callable[..., tuple[Path, Rows]]


def said(site: Path) -> str:
    """What the site wrote of its last refusal."""
    lines = (site.parent / "state" / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    return str(json.loads(lines[-1])["said"])


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (("rounds=100000",), ("rounds=100000", "bounds.rounds=1000")),
        (("train.epochs=1000000000",), ("train.epochs=1e+09", "bounds.epochs=100")),
        (("train.lr=1000",), ("train.lr=1000", "bounds.rate=10")),
        (
            ("train.lr=10", "train.weight_decay=0.1", "train.batch_size=1"),
            ("take back 1 of each step", "bounds.forget=0.1"),
        ),
        # 0.3 GB
        (("head=mlp", "head.normalise=false", "head.hidden=5800000"), ("head.hidden=5800000", "bounds.width=4096")),
        (("rounds=100000", "train.lr=1000"), ("rounds=100000", "train.lr=1000")),
    ],
)
def test_an_absurd_plan_is_refused_with_all_that_is_absurd(
    hospital: Hospital, curious: Callable[..., Curious], overrides: tuple[str, ...], names: tuple[str, ...]
) -> None:
    site, _ = hospital(30)
    assert curious(site, *overrides).ask_plan() == "bounds"
    assert all(name in said(site) for name in names)
    assert not (site.parent / "state" / "plans").exists()


def test_a_proximal_term_that_leaves_only_the_last_batch_is_refused(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    """It comes with a message, not with the plan: each step of one patient would undo the one before."""
    site, _ = hospital(30)
    one = curious(site, "train.lr=1", "train.momentum=0", "train.batch_size=1", "train.epochs=1")
    one.prepare()
    honest = one.model.tensors(one.model.received)
    assert one.train(honest, 1, mu=1.0) == "bounds"
    assert "proximal_mu=1 at train.lr=1 take back 1 of each step" in said(site)
    assert not isinstance(one.train(honest, 2, mu=0.05), str)


def test_rounds_plans_and_norms(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(30)
    one = curious(site)
    one.prepare()
    honest = one.model.tensors(one.model.received)
    first = one.train(honest, 1)
    again = one.train(honest, 1)
    assert not isinstance(first, str) and not isinstance(again, str)
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in honest)

    assert one.train(honest, 99999) == "bounds"
    assert said(site) == "round 99999 of a plan with rounds=50"
    chosen = {name: tensor + 1 for name, tensor in honest.items()}
    assert one.train(chosen, 1) == "asked-before"
    assert said(site) == "round 1 was answered with other tensors"
    assert not isinstance(one.train(chosen, 3), str)
    assert one.train(honest, 2) == "asked-before"
    assert said(site) == "round 2 was left out, and the run has gone on to round 3"

    other = Curious(site, replace(one.plan, seed=one.plan.seed + 1))
    assert other.prepare() == "asked-before"
    assert "one plan in a run" in said(site)
    assert not isinstance(other.prepare(run=2), str)

    huge = {name: torch.full_like(tensor, 1e6) for name, tensor in honest.items()}
    assert one.train(huge, 4) == "bounds"
    assert "head.weight came with norm" in said(site) and "bounds.norm=1000" in said(site)


def test_a_run_is_extended_by_rounds_and_by_nothing_else(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(30)
    one = curious(site)
    one.prepare()
    longer = Curious(site, replace(one.plan, rounds=60))
    assert longer.prepare() == "asked-before"
    assert not isinstance(longer.prepare(continues=one.plan.digest), str)
    other = Curious(site, replace(one.plan, rounds=70, seed=9))
    assert other.prepare(continues=longer.plan.digest) == "asked-before"


@pytest.mark.parametrize("patients", [1, 4])
def test_a_hospital_of_a_few_patients_sends_nothing_of_them(
    hospital: Hospital, curious: Callable[..., Curious], patients: int
) -> None:
    site, _ = hospital(patients)
    one = curious(site)
    offer = one.prepare()
    assert not isinstance(offer, str)
    assert (offer.abstains, offer.examples, offer.class_counts) == ("few-patients", 0, None)
    assert one.train(one.model.tensors(one.model.received), 1) == "few-patients"
    exact = curious(site, "strategy=exact", "rounds=1", "strategy.strongest=0.1", "strategy.weakest=0.1")
    exact.prepare(run=2)
    assert exact.gradient(exact.model.tensors(exact.model.received), 1, run=2) == "few-patients"
