"""New cases of rare classes: how many, where they lie, and what can't be grown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.adasyn import Adasyn
from fedgraft.common.sampling.borderline_smote import BorderlineSmote
from fedgraft.common.sampling.smote import Smote

KINDS = [Smote, BorderlineSmote, Adasyn]


def overlapping(counts: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.randn(len(labels), 4, generator=generator) + 0.3 * labels[:, None], labels


@pytest.mark.parametrize("kind", KINDS)
def test_the_given_cases_come_first_and_unchanged(kind: type[Synthesiser]) -> None:
    vectors, labels = overlapping((60, 12))
    grown, marks = kind().synthesise(vectors, labels, 7)
    assert torch.equal(grown[:72], vectors)
    assert torch.equal(marks[:72], labels)
    assert set(marks[72:].tolist()) == {1}
    assert grown.dtype == torch.float32
    assert marks.dtype == torch.int64


@pytest.mark.parametrize("kind", KINDS)
def test_rare_classes_come_up_to_the_commonest(kind: type[Synthesiser]) -> None:
    _, marks = kind().synthesise(*overlapping((60, 12, 0, 20)), 7)
    counts = torch.bincount(marks).tolist()
    assert counts[0] == 60
    assert counts[2] == 0
    assert counts[1] == pytest.approx(60, abs=6)  # ADASYN rounds case by case
    assert counts[3] == pytest.approx(60, abs=6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_case_lies_between_two_of_its_class(kind: type[Synthesiser]) -> None:
    vectors, labels = overlapping((40, 6))
    grown, _ = kind().synthesise(vectors, labels, 1)
    own = vectors[labels == 1]
    for new in grown[46:]:
        a, b = own[:, None], own[None, :]
        way = torch.cdist(new[None], own)[0]
        detour = way[:, None] + way[None, :] - (a - b).norm(dim=2)
        assert float(detour.min()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [(30,), (30, 1), (9, 9), (0, 5)])
def test_what_can_t_or_need_not_be_grown_stays_as_it_is(kind: type[Synthesiser], counts: tuple[int, ...]) -> None:
    vectors, labels = overlapping(counts)
    grown, marks = kind().synthesise(vectors, labels, 0)
    assert torch.equal(grown, vectors)
    assert torch.equal(marks, labels)


@pytest.mark.parametrize("kind", [BorderlineSmote, Adasyn])
def test_far_from_other_classes_none_is_made(kind: type[Synthesiser]) -> None:
    vectors, labels = overlapping((30, 8))
    vectors[labels == 1] += 1000
    grown, _ = kind().synthesise(vectors, labels, 0)
    assert len(grown) == 38


def test_a_class_of_two_has_one_neighbour() -> None:
    grown, marks = Smote().synthesise(*overlapping((30, 2)), 0)
    assert len(grown) == 60
    assert torch.bincount(marks).tolist() == [30, 30]


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: type[Synthesiser]) -> None:
    vectors, labels = overlapping((60, 12))
    first, again, other = (kind().synthesise(vectors, labels, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first[72:80], other[72:80])


def test_a_share_of_the_commonest() -> None:
    assert torch.bincount(Smote(share=0.5).synthesise(*overlapping((60, 12)), 0)[1]).tolist() == [60, 30]


@pytest.mark.parametrize("kind", KINDS)
def test_options_out_of_range_are_refused(kind: type[Synthesiser]) -> None:
    with pytest.raises(PlanError, match=r"sampling\.neighbours=0 must be 1 or more"):
        kind(neighbours=0)  # type: ignore[call-arg]
    with pytest.raises(PlanError, match=r"sampling\.share=2.0 must be above 0 and at most 1"):
        kind(share=2.0)  # type: ignore[call-arg]


def test_around_out_of_range_is_refused() -> None:
    with pytest.raises(PlanError, match=r"sampling\.around=0 must be 1 or more"):
        BorderlineSmote(around=0)
