"""Class-balanced moments at a hospital that never trains: its prevalence is known here, and not to the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, Message

from fedgraft.client.app.prevalence import balance
from fedgraft.client.training.session import Session
from fedgraft.common.errors import WireError
from fedgraft.common.features.moments import balanced, moments_of
from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.summary import summary

from .conftest import COLUMNS, Hospitals, Rows

Composer = Callable[..., Plan]
SHIFT = np.array([2.0, -1.5, 1.0, 0.0])  # classes 2.7 deviations apart on either side of the middle
HELD = ("features.scale=own_balanced", "hold_out=[site-2]")
FITTED = (
    "strategy=exact",
    "rounds=1",
    "strategy.weakest=0.01",
    "strategy.strongest=0.01",
    "patience.quorum_sites=1",
    "loss.weights=global",
)


def hospital(place: int, cases: int, prevalence: float, **more: Any) -> Rows:
    rng = np.random.default_rng(place)
    labels = (np.arange(cases) < round(cases * prevalence)).astype(np.int64)
    signal = rng.normal(size=(cases, len(COLUMNS))) + np.outer(2 * labels - 1, SHIFT)
    splits = tuple(("train", "train", "train", "val", "test")[k % 5] for k in range(cases))
    return Rows(5 * place + (1 + 2 * place) * signal, labels, splits, **more)


def hospitals(prevalence: float, **more: Any) -> Hospitals:
    """Two that train, with 30 and 50 in 100, and one on another scanner with another prevalence."""
    return {
        "site-0": hospital(0, 200, 0.3),
        "site-1": hospital(1, 200, 0.5),
        "site-2": hospital(2, 300, prevalence, **more),
    }


def shares_of(run: Any) -> dict[str, dict[str, float] | None]:
    found: dict[str, dict[str, float] | None] = summary(run.plan, run.outcome, run.ledger, 1.0)["prevalence_estimated"]
    return found


@pytest.mark.parametrize("weights", ["none", "global"])
@pytest.mark.parametrize("prevalence", [0.05, 0.1, 0.3, 0.5, 0.8, 0.95])
def test_a_known_prevalence_is_found_and_the_scale_is_nearly_that_by_labels(
    numbers_plan: Composer, run_over: Any, prevalence: float, weights: str
) -> None:
    held = hospitals(prevalence)
    run = run_over(numbers_plan(*HELD, *FITTED, f"loss.weights={weights}"), held)
    site = held["site-2"]
    truth, shares = site.train_labels.mean(), shares_of(run)["site-2"]
    assert shares is not None
    assert shares["lesion"] == pytest.approx(truth, abs=0.03)
    numbers, labels = torch.from_numpy(site.train), torch.from_numpy(site.train_labels)
    wanted, plain = balanced(numbers, labels), moments_of(numbers)
    found = run.session("site-2").scaling.estimated
    off, far = ((some.mean - wanted.mean).abs() / wanted.variance.sqrt() for some in (found, plain))
    assert off.max() < 0.25
    assert off.max() < max(far.max() / 2, 0.1)  # where classes are equally common there is nothing to gain


def test_it_scores_better_than_by_plain_moments_where_a_class_is_rare(numbers_plan: Composer, run_over: Any) -> None:
    held = hospitals(0.1)
    losses = {
        scale: run_over(numbers_plan(*HELD, *FITTED, f"features.scale={scale}"), held).figure("site-2")
        for scale in ("own", "own_balanced")
    }
    assert losses["own_balanced"] < losses["own"] / 2


def with_labels(session: Session, labels: torch.Tensor) -> Session:
    scaling: Any = session.scaling
    train = replace(scaling.train, labels=labels)
    changed = replace(scaling, train=train, estimated=None, values={})
    return replace(session, scaling=changed, cohort={**session.cohort, "train": replace(train, change=changed)})


def test_labels_are_not_looked_at(numbers_plan: Composer, run_over: Any) -> None:
    run = run_over(numbers_plan(*HELD, *FITTED), hospitals(0.2))
    session, values = run.session("site-2"), []
    labels = session.cohort["train"].labels
    for given in (labels, labels.flip(0), 1 - labels, torch.full_like(labels, -1)):
        changed = with_labels(session, given)
        assert balance(changed, run.outcome.shared, None) == balance(session, run.outcome.shared, None)
        values.append(changed.scaling.values)  # type: ignore[union-attr]
    assert all(torch.equal(one[name], values[0][name]) for one in values for name in ("mean", "deviation"))


def test_two_estimates_of_one_model_are_the_same_and_one_of_another_is_not(
    numbers_plan: Composer, run_over: Any
) -> None:
    """An estimate starts from plain moments, not from where the last one ended."""
    run = run_over(numbers_plan(*HELD, *FITTED), hospitals(0.2))
    session, shared = run.session("site-2"), run.outcome.shared
    other = {name: tensor / 4 if name.startswith("head") else tensor for name, tensor in shared.items()}
    first, second, third = (balance(session, some, None) for some in (shared, other, shared))
    assert first == third != second


def test_sites_that_train_and_other_scales_are_left_as_they_are(numbers_plan: Composer, run_over: Any) -> None:
    run = run_over(numbers_plan(*HELD, *FITTED), hospitals(0.2))
    assert balance(run.session("site-0"), run.outcome.shared, None) is None
    assert run.session("site-0").scaling.estimated is None
    plain = run_over(numbers_plan("features.scale=own", "hold_out=[site-2]", *FITTED), hospitals(0.2))
    assert balance(plain.session("site-2"), plain.outcome.shared, None) is None
    assert shares_of(plain) == {}


def test_more_than_two_classes(numbers_plan: Composer, run_over: Any) -> None:
    held = hospitals(0.3)
    shifted = {name: rows.holding(rows.numbers.copy()) for name, rows in held.items()}
    for rows in shifted.values():
        rows.labels[1::4] = 2
        rows.numbers[1::4, 3] += 6 * rows.numbers[:, 3].std()
    plan = numbers_plan(*HELD, *FITTED, "data.classes=[clear,lesion,other]")
    run = run_over(plan, shifted)
    truth = np.bincount(shifted["site-2"].train_labels, minlength=3) / len(shifted["site-2"].train_labels)
    shares = shares_of(run)["site-2"]
    assert shares is not None and list(shares) == ["clear", "lesion", "other"]
    assert list(shares.values()) == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize(
    ("release", "plan_release", "told"),
    [
        ("{min_count: 5}", "true", True),
        ("{min_count: 60}", "true", False),
        ("{class_counts: false}", "true", False),
        ("{min_count: 5}", "false", False),
    ],
)
def test_it_is_told_as_class_counts_are_and_the_site_s_own_log_has_it_anyway(
    numbers_plan: Composer, run_over: Any, release: str, plan_release: str, told: bool
) -> None:
    held = hospitals(0.2, release=release)
    fitted = FITTED if plan_release == "true" else ("rounds=1",)  # an exact fit needs the plan's permission itself
    run = run_over(numbers_plan(*HELD, *fitted, "loss.weights=local", f"release.class_counts={plan_release}"), held)
    lines = (run.folder / "site-2" / "state" / "released.jsonl").read_text().splitlines()
    line = next(one for one in map(json.loads, reversed(lines)) if one["what"] == "evaluation")
    assert line["estimated_prevalence"][1] == pytest.approx(0.2, abs=0.03) or fitted is not FITTED
    assert (line["expected_counts_told"] is not None) is told
    assert list(shares_of(run)) == ["site-2"]
    assert (shares_of(run)["site-2"] is not None) is told


def test_a_count_that_is_none_excludes_the_site(numbers_plan: Composer, run_over: Any) -> None:
    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "evaluate":
            reply.content["prevalence"] = ConfigRecord({"expected-counts": [1, 2, 3]})
        return reply

    run = run_over(numbers_plan(*HELD, *FITTED), hospitals(0.2), {"site-2": tamper})
    (refused,) = [entry for entry in run.ledger.entries if entry.outcome != "ok"]
    assert (refused.site, refused.outcome) == ("site-2", "bad-evaluation")
    assert "one whole number of cases per class" in refused.reason
    assert shares_of(run) == {"site-2": None}


def test_a_site_that_is_sent_no_counts_and_needs_them_says_so(numbers_plan: Composer, run_over: Any) -> None:
    run = run_over(numbers_plan(*HELD, *FITTED, "loss.weights=none"), hospitals(0.2))
    with pytest.raises(WireError, match="the coordinator sent no class counts"):
        balance(run.session("site-2"), run.outcome.shared, None)
