"""What becomes of a round's updates before a strategy sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fedgraft.common.plan.bounds_section import UNBOUND, BoundsSection
from fedgraft.common.wire.messages import Update
from fedgraft.server.bounds.judgement import judged
from fedgraft.server.bounds.memory import Memory, memory_from

SENT = {"head.weight": torch.tensor([[1.0, 1.0]]), "backbone.bn.running_var": torch.tensor([2.0])}
BOUNDS = BoundsSection(clip=2.0, least=2.0, refuse=4.0)


def update(site: str, moved: list[float], cases: int = 10, variance: float = 2.5) -> Update:
    tensors = {"head.weight": SENT["head.weight"] + torch.tensor([moved])}
    tensors["backbone.bn.running_var"] = torch.tensor([variance])
    return Update(site, "digest", 1, tensors, cases, 0.5, {})


def honest(*more: Update) -> list[Update]:
    return [*(update(name, moved) for name, moved in (("a", [1.0, 0.0]), ("b", [0.0, 1.0]), ("c", [0.6, 0.8]))), *more]


def weight(found: Mapping[str, Update], site: str) -> Tensor:
    return found[site].tensors["head.weight"]


def test_honest_updates_are_the_very_same() -> None:
    given = honest()
    found = judged(given, SENT, BoundsSection())
    assert [found.used[one.site] is one for one in given] == [True] * 3
    assert found.refused == {}
    assert [figures.words() for figures in found.figures.values()] == [""] * 3
    assert found.memory.norms == ((pytest.approx(1), pytest.approx(1), pytest.approx(1)),)


def test_a_long_update_is_shortened_towards_what_was_sent() -> None:
    found = judged(honest(update("d", [3.0, 0.0])), SENT, BOUNDS)
    assert weight(found.used, "d").tolist() == [[3.0, 1.0]]  # two steps of one, from (1, 1)
    assert found.used["d"].tensors["backbone.bn.running_var"].tolist() == [2.5]  # no step made it
    assert found.figures["d"].kept == pytest.approx(2 / 3)
    words = found.figures["d"].words()
    assert words == "clipped: its update was 3 times as long as the sites' median, and 0.67 of it is used"
    assert found.memory.norms[-1][3] == pytest.approx(2)  # remembered as it was used


def test_a_far_too_long_one_is_refused() -> None:
    found = judged(honest(update("d", [0.0, -5.0])), SENT, BOUNDS)
    assert "d" not in found.used
    assert found.refused["d"].code == "out-of-bounds"
    assert "5 times as long as the sites' median, more than bounds.refuse" in found.refused["d"].reason
    assert found.figures["d"].kept == 0
    assert len(found.memory.norms[-1]) == 3


@pytest.mark.parametrize("bounds", [BoundsSection(), UNBOUND])
def test_numbers_beyond_all_training_are_refused_also_without_bounds(bounds: BoundsSection) -> None:
    found = judged(honest(update("d", [1e30, 1e30])), SENT, bounds)
    assert found.refused["d"].reason == "its update has a norm of 1.4e+30, which no training gives"


def test_statistics_far_beyond_the_others_are_refused() -> None:
    found = judged(honest(update("d", [1.0, 0.0], variance=1e6)), SENT, BOUNDS)
    assert "running statistics or moments moved far more" in found.refused["d"].reason


def test_cases_that_are_not_registered_do_not_count() -> None:
    found = judged(honest(update("d", [1.0, 0.0], cases=1000)), SENT, BOUNDS, confirmed={"d": 12, "a": 10})
    assert found.used["d"].examples == 12
    assert found.used["a"].examples == 10
    words = found.figures["d"].words()
    assert words == "it counts as 12 training cases, which were registered for it; it told 1000"


def test_a_share_is_capped_and_named() -> None:
    found = judged(honest(update("d", [1.0, 0.0], cases=1000)), SENT, BOUNDS)
    assert found.used["d"].examples == 90  # three quarters, beside 30 of the others
    assert found.figures["d"].words().endswith("90 training cases, which is bounds.share of all; it told 1000")


def test_what_was_left_unused_in_earlier_rounds_counts() -> None:
    """In a round in which norms are small, an update may be as long as it might have been before; once."""
    small = [update(name, [0.1, 0.0]) for name in "abc"]
    assert judged([*small, update("d", [0.3, 0.0])], SENT, BOUNDS).figures["d"].kept == pytest.approx(2 / 3, abs=1e-5)
    memory = judged(honest(update("d", [0.0, 1.0])), SENT, BOUNDS).memory
    assert memory.lengths.unused("d") == pytest.approx(3)  # of squares, four were allowed
    found = judged([*small, update("d", [1.7, 0.0])], SENT, BOUNDS, memory)
    assert found.figures["d"].kept == 1
    left = 0.04 + 3 + 0.03 - 1.7**2 + 0.01  # this round's, what was left before and is of that one, less what it used
    again = judged([*small, update("d", [0.8, 0.0])], SENT, BOUNDS, found.memory)
    assert again.figures["d"].kept == pytest.approx(left**0.5 / 0.8, abs=1e-4)
    assert again.memory.lengths.unused("d") == pytest.approx(0, abs=1e-6)


def test_one_that_was_refused_has_nothing_left() -> None:
    memory = judged(honest(update("d", [0.0, -5.0])), SENT, BOUNDS).memory
    assert memory.lengths.unused("d") == 0
    assert memory.lengths.unused("a") == pytest.approx(3)
    assert memory.lengths.unused("one that was away") == pytest.approx(3)


def test_the_memory_comes_back_from_a_checkpoint() -> None:
    memory = judged([*honest(), *honest(update("d", [0.0, 2.5]), update("e", [1.0, 1.0]))][3:], SENT, BOUNDS).memory
    assert memory_from(json.loads(json.dumps(memory.values()))) == memory
    assert memory_from({}) == Memory()


def test_nobody_answered() -> None:
    memory = Memory(((1.0,),))
    assert judged([], SENT, BOUNDS, memory).memory is memory
