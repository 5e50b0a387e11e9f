"""A coordinator asks for gradients (``strategy=exact``) at weights that are sure of all patients but one."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from .conftest import Rows
from .coordinator import Curious
from .test_trap_weights import close_to, open_site

Hospital = Callable[..., tuple[Path, Rows]]
EXACT = ("strategy=exact", "rounds=1", "strategy.strongest=0.1", "strategy.weakest=0.1", "strategy.precision=float64")


def saturated(one: Curious, rows: Rows, steep: float) -> list[dict[str, torch.Tensor]]:
    """Heads along the column that tells the label best, each with its boundary at another place, so that the patients
    about there alone are not sure."""
    shapes = one.model.tensors(one.model.received)
    found = []
    for at in np.linspace(-1.0, 1.0, 60):
        chosen = {name: torch.zeros_like(tensor) for name, tensor in shapes.items()}
        chosen["head.weight"][1, 2] = steep
        chosen["head.bias"][1] = -steep * float(at)
        found.append(chosen)
    return found


def read(one: Curious, rows: Rows, steep: float) -> tuple[int, int]:
    """How many rows the differences of neighbouring answers hold, and how many questions were refused."""
    answers = [one.gradient(chosen, 1) for chosen in saturated(one, rows, steep)]
    told = [found.tensors["head.weight"][1].numpy() for found in answers if not isinstance(found, str)]
    kinds = {found for found in answers if isinstance(found, str)}
    assert kinds <= {"few-cases", "bounds"}
    told += [after - before for before, after in pairwise(told)]
    return close_to(np.array(told), rows) if told else 0, len(answers) - sum(not isinstance(a, str) for a in answers)


def test_a_head_that_is_sure_of_all_but_one_is_refused(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(40)
    one = curious(site, *EXACT)
    one.prepare()
    chosen = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    chosen["head.weight"][1, :2] = 100.0  # the label is the sign of the sum of these columns
    assert one.gradient(chosen, 1) == "few-cases"
    said = json.loads((site.parent / "state" / "errors.jsonl").read_text().splitlines()[-1])["said"]
    assert "the gradient rests on" in said and "nothing was sent" in said
    chosen["head.weight"][1, :2] = 1e4
    assert one.gradient(chosen, 1) == "bounds"


def test_the_same_reads_a_patient_of_a_site_that_asks_nothing(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    site, rows = hospital(40)
    open_site(site)
    one = curious(site, *EXACT)
    one.prepare()
    chosen = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    chosen["head.weight"][1, :2] = 100.0
    found = one.gradient(chosen, 1)
    assert not isinstance(found, str)
    assert close_to(found.tensors["head.weight"][1:].numpy(), rows) >= 1


def test_a_boundary_that_moves_from_patient_to_patient_reads_few(
    hospital: Hospital, curious: Callable[..., Curious]
) -> None:
    """Each answer rests on many; the difference of two neighbours is the patients between them. Those that are one
    patient's are refused. Of two between two answers, one who is much farther out than the other can still be read:
    an honest fit has such differences too."""
    site, rows = hospital(60)
    one = curious(site, *EXACT)
    one.prepare()
    found, refused = read(one, rows, 900.0)
    site, rows = hospital(61)
    open_site(site)
    other = curious(site, *EXACT)
    other.prepare()
    openly, none = read(other, rows, 900.0)
    assert openly > 20 and none == 0
    assert found <= openly // 4 and refused > 20


def test_an_honest_fit_is_answered(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(40)
    one = curious(site, *EXACT)
    one.prepare()
    start = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    assert not isinstance(one.gradient(start, 1), str)


def test_a_head_of_several_layers_is_refused(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(40)
    one = curious(site, *EXACT, "head=mlp", "head.normalise=false", "head.hidden=8")
    one.prepare()
    assert one.gradient(one.model.tensors(one.model.received), 1) == "few-cases"


def test_gradients_of_a_run_end_at_the_bound(hospital: Hospital, curious: Callable[..., Curious]) -> None:
    site, _ = hospital(40)
    site.write_text(site.read_text() + "bounds: {evaluations: 3}\n")
    one = curious(site, *EXACT)
    one.prepare()
    start = {name: torch.zeros_like(tensor) for name, tensor in one.model.tensors(one.model.received).items()}
    assert [isinstance(one.gradient(start, 1), str) for _ in range(4)] == [False, False, False, True]
