"""What single patients give to a head is shortened until it rests on enough of them."""

from __future__ import annotations

import pytest
import torch

from fedgraft.client.fence.clipping import factors
from fedgraft.client.fence.patients import Patients
from fedgraft.client.fence.units import UnitWatch, effective, rests_on_few


def column(*sizes: float) -> torch.Tensor:
    return torch.tensor(sizes)[:, None]


def test_who_gives_too_much_is_shortened_and_nobody_else() -> None:
    sums = column(9.0, *(1.0,) * 5)
    found = factors(sums, 5, spare=1.1)
    assert found is not None
    assert found[1:].tolist() == [1.0] * 5
    assert 0.1 < float(found[0]) < 1
    assert float(effective(sums * found[:, None])) == pytest.approx(5.5, abs=0.01)  # a tenth to spare


def test_one_that_gives_nearly_all_beside_many_is_shortened_too() -> None:
    sums = column(1.0, *(0.02,) * 300)
    assert float(effective(sums)) > 40
    assert bool(rests_on_few(sums, 5).all())
    found = factors(sums, 5, spare=1.1)
    assert found is not None and float(found[0]) < 1
    assert not rests_on_few(sums * found[:, None], 5).any()


def test_of_several_units_the_smallest_factor_counts() -> None:
    sums = torch.cat([column(9.0, *(1.0,) * 9), column(*(1.0,) * 9, 90.0)], dim=1)
    both = factors(sums, 5)
    assert both is not None
    assert torch.equal(both, torch.minimum(*(factors(sums[:, [k]], 5) for k in range(2))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sums",
    [column(1.0, 1.0, 1.0, 1.0, 0.0, 0.0), column(1.0, *(1e-6,) * 50)],
    ids=["four patients", "all but one hardly anything"],
)
def test_nothing_is_left_to_send(sums: torch.Tensor) -> None:
    assert factors(sums, 5) is None


def test_nothing_is_shortened_where_enough_give_alike() -> None:
    assert factors(column(*(1.0,) * 9), 5) == pytest.approx([1.0] * 9)


def test_a_watch_multiplies_what_a_patient_gives() -> None:
    """Two patients, the first with two cases; of both outputs the loss is the sum."""
    watch = UnitWatch(Patients(["a", "a", "b"]), lambda: torch.ones(3))
    head = torch.nn.Linear(2, 1)
    watch.shorten(torch.tensor([0.25, 1.0]))
    assert watch.shortened == 1
    inputs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    with watch.on(head, {"weight", "bias"}):
        watch.step(torch.arange(3))
        outputs = head(inputs)
        watch.outputs(outputs)
        outputs.sum().backward()
    assert head.weight.grad is not None
    assert head.weight.grad.tolist() == [[0.5, 1.0]]
    assert watch.found[""][:2, 0].tolist() == [0.5, 1.0]
