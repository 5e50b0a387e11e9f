"""The last gate: what both sides name leaves, the rest stays, and what left is written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgraft.client.site.release import (
    log_release,
    may_release_moments,
    may_release_sums,
    of_large_groups,
    release_distances,
    release_evaluations,
    release_offer,
    release_update,
    require_shared,
)
from fedgraft.client.site.site_file import ReleasePolicy as Permission
from fedgraft.common.errors import SiteFileError
from fedgraft.common.plan.sections import ReleaseSection
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer

ALL = ReleaseSection(train_loss=True, evaluation=True, class_counts=True, quarantine=True)
NOTHING = ReleaseSection(train_loss=False, evaluation=False, class_counts=False, quarantine=False)
OFFER = Offer("north", "ab" * 32, True, 20, (15, 5))
TWO = Classification(("clear", "lesion"))
(SIX,) = TWO.evaluate_parts(np.array([[0.0, 1.0], [0.0, -1.0]] * 3), np.array([1, 0] * 3), [6])
EVALUATIONS = {"val": SIX}
FINE = Permission(scores="fine")
TENSORS = {"head.weight": torch.tensor([[3.0, 4.0]]), "head.bias": torch.tensor([1.0])}
UPDATE = Update("north", "ab" * 32, 2, TENSORS, 20, 0.5, EVALUATIONS)


@pytest.mark.parametrize(
    ("counts", "min_count", "leaves"),
    [
        ((15, 5), 5, True),
        ((15, 4), 5, False),
        ((15, 0), 5, True),
        ((0, 0), 5, True),
        ((1, 15), 5, False),
        ((1, 15), 1, True),
        ((15, 9), 10, False),
        ((100, 3, 50), 5, False),
    ],
)
def test_class_counts_leave_only_if_each_is_0_or_large_enough(
    counts: tuple[int, ...], min_count: int, leaves: bool
) -> None:
    offer = release_offer(replace(OFFER, class_counts=counts), ALL, Permission(min_count=min_count), TWO)
    assert offer.class_counts == (counts if leaves else None)


def test_the_default_of_min_count_is_5() -> None:
    assert release_offer(replace(OFFER, class_counts=(15, 4)), ALL, Permission(), TWO).class_counts is None
    assert release_offer(OFFER, ALL, Permission(), TWO).class_counts == (15, 5)


@pytest.mark.parametrize(("plan", "site"), [(False, True), (True, False), (False, False)])
def test_class_counts_stay_unless_both_sides_name_them(plan: bool, site: bool) -> None:
    offer = release_offer(OFFER, replace(ALL, class_counts=plan), Permission(class_counts=site), TWO)
    assert offer == replace(OFFER, class_counts=None, grouped=5)


@pytest.mark.parametrize(("plan", "site"), [(False, True), (True, False), (False, False), (True, True)])
def test_the_quarantine_s_counts_stay_unless_both_sides_name_them(plan: bool, site: bool, tmp_path: Path) -> None:
    """Below ``min_count`` a count leaves as 0: fewer than that."""
    offer = replace(OFFER, quarantined={"damaged": 5, "blank": 4})
    leaving = release_offer(offer, replace(ALL, quarantine=plan), Permission(quarantine=site), TWO)
    assert leaving == replace(offer, quarantined={"damaged": 5, "blank": 0} if plan and site else {}, grouped=5)
    told = release_offer(offer, ALL, Permission(small_counts="told"), TWO)
    assert told.quarantined == {"damaged": 5, "blank": 4}
    log_release(tmp_path / "log", "offer", 1, leaving)
    assert lines(tmp_path / "log")[0]["quarantined"] == leaving.quarantined


def test_an_offer_without_counts_stays_without() -> None:
    bare = replace(OFFER, class_counts=None)
    assert release_offer(bare, ALL, Permission(), TWO) == replace(bare, grouped=5)


@pytest.mark.parametrize(
    ("plan", "site", "told"),
    [
        (ALL, Permission(), 5),
        (ALL, Permission(min_count=8), 8),
        (ALL, Permission(min_count=1), 0),
        (ALL, FINE, 0),
        (ALL, Permission(evaluation=False), 0),
        (NOTHING, Permission(), 0),
    ],
)
def test_an_offer_says_of_how_many_cases_scores_are_told_together(
    plan: ReleaseSection, site: Permission, told: int, tmp_path: Path
) -> None:
    offer = release_offer(OFFER, plan, site, TWO)
    assert offer.grouped == told
    log_release(tmp_path / "log", "offer", 1, offer)
    assert lines(tmp_path / "log")[0].get("scores_in_groups_of", 0) == told


def test_an_update_that_both_sides_allow_leaves_as_it_is() -> None:
    assert release_update(UPDATE, TENSORS, ALL, FINE) == UPDATE


@pytest.mark.parametrize(("plan", "site"), [(False, True), (True, False), (False, False)])
def test_the_loss_stays_unless_both_sides_name_it(plan: bool, site: bool) -> None:
    given = release_update(UPDATE, TENSORS, replace(ALL, train_loss=plan), replace(FINE, train_loss=site))
    assert given == replace(UPDATE, train_loss=None)


@pytest.mark.parametrize(("plan", "site"), [(False, True), (True, False), (False, False)])
def test_evaluations_stay_unless_both_sides_name_them(plan: bool, site: bool) -> None:
    given = release_update(UPDATE, TENSORS, replace(ALL, evaluation=plan), Permission(evaluation=site))
    assert given == replace(UPDATE, evaluations={})
    assert release_evaluations(EVALUATIONS, replace(ALL, evaluation=plan), Permission(evaluation=site)) == {}


def test_evaluations_leave_if_both_sides_name_them() -> None:
    assert release_evaluations(EVALUATIONS, ALL, FINE) == EVALUATIONS


@pytest.mark.parametrize(("min_count", "leaves"), [(5, True), (6, True), (7, False)])
def test_an_evaluation_of_too_few_cases_does_not_leave(min_count: int, leaves: bool) -> None:
    """Six cases."""
    assert release_evaluations(EVALUATIONS, ALL, replace(FINE, min_count=min_count)) == (EVALUATIONS if leaves else {})


def test_scores_leave_by_groups_unless_the_site_says_otherwise() -> None:
    """Six cases in two bins become one group, told by the mean of its bins."""
    (released,) = release_evaluations(EVALUATIONS, ALL, Permission(min_count=5)).values()
    (counts,) = released.score_counts()
    assert counts.cases == 6
    assert not set(counts.scores) & set(SIX.score_counts()[0].scores)
    groups = of_large_groups({"sex": {"f": SIX}}, Permission(min_count=5))
    assert groups["sex"]["f"].score_counts()[0].scores.tolist() == counts.scores.tolist()
    assert release_distances([0, 3, 3, 0], FINE) == (0, 3, 3, 0)


def test_what_of_findings_is_known_of_too_few_cases_does_not_leave(tmp_path: Path) -> None:
    """Six cases; the first finding is known of all of them, the second of four."""
    task = Multilabel(("mass", "nodule"))
    labels = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, np.nan], [1, np.nan]])
    (found,) = task.evaluate_parts(np.nan_to_num(labels), labels, [6])
    (released,) = release_evaluations({"val": found}, ALL, Permission(min_count=5)).values()
    log_release(tmp_path / "log", "evaluation", 1, {"val": released})
    (line,) = lines(tmp_path / "log")
    by_finding = line["evaluations"]["val"]["findings"]
    assert (by_finding["mass"]["cases"], by_finding["nodule"]["cases"]) == (6, 0)
    assert by_finding["nodule"]["prevalence"] is None
    offer = replace(OFFER, class_counts=task.count(torch.from_numpy(labels)))
    assert release_offer(offer, ALL, Permission(min_count=3), task).class_counts == (3, 3, 0, 0)
    assert release_offer(offer, ALL, Permission(min_count=4), task).class_counts is None


def test_the_update_that_was_given_is_not_changed() -> None:
    release_update(UPDATE, TENSORS, NOTHING, Permission())
    assert UPDATE.train_loss == 0.5
    assert UPDATE.evaluations is EVALUATIONS


@pytest.mark.parametrize("private", [["backbone.bn.running_mean"], ["backbone.bn.weight", "patient.tensor"]])
def test_a_private_tensor_does_not_leave(private: list[str]) -> None:
    update = replace(UPDATE, tensors=TENSORS | {name: torch.zeros(1) for name in private})
    message = rf"{len(private)} tensor\(s\) of the update are not shared by the plan; nothing was sent"
    with pytest.raises(SiteFileError, match=message):
        release_update(update, TENSORS, ALL, Permission())


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_an_update_is_written_down_by_hand(tmp_path: Path) -> None:
    log = tmp_path / "state" / "released.jsonl"
    log_release(log, "update", 7, UPDATE, plan="ab" * 32, round=2, tensor_bytes=12)
    (line,) = lines(log)
    assert (line["what"], line["run"], line["plan"], line["round"]) == ("update", 7, "ab" * 32, 2)
    assert (line["examples"], line["train_loss"], line["tensor_bytes"]) == (20, 0.5, 12)
    assert line["tensors"] == {"head.bias": 1.0, "head.weight": 5.0}  # the norm of (3, 4) is 5
    assert line["evaluations"]["val"]["cases"] == 6
    assert line["evaluations"]["val"]["auroc"] == 1.0
    assert line["time"].endswith("Z")


def test_the_log_only_grows(tmp_path: Path) -> None:
    log = tmp_path / "released.jsonl"
    log_release(log, "offer", 1, OFFER, plan="p")
    before = log.read_bytes()
    log_release(log, "update", 1, UPDATE, round=1)
    log_release(log, "evaluation", 1, EVALUATIONS, round=1)
    assert log.read_bytes().startswith(before)
    assert [line["what"] for line in lines(log)] == ["offer", "update", "evaluation"]


def test_an_offer_is_written_down_with_what_left(tmp_path: Path) -> None:
    log_release(tmp_path / "log", "offer", 1, replace(OFFER, class_counts=None))
    assert lines(tmp_path / "log")[0]["class_counts"] is None
    assert lines(tmp_path / "log")[0]["examples"] == 20


def test_what_was_withheld_is_not_written_as_released(tmp_path: Path) -> None:
    leaving = release_update(UPDATE, TENSORS, NOTHING, Permission())
    log_release(tmp_path / "log", "update", 1, leaving)
    (line,) = lines(tmp_path / "log")
    assert (line["train_loss"], line["evaluations"]) == (None, {})


def test_a_line_holds_no_case(tmp_path: Path) -> None:
    """Figures and norms only: no number of the tensors, no confusion count, no histogram, no path."""
    odd = replace(UPDATE, tensors={"head.weight": torch.tensor([[0.123456789, 0.987654321]])})
    log_release(tmp_path / "log", "update", 1, odd, plan="p", round=1, tensor_bytes=12)
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert not any(word in text for word in ("0.12345", "0.98765", "confusion", "histogram", str(tmp_path)))
    assert set(lines(tmp_path / "log")[0]) == {
        "chain",
        "line",
        "time",
        "what",
        "run",
        "plan",
        "round",
        "examples",
        "train_loss",
        "tensor_bytes",
        "tensors",
        "evaluations",
    }


def test_an_array_of_a_tensor_that_is_not_shared_never_leaves() -> None:
    require_shared(["head.weight", "head.weight#scale"], ["head.weight"])
    with pytest.raises(SiteFileError, match=r"1 array\(s\) of the update are not shared by the plan; nothing was sent"):
        require_shared(["head.weight#scale", "backbone.bn1.weight#index"], ["head.weight"])


@pytest.mark.parametrize(
    ("patients", "permission", "leave"),
    [
        ((61, 39, 5), Permission(min_count=5), True),
        ((61, 39, 4), Permission(min_count=5), False),  # all or nothing: 104 cases are known
        ((61, 39, 1), Permission(min_count=5), False),
        ((61, 39, 0), Permission(min_count=5), True),
        ((4, 1), Permission(min_count=1), True),
        ((4,), Permission(min_count=5), False),
        ((5,), Permission(min_count=5), True),
        ((9,), Permission(statistics=False), False),
        ((9, 9), Permission(class_counts=False), False),
        ((9,), Permission(class_counts=False), True),
    ],
)
def test_moments_leave_only_if_every_group_has_enough_patients(
    patients: tuple[int, ...], permission: Permission, leave: bool
) -> None:
    assert may_release_moments(patients, permission) == leave


@pytest.mark.parametrize(
    ("patients", "min_count", "leave"),
    [
        ((15, 5), 5, True),
        ((15, 0), 5, True),
        ((15, 4), 5, False),
        ((15, 4), 4, True),
        ((100, 3, 50), 5, False),
    ],
)
def test_sums_by_class_leave_only_if_every_class_has_enough_patients(
    patients: tuple[int, ...], min_count: int, leave: bool
) -> None:
    assert may_release_sums(patients, ALL, Permission(min_count=min_count)) == leave


@pytest.mark.parametrize("forbidden", [{"statistics": False}, {"class_counts": False}])
def test_sums_stay_if_the_site_forbids_statistics_or_class_counts(forbidden: dict[str, bool]) -> None:
    assert not may_release_sums((9, 9), ALL, Permission(**forbidden))  # type: ignore[arg-type]
    assert not may_release_sums((9, 9), NOTHING, Permission())


def test_on_how_many_cases_a_finding_is_marked_tells_of_no_few() -> None:
    """Of 100 cases: 4 marked are told as none, 97 as all; without class counts only which are marked."""
    offer = replace(OFFER, examples=100, class_counts=None, marked=(0, 4, 50, 97, 100))
    assert release_offer(offer, ALL, Permission(), TWO).marked == (0, 0, 50, 100, 100)
    assert release_offer(offer, ALL, Permission(class_counts=False), TWO).marked == (0, 0, 100, 100, 100)
    assert release_offer(replace(offer, marked=(98, 100)), ALL, Permission(), TWO).marked is None
