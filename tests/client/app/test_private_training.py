"""``privacy=record_trained`` over the wire's messages: trained tensors leave with noise, once, and nothing beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.app.handlers import evaluate, train
from fedgraft.client.app.head_sums import tell_sums
from fedgraft.client.fence.plan_bounds import require_steps_within
from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import BoundsError, PrivacyError, PrivacySpentError
from fedgraft.common.heads.noisy_ridge import NoisyRidge
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import SumsQuestion, pack_sums_question, unpack_sums
from tests.client.app.test_private_answers import TASK, Hospital, fields

Composer = Callable[..., Plan]
WORDS = (
    "privacy=record_trained",
    "data.cases=40",
    "rounds=2",
    "privacy.steps=4",
    "privacy.sampled=0.5",
    "train.lr=1e-3",
)


@pytest.fixture
def asked(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose_plan: Composer) -> Hospital:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    return Hospital(compose_plan(*WORDS), tmp_path / "sites")


def trained(asked: Hospital, number: int = 1, step: float = 0.0, counts: tuple[int, int] = (20, 20)) -> RecordDict:
    config = messages.pack_config(asked.plan.digest, counts)
    config["server-round"] = number
    shared = {name: tensor + step for name, tensor in asked.narrow.items()}
    content = RecordDict({messages.ARRAYS: messages.pack_tensors(shared), messages.CONFIG: config})
    return train(content, asked.workspace, asked.site, 7)


def test_every_field_that_leaves_has_noise_or_says_nothing_of_a_patient(asked: Hospital) -> None:
    """A field that is added must be charged, or said here to be of no patient."""
    offer = asked.prepare()
    found = trained(asked)
    of_no_patient = {"site.name", "site.plan", "site.round"}
    noisy = {"arrays.head.weight", "arrays.head.bias", "metrics.num-examples"}
    assert fields(found) == {*of_no_patient, *noisy}
    specs = messages.specs_of(asked.narrow)
    update = messages.unpack_update(found, specs, TASK)
    assert update.examples == offer.examples, "patients, with noise"
    order = messages.pack_evaluate(asked.narrow, asked.plan.digest, 2, (20, 20))
    assert fields(evaluate(order, asked.workspace, asked.site, 7)) == of_no_patient


def test_a_round_is_told_once_and_charged_by_dp_accounting(asked: Hospital) -> None:
    asked.prepare()
    (charge,) = PrivacyAccount(asked.workspace.site(asked.site).state).charges()
    budget = budget_of(asked.plan)
    assert charge.releases == budget.releases and charge.apart == ()
    last = charge.releases[-1]
    assert (last.times, last.sampled, last.shared) == (4, 0.5, False)
    one, again = trained(asked), trained(asked, counts=(30, 10))
    specs = messages.specs_of(asked.narrow)
    told = [messages.unpack_update(found, specs, TASK).tensors["head.weight"] for found in (one, again)]
    assert torch.equal(*told), "told again, from its disk"
    assert asked.lines() == ["run", "counts", "trained"]
    other = messages.unpack_update(trained(asked, number=2), specs, TASK).tensors["head.weight"]
    assert not torch.equal(told[0], other)
    with pytest.raises(PrivacySpentError, match=r"charged with 2 answer\(s\) of the kind `trained`, and 2 were given"):
        trained(asked, step=0.5)


def test_equal_seeds_have_other_noise(asked: Hospital, tmp_path: Path, compose_plan: Composer) -> None:
    """The plan's seed is the coordinator's to know."""
    twin = Hospital(compose_plan(*WORDS), tmp_path / "twins")
    found = []
    for one in (asked, twin):
        one.prepare()
        found.append(messages.unpack_update(trained(one), messages.specs_of(one.narrow), TASK).tensors["head.weight"])
    assert not torch.equal(*found)


def test_steps_are_as_many_as_the_site_allows(compose_plan: Composer) -> None:
    plan = compose_plan(*WORDS)
    require_steps_within(plan, 10_000, replace(Bounds(), steps=2))
    with pytest.raises(BoundsError, match=r"privacy\.steps=4 with rounds=2 takes 2 steps a round, bounds\.steps=1"):
        require_steps_within(plan, 10, replace(Bounds(), steps=1))


def test_sums_leave_with_noise_once_and_are_charged(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose_plan: Composer
) -> None:
    """``privacy=record_once``: of counts only those that were told with noise before."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan("privacy=record_once", "rounds=0", "head.dims=8", "features.scale=case", "data.cases=40")
    asked = Hospital(plan, tmp_path / "once")
    offer = asked.prepare()
    (charge,) = PrivacyAccount(asked.workspace.site(asked.site).state).charges()
    assert charge.releases == budget_of(plan).releases and [one.times for one in charge.releases] == [1, 1]

    def told(counts: tuple[int, int]) -> RecordDict:
        question = pack_sums_question(SumsQuestion(plan.digest, asked.given, counts))
        return tell_sums(question, asked.workspace, asked.site, 7)

    found, again = told((20, 20)), told((30, 10))
    assert fields(found) == {"site.name", "site.plan", "sums.counts", "sums.sums", "sums.moments"}
    specs = messages.specs_of(NoisyRidge(1.0, 1.0).sums(torch.zeros(0, 8), torch.zeros(0, dtype=torch.int64), 2))
    sums, same = (unpack_sums(one, specs).sums for one in (found, again))
    assert sums is not None and same is not None and all(torch.equal(sums[name], same[name]) for name in sums)
    assert tuple(sums["counts"].tolist()) == offer.class_counts
    assert asked.lines() == ["run", "counts", "start"]
    with pytest.raises(PrivacyError, match="an update would leave without noise"):
        trained(asked)
