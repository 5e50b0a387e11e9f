"""``privacy=record`` over the wire's messages: what leaves has noise and is charged, and nothing else leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.account.privacy import FILE, PrivacyAccount
from fedgraft.client.app.familiarity import tell_familiarity
from fedgraft.client.app.feature_moments import tell_moments
from fedgraft.client.app.gradient import tell_gradient
from fedgraft.client.app.handlers import evaluate, prepare, train
from fedgraft.client.app.head_sums import tell_sums
from fedgraft.client.app.statistics import describe
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import PrivacyError, PrivacySpentError, SecureError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import ratio
from fedgraft.common.privacy.histograms import BINS
from fedgraft.common.secure.circle import Circle
from fedgraft.common.secure.member import Member, Ready, begin, new_keys
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.wire import messages
from fedgraft.common.wire.feature_moments import pack_moments_question, unpack_moments
from fedgraft.common.wire.gradient import pack_gradient_question, pack_matrices, unpack_gradient
from fedgraft.common.wire.head_sums import SumsQuestion, pack_sums_question
from fedgraft.common.wire.messages import SPLITS
from fedgraft.common.wire.offer import Offer, unpack_offer
from fedgraft.common.wire.statistics import pack_question
from fedgraft.common.wire.summed.noisy_figures import unpack_noisy_figures
from fedgraft.simulations.federation.sites import lay_out

TASK = Classification(("clear", "lesion"))
Composer = Callable[..., Plan]
WORDS = ("privacy=record", "privacy.steps=4", "data.cases=40")


class Hospital:
    """The first phantom hospital, asked by messages of one run."""

    def __init__(self, plan: Plan, folder: Path, more: str = "") -> None:
        self.plan, self.model, self.workspace = plan, build(plan, None), Workspace()
        self.site = next(iter(lay_out(plan, folder, os.environ).sites.values()))
        self.site.write_text(self.site.read_text() + more)
        model = self.model
        self.workspace.accept_backbone(self.workspace.site(self.site), model.backbone_name, model.backbone_states())
        self.head = {name: t.double() for name, t in model.tensors(model.names("shared")).items()}
        self.given = model.tensors(model.names("given"))

    @property
    def narrow(self) -> dict[str, Tensor]:
        return {name: tensor.float() for name, tensor in self.head.items()}

    def prepare(self, run: int = 7) -> Offer:
        question = messages.pack_prepare(self.plan.to_json(), self.plan.digest, self.model.backbone_name)
        return unpack_offer(prepare(question, self.workspace, self.site, run), TASK)

    def moments(self) -> RecordDict:
        return tell_moments(pack_moments_question(self.plan.digest), self.workspace, self.site, 7)

    def gradient(self, step: float = 0.0, number: int = 1) -> RecordDict:
        head = {name: tensor + step for name, tensor in self.head.items()}
        sent = pack_matrices(head, "float64")
        question = pack_gradient_question(sent, self.given, self.plan.digest, number, (20, 20), evaluate=True)
        return tell_gradient(question, self.workspace, self.site, 7)

    def figures(self, step: float = 0.0) -> RecordDict:
        shared = {**{name: tensor + step for name, tensor in self.narrow.items()}, **self.given}
        return evaluate(messages.pack_evaluate(shared, self.plan.digest, 1, None), self.workspace, self.site, 7)

    def lines(self) -> list[str]:
        text = (self.workspace.site(self.site).state / FILE).read_text()
        return [json.loads(line)["what"] for line in text.splitlines()]


@pytest.fixture
def hospital(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose_plan: Composer
) -> Callable[..., Hospital]:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    return lambda *words, more="": Hospital(compose_plan(*WORDS, *words), tmp_path / "sites", more)


def fields(content: RecordDict) -> set[str]:
    return {f"{name}.{key}" for name, record in content.items() for key in record}


def test_every_field_that_leaves_has_noise_or_says_nothing_of_a_patient(hospital: Callable[..., Hospital]) -> None:
    """A field that is added to one of these messages must be charged, or said here to be of no patient."""
    asked = hospital()
    question = messages.pack_prepare(asked.plan.to_json(), asked.plan.digest, asked.model.backbone_name)
    offer = prepare(question, asked.workspace, asked.site, 7)
    of_no_patient = {"site.name", "site.plan"}
    noisy = {"site.num-examples", "site.class-counts"}
    assert fields(offer) == {*of_no_patient, *noisy, "site.has-backbone"}
    assert fields(asked.moments()) == {*of_no_patient, "site.cases", "moments.mean", "moments.squares"}
    gradient = asked.gradient()
    tensors = {"arrays.head.weight", "arrays.head.bias"}
    assert fields(gradient) == {*of_no_patient, *tensors, "metrics.num-examples", "site.round"}
    order = messages.pack_evaluate({**asked.narrow, **asked.given}, asked.plan.digest, 1, (20, 20))
    assert fields(evaluate(order, asked.workspace, asked.site, 7)) == {*of_no_patient, "site.round"}


def test_figures_leave_as_noisy_counts_once_and_are_charged(hospital: Callable[..., Hospital]) -> None:
    asked = hospital("privacy=record_evaluated")
    asked.prepare()
    state = asked.workspace.site(asked.site).state
    (charge,) = PrivacyAccount(state).charges()
    assert ratio(charge.apart) == pytest.approx(ratio(charge.releases)), "as much as of a training patient"
    one, again = (asked.figures() for _ in range(2))
    told = {"noisy-figures.val", "noisy-figures.test"}
    assert fields(one) == {"site.name", "site.plan", "site.round", *told}
    found = [unpack_noisy_figures(content, 2 * BINS) for content in (one, again)]
    assert all(torch.equal(found[0][split], found[1][split]) for split in SPLITS), "told again, from its disk"
    assert asked.lines() == ["run", "counts", "figures"]
    with pytest.raises(PrivacySpentError, match=r"charged with 1 answer\(s\) of the kind `figures`, and 1 were given"):
        asked.figures(0.5)


def test_figures_need_a_site_that_allows_evaluations(hospital: Callable[..., Hospital]) -> None:
    asked = hospital("privacy=record_evaluated", more="release: {evaluation: false, min_count: 1}\n")
    asked.prepare()
    with pytest.raises(
        PrivacyError, match=r"noisy counts of scores, which `release\.evaluation` in site\.yaml forbids"
    ):
        asked.figures()


def test_the_same_question_is_answered_the_same_and_charged_once(hospital: Callable[..., Hospital]) -> None:
    asked = hospital()
    first = asked.prepare()
    assert first == asked.prepare() and first.class_counts is not None
    assert first.examples == sum(first.class_counts)
    one, again = (unpack_moments(asked.moments(), asked.model.width, noisy=True).moments for _ in range(2))
    assert one is not None and again is not None and torch.equal(one.mean, again.mean)
    told = [_weight(asked, asked.gradient()), _weight(asked, asked.gradient()), _weight(asked, asked.gradient(0.5))]
    assert torch.equal(told[0], told[1]) and not torch.equal(told[0], told[2])
    assert asked.lines() == ["run", "counts", "moments", "gradient", "gradient"]


def _weight(asked: Hospital, content: RecordDict) -> Tensor:
    specs = messages.specs_of({name: tensor.float() for name, tensor in asked.head.items()})
    found = unpack_gradient(content, specs, "float64", TASK)
    assert found.loss is None and found.evaluations == {}
    return found.tensors["head.weight"]


SUMMED = ("aggregation=secure",)


def test_what_was_killed_before_it_was_masked_is_charged_once(hospital: Callable[..., Hospital]) -> None:
    """The site's secrets of a sum are there until its numbers are masked; only then can they have left."""
    asked = hospital(*SUMMED)
    asked.prepare()
    first = ready_for(asked, 1)
    asked.moments()
    asked.moments()
    assert asked.lines() == ["run", "counts", "moments"], "told twice, masked never: killed in between"
    vault = asked.workspace.vault(asked.workspace.site(asked.site))
    vault.write(7, replace(first, ready=None))
    with pytest.raises(SecureError, match="no keys for a secure sum, into which its noisy answer must go"):
        asked.moments()
    ready_for(asked, 1)  # the same number again, as a coordinator can say; other secrets
    with pytest.raises(PrivacySpentError, match=r"charged with 1 answer\(s\) of the kind `moments`, and 1 were given"):
        asked.moments()


