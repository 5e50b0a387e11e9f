"""A site that leaves in mid-fit, a fit that does not converge, and what is told of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, Error, Message, MetricRecord

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.arrays import HeldArray
from fedgraft.server.reports.summary import summary

Composer = Callable[..., Plan]
FitOver = Callable[..., Any]
ONE = ("rounds=1", "strategy.weakest=0.05")


class LeavesAt:
    """Answers as it is, but from the k-th ``query.gradient`` on with an error or a changed reply."""

    def __init__(self, number: int, change: Callable[[Message], None] | None = None) -> None:
        self._number, self._change, self.asked = number, change, 0

    def __call__(self, message: Message, reply: Message) -> Message:
        if message.metadata.message_type != "query.gradient":
            return reply
        self.asked += 1
        if self.asked < self._number:
            return reply
        if self._change is None:
            return Message(Error(5, "Node Unavailable"), reply_to=message)
        self._change(reply)
        return reply


def dealt(patients: Any, sites: int) -> list[Any]:
    return np.array_split(np.arange(len(patients.labels)), sites)


@pytest.mark.parametrize("at", [1, 2, 9])
def test_the_fit_goes_on_to_the_optimum_of_the_remaining_sites(
    breast_plan: Composer, fit_over: FitOver, patients: Any, at: int
) -> None:
    plan, deal = breast_plan(*ONE), dealt(patients, 4)
    leaving = LeavesAt(at)
    left, without = fit_over(plan, deal, {2: leaving}), fit_over(plan, [deal[0], deal[1], deal[3]])
    for found, wanted in zip(left.weights, without.weights, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert left.outcome.rounds[1].sites == ("site-00", "site-01", "site-03")
    assert leaving.asked == at
    report = summary(plan, left.outcome, left.ledger, 0.0)
    assert [(line["what"], line["site"], line["outcome"]) for line in report["dropped"]] == [
        ("gradient", "site-02", "unreachable")
    ]
    (told,) = report["fits"]
    assert (told["round"], told["ridge"], told["converged"]) == (1, 0.05, True)
    assert told["sites"] == ["site-00", "site-01", "site-03"]
    assert told["evaluations"] == left.outcome.rounds[1].fit.evaluations >= at


def test_with_class_weights_they_become_those_of_the_remaining_sites(
    breast_plan: Composer, fit_over: FitOver, patients: Any
) -> None:
    plan = breast_plan(*ONE, "loss.weights=global")
    by_label = np.argsort(patients.labels, kind="stable")
    deal, release = np.array_split(by_label, 3), "release: {min_count: 1}\n"
    left = fit_over(plan, deal, {0: LeavesAt(5)}, release)
    without = fit_over(plan, deal[1:], release=release)
    for found, wanted in zip(left.weights, without.weights, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_in_the_next_round_the_site_is_asked_again(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    class Once(LeavesAt):
        def __call__(self, message: Message, reply: Message) -> Message:
            answer = super().__call__(message, reply)
            self._number = 10**9 if answer is not reply else self._number
            return answer

    plan = breast_plan("rounds=2", "strategy.strongest=0.5", "strategy.weakest=0.05")
    deal = dealt(patients, 3)
    found, whole = fit_over(plan, deal, {1: Once(4)}), fit_over(plan, deal)
    assert [len(round_.sites) for round_ in found.outcome.rounds] == [0, 2, 3]
    np.testing.assert_allclose(found.weights[0], whole.weights[0], atol=2e-5)


def test_too_few_sites_end_the_run_and_are_named(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    plan = breast_plan(*ONE, "patience.quorum_sites=2")
    with pytest.raises(RoundError) as caught:
        fit_over(plan, dealt(patients, 2), {1: LeavesAt(3)})
    words = "round 1: 1 site(s) told its gradient, patience.quorum_sites=2 are needed"
    assert words in str(caught.value)
    assert "site-01: unreachable" in str(caught.value)


def _set_examples(reply: Message) -> None:
    record = reply.content["metrics"]
    assert isinstance(record, MetricRecord)
    record["num-examples"] = 3


def _set_loss(reply: Message) -> None:
    record = reply.content["metrics"]
    assert isinstance(record, MetricRecord)
    record["loss"] = float("nan")


def _set_arrays(values: Any) -> Callable[[Message], None]:
    def change(reply: Message) -> None:
        record = reply.content["arrays"]
        assert isinstance(record, ArrayRecord)
        record.__dict__["_data"]["head.bias"] = HeldArray(values)

    return change


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (_set_examples, "wrong-count", "3 training cases, but 152 when it was prepared"),
        (_set_loss, "bad-gradient", "the loss is not a finite number"),
        (_set_arrays(np.zeros(3)), "bad-gradient", "tensor head.bias has shape (3,), the plan says (2,)"),
        (_set_arrays(np.zeros(2, np.float32)), "bad-gradient", "tensor head.bias has dtype float32, the plan says"),
        (_set_arrays(np.array([0.0, np.inf])), "bad-gradient", "tensor head.bias holds a number that is not finite"),
    ],
)
def test_a_bad_answer_is_refused_by_name(
    breast_plan: Composer,
    fit_over: FitOver,
    patients: Any,
    change: Callable[[Message], None],
    code: str,
    reason: str,
) -> None:
    found = fit_over(breast_plan(*ONE), dealt(patients, 3), {0: LeavesAt(2, change)})
    (line,) = found.ledger.dropped()
    assert (line["site"], line["outcome"]) == ("site-00", code)
    assert reason in str(line["reason"])
    assert found.outcome.rounds[1].sites == ("site-01", "site-02")


def test_a_site_that_withholds_its_loss_takes_no_part(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    with pytest.raises(RoundError, match="site-00: site-error") as caught:
        fit_over(breast_plan(*ONE), dealt(patients, 2), release="release: {train_loss: false}\n")
    assert "the site reported `site-file`" in str(caught.value)


def test_a_fit_that_needs_more_evaluations_says_so(breast_plan: Composer, fit_over: FitOver, patients: Any) -> None:
    plan = breast_plan(*ONE, "strategy.most_evaluations=4")
    found = fit_over(plan, dealt(patients, 2))
    fit = found.outcome.rounds[1].fit
    assert not fit.converged
    assert fit.evaluations == 4
    assert fit.sentence.startswith("ridge 0.05: 4 evaluation(s), NOT CONVERGED (gradient ")
    assert fit.sentence.endswith("strategy.tolerance 1.0e-07)")
    (told,) = summary(plan, found.outcome, found.ledger, 0.0)["fits"]
    assert told["converged"] is False
    assert found.said[1].fit is fit
