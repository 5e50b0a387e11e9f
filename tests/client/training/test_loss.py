"""Which counts a site's loss follows, and what it is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fedgraft.client.training.absent_classes import Masked
from fedgraft.client.training.loss import Counted, build_loss, counted
from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.ldam import LDAM
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS
from fedgraft.common.wire import messages

Composer = Callable[..., Plan]
THREE = "data.classes=[a,b,c]"
LABELS = torch.tensor([0, 0, 2])


def asked(plan: Plan, of_all: tuple[int, ...] | None = None) -> Counted:
    session: Any = SimpleNamespace(plan=plan, cohort={"train": SimpleNamespace(labels=LABELS)})
    return counted(session, messages.Instruction(plan.digest, 1, of_all, 0.0))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("loss.weights=none",), Counted(None, None, None)),
        (("loss.weights=local",), Counted((2, 0, 1), None, None)),
        (("loss.weights=global",), Counted((9, 8, 7), None, None)),
        (("loss=ldam", "loss.prior=local", "loss.weights=global"), Counted((9, 8, 7), (2, 0, 1), None)),
        (("loss.weights=none", "loss.absent=mask"), Counted(None, None, (True, False, True))),
    ],
)
def test_whose_counts_a_loss_follows(compose_plan: Composer, overrides: tuple[str, ...], expected: Counted) -> None:
    assert asked(compose_plan(THREE, *overrides), (9, 8, 7)) == expected


def test_what_is_not_absent_changes_nothing(compose_plan: Composer) -> None:
    two = compose_plan("data.classes=[a,b]", "loss.weights=none", "loss.absent=mask")
    session: Any = SimpleNamespace(plan=two, cohort={"train": SimpleNamespace(labels=torch.tensor([1, 0]))})
    assert counted(session, messages.Instruction(two.digest, 1, None, 0.0)) == Counted(None, None, None)


@pytest.mark.parametrize(("loss", "option"), [("cross_entropy", "weights"), ("logit_adjusted", "prior")])
@pytest.mark.parametrize("of_all", [None, (1, 2)])
def test_global_counts_that_did_not_come_are_an_error(
    compose_plan: Composer, loss: str, option: str, of_all: tuple[int, ...] | None
) -> None:
    with pytest.raises(WireError, match=rf"loss\.{option}=global, but the coordinator sent no class counts"):
        asked(compose_plan(THREE, f"loss={loss}"), of_all)


def test_a_loss_is_built_from_its_counts(compose_plan: Composer) -> None:
    plan = compose_plan(THREE, "loss=ldam", "loss.weights=local", "loss.scheme=square_root")
    loss = build_loss(plan, Counted((1, 4, 0), (1, 16, 81), None), OURS)
    assert isinstance(loss, LDAM)
    assert loss.margins.tolist() == pytest.approx([0.5, 0.25, 0.5 / 3])
    assert loss.class_weights is not None
    assert loss.class_weights.tolist() == pytest.approx([5 / 3, 5 / 6, 0.0])


def test_what_is_absent_is_masked_by_the_task_s_own_way(compose_plan: Composer) -> None:
    plan = compose_plan(THREE, "loss.weights=none")
    loss = build_loss(plan, Counted(None, None, (True, False, True)), OURS)
    assert isinstance(loss, Masked)
    assert isinstance(loss.loss, CrossEntropy)
    findings = compose_plan("data.task=multilabel", THREE, "loss=binary_cross_entropy")
    masked = build_loss(findings, Counted(None, None, (True, False, True)), OURS)
    assert isinstance(masked, Masked)
    assert (loss.task.name, masked.task.name) == ("classification", "multilabel")


def test_a_loss_without_what_it_needs_is_refused(compose_plan: Composer) -> None:
    plan = compose_plan(THREE, "loss=ldam")
    with pytest.raises(PlanError, match=r"loss\.prior=none, but ldam needs class counts"):
        build_loss(replace(plan, loss=replace(plan.loss, prior="none")), Counted(None, None, None), OURS)