def ready_for(asked: Hospital, number: int) -> Member:
    """The site, with shares given away for a sum of three."""
    member, _ = new_keys(begin("run", "alder"))
    assert member.fresh is not None
    ready = replace(member, ready=Ready(Circle("run", number, 0, 2, ()), member.fresh, (b"", b"")))
    asked.workspace.vault(asked.workspace.site(asked.site)).write(7, ready)
    return ready


def test_two_runs_of_one_plan_have_other_noise(hospital: Callable[..., Hospital]) -> None:
    asked = hospital("privacy.epsilon=0.2")
    assert len({asked.prepare(run).class_counts for run in range(1, 7)}) > 1


def test_a_run_gets_no_more_gradients_than_it_was_charged_with(hospital: Callable[..., Hospital]) -> None:
    asked = hospital()
    asked.prepare()
    for step in range(4):
        asked.gradient(step / 10)
    with pytest.raises(PrivacySpentError, match=r"charged with 4 answer\(s\) of the kind `gradient`, and 4 were given"):
        asked.gradient(9.0)


def test_nothing_is_told_in_a_run_that_was_not_charged(hospital: Callable[..., Hospital]) -> None:
    asked = hospital()
    asked.workspace.accept_plan(
        asked.workspace.site(asked.site), asked.plan.to_json(), asked.plan.digest, asked.model.backbone_name
    )
    with pytest.raises(PrivacySpentError, match="the run was never charged"):
        asked.gradient()


