"""Sums over the wire: there and back, and what is not believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import SiteSums, pack_sums, pack_sums_question, unpack_sums, unpack_sums_question

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
    assert unpack_sums_question(pack_sums_question("ab" * 32)) == "ab" * 32
    with pytest.raises(WireError, match="lacks `plan`"):
        unpack_sums_question(RecordDict({}))


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
