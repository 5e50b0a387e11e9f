"""Sums over the wire: there and back, and what is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import (
    SiteSums,
    SumsQuestion,
    pack_sums,
    pack_sums_question,
    plan_of_sums_question,
    unpack_sums,
    unpack_sums_question,
)

SUMS = {"counts": torch.tensor([3.0, 2.0]).double(), "sums": torch.ones(2, 4).double()}
SPECS = messages.specs_of(SUMS)


def sent(**changes: torch.Tensor) -> RecordDict:
    return pack_sums(SiteSums("north", "ab" * 32, {**SUMS, **changes}))


def test_sums_come_back() -> None:
    found = unpack_sums(sent(), SPECS)
    assert (found.site, found.plan_digest) == ("north", "ab" * 32)
    assert found.sums is not None
    assert all(torch.equal(found.sums[name], tensor) for name, tensor in SUMS.items())


def test_nothing_comes_back_as_nothing() -> None:
    assert unpack_sums(pack_sums(SiteSums("north", "ab" * 32, None)), SPECS).sums is None


def test_the_question_names_the_plan() -> None:
    asked = pack_sums_question(SumsQuestion("ab" * 32, {}, None))
    assert plan_of_sums_question(asked) == "ab" * 32
    assert unpack_sums_question(asked, {}) == SumsQuestion("ab" * 32, {}, None)
    with pytest.raises(WireError, match="lacks `plan`"):
        plan_of_sums_question(RecordDict({}))


def test_the_question_brings_scale_and_class_counts() -> None:
    given = {"scale.mean": torch.tensor([1.0, 2.0])}
    asked = pack_sums_question(SumsQuestion("ab" * 32, given, (3, 4)))
    found = unpack_sums_question(asked, messages.specs_of(given))
    assert found.class_counts == (3, 4)
    assert torch.equal(found.given["scale.mean"], given["scale.mean"])
    with pytest.raises(WireError, match="lacks the tensors that scale features"):
        unpack_sums_question(pack_sums_question(SumsQuestion("ab" * 32, {}, None)), messages.specs_of(given))
    asked["plan"]["class-counts"] = [1.5]  # type: ignore[index]
    with pytest.raises(WireError, match="`class-counts` must be whole numbers"):
        unpack_sums_question(asked, messages.specs_of(given))


def test_the_question_says_what_for() -> None:
    asked = pack_sums_question(SumsQuestion("ab" * 32, {}, None, "ranking"))
    assert unpack_sums_question(asked, {}).purpose == "ranking"
    asked["plan"]["purpose"] = "diary"  # type: ignore[index]
    with pytest.raises(WireError, match="sums are asked for a purpose that is unknown here"):
        unpack_sums_question(asked, {})


def without_site() -> RecordDict:
    content = sent()
    del content["site"]
    return content


def with_text() -> RecordDict:
    content = sent()
    content["sums"] = ConfigRecord({"counts": [1]})
    return content


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sent(more=torch.zeros(1).double()), "0 missing, 1 not in the plan"),
        (lambda: sent(sums=torch.ones(2, 5).double()), r"sums has shape \(2, 5\), the plan says \(2, 4\)"),
        (lambda: sent(sums=torch.ones(2, 4)), "dtype float32, the plan says float64"),
        (lambda: sent(sums=torch.full((2, 4), torch.inf).double()), "sums holds a number that is not finite"),
        (lambda: sent(counts=torch.tensor([2.5, 1.0]).double()), "counts of the sums must be whole numbers, 0 or more"),
        (lambda: sent(counts=torch.tensor([-1.0, 1.0]).double()), "counts of the sums must be whole numbers"),
        (without_site, "lacks `site`"),
        (with_text, "the sums are no tensors"),
    ],
)
def test_a_bad_answer_is_an_error(make: Callable[[], RecordDict], words: str) -> None:
    with pytest.raises(WireError, match=words):
        unpack_sums(make(), SPECS)