def test_a_budget_that_does_not_suffice_is_said_by_how_much(hospital: Callable[..., Hospital]) -> None:
    asked = hospital("privacy.epsilon=2", more="privacy: {epsilon: 2.5, delta: 1.0e-5, per: year}\n")
    asked.prepare(1)
    with pytest.raises(PrivacySpentError, match=r"to an epsilon of 2\.\d+ with delta 1e-05, .* is 2.5 per year"):
        asked.prepare(2)
    assert len(PrivacyAccount(asked.workspace.site(asked.site).state).charges()) == 1


def test_a_hospital_with_a_budget_answers_no_plan_without_noise(
    hospital: Callable[..., Hospital], compose_plan: Composer
) -> None:
    asked = hospital(more="privacy: {epsilon: 2.5}\n")
    asked.plan = compose_plan("data.cases=40")
    with pytest.raises(PrivacyError, match=r"the plan has privacy=none: nothing is told without noise here"):
        asked.prepare()
    with pytest.raises(PrivacyError, match=r"the plan has privacy=none"):
        describe(pack_question(asked.plan.to_json(), asked.plan.digest), asked.workspace, asked.site, 7)


def test_no_other_kind_of_message_is_answered(hospital: Callable[..., Hospital]) -> None:
    asked = hospital()
    asked.prepare()
    digest, given = asked.plan.digest, (asked.workspace, asked.site, 7)
    order = messages.pack_evaluate({**asked.head, **asked.given}, digest, 1, (20, 20))
    questions: dict[str, Callable[[], RecordDict]] = {
        "an update": lambda: train(order, *given),
        "sums by class": lambda: tell_sums(pack_sums_question(SumsQuestion(digest, {}, None)), *given),
        "sums over features": lambda: tell_familiarity(order, *given),
        "statistics of the input": lambda: describe(pack_question(asked.plan.to_json(), digest), *given),
    }
    for what, ask in questions.items():
        with pytest.raises(PrivacyError, match=f"the plan has privacy=record, and {what} would leave without noise"):
            ask()


def test_a_site_file_that_forbids_counts_forbids_noisy_ones(hospital: Callable[..., Hospital]) -> None:
    asked = hospital(more="release: {class_counts: false, min_count: 1}\n")
    with pytest.raises(PrivacyError, match=r"noisy class counts and gradients, which `release` in site\.yaml forbids"):
        asked.prepare()
