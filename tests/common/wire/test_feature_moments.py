"""Moments over the wire: there and back, and what is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.features.moments import Moments, moments_of
from fedgraft.common.wire.feature_moments import (
    SiteMoments,
    pack_moments,
    pack_moments_question,
    unpack_moments,
    unpack_moments_question,
)

PLAN = "ab" * 32
FOUND = moments_of(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 7.0]]))


def sent(cases: int = 2, mean: torch.Tensor = FOUND.mean, squares: torch.Tensor = FOUND.squares) -> RecordDict:
    return pack_moments(SiteMoments("north", PLAN, Moments(cases, mean, squares)))


def test_they_come_back_bit_for_bit() -> None:
    found = unpack_moments(sent(), 3)
    assert (found.site, found.plan_digest) == ("north", PLAN)
    assert found.moments is not None and found.moments.cases == 2
    assert torch.equal(found.moments.mean, FOUND.mean) and torch.equal(found.moments.squares, FOUND.squares)


def test_nothing_comes_back_as_nothing() -> None:
    content = pack_moments(SiteMoments("north", PLAN, None))
    assert unpack_moments(content, 3) == SiteMoments("north", PLAN, None)
    assert "cases" not in content["site"], "nor how many cases there are"


def test_the_question_names_the_plan() -> None:
    assert unpack_moments_question(pack_moments_question(PLAN)) == PLAN
    with pytest.raises(WireError, match="lacks `plan`"):
        unpack_moments_question(RecordDict({}))


def with_text() -> RecordDict:
    content = sent()
    content["moments"] = ConfigRecord({"mean": [1.0]})
    return content


def without_cases() -> RecordDict:
    content = sent()
    del content["site"]["cases"]  # type: ignore[attr-defined]
    return content


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sent(mean=torch.zeros(4).double()), "tensor mean has shape"),
        (lambda: sent(squares=torch.zeros(3)), "tensor squares has dtype float32, the plan says float64"),
        (lambda: sent(mean=torch.tensor([0.0, float("nan"), 0.0]).double()), "tensor mean holds a number that is not"),
        (lambda: sent(squares=torch.tensor([0.0, -1e-9, 0.0]).double()), "a sum of squares can't be negative"),
        (lambda: sent(cases=0), "moments must be of one case or more"),
        (with_text, "the moments are no tensors"),
        (without_cases, "`cases`"),
        (lambda: RecordDict({}), "lacks `site`"),
    ],
)
def test_what_is_not_believed(make: Callable[[], RecordDict], words: str) -> None:
    with pytest.raises(WireError, match=words):
        unpack_moments(make(), 3)
