"""Cases that are one array each: what can't be used and why, keys by content, batches in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedgraft.client.cohort.arrays import ArrayInputs
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView
from fedgraft.client.cohort.quarantine import CaseError, reason_of
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.inputs import ArraySpec


def read(case: Case) -> NDArray[np.generic]:
    if case.path.endswith(".other"):
        raise CaseError("unsupported")
    array: NDArray[np.generic] = np.load(case.path, allow_pickle=False)
    return array


def inputs(version: str = "1", shape: tuple[int, ...] = (2, 3)) -> ArrayInputs:
    return ArrayInputs(read, ArraySpec(shape), version)


def saved(folder: Path, *arrays: NDArray[np.generic]) -> list[Case]:
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    return [Case(str(folder / f"{number}.npy"), "x", f"p{number}") for number in range(len(arrays))]


def test_a_batch_holds_the_arrays_in_order_as_float32(tmp_path: Path) -> None:
    cases = saved(tmp_path, *(np.full((2, 3), number, np.int16) for number in range(3)))
    made = inputs()
    assert made.expanded(cases) == tuple(cases)
    assert made.verdicts(cases).tolist() == [0, 0, 0]
    (first, one), (second, two) = made.batches([CaseView(case) for case in cases[::-1]], 2)
    assert (first, second) == (slice(0, 2), slice(2, 3))
    assert torch.equal(torch.cat([one, two])[:, 0, 0], torch.tensor([2.0, 1.0, 0.0]))
    assert one.dtype == torch.float32


def test_every_reason_why_a_case_can_not_be_used(tmp_path: Path) -> None:
    endless = np.array([[0, 1, np.inf], [0, 0, 0]], np.float32)
    cases = saved(tmp_path, np.zeros((2, 3)), np.zeros((2, 4)), endless)
    (tmp_path / "cut.npy").write_bytes(Path(cases[0].path).read_bytes()[:40])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    cases += [Case(str(tmp_path / name), "x", "p") for name in ("cut.npy", "objects.npy", "away.npy", "a.other")]
    found = [reason_of(verdict) for verdict in inputs().verdicts(cases)]
    assert found == [None, "inconsistent", "inconsistent", "damaged", "damaged", "missing", "unsupported"]


def test_equal_values_have_one_key_wherever_they_lie(tmp_path: Path) -> None:
    cases = saved(tmp_path, np.ones((2, 3)), np.ones((2, 3), np.float32), np.zeros((2, 3)))
    one, two, three = inputs().keys([CaseView(case) for case in cases])
    assert one == two != three
    assert len(one) == 32
    assert inputs().digests(cases) == [one, two, three]


def test_a_file_is_read_once_to_be_looked_at(tmp_path: Path) -> None:
    cases, told = saved(tmp_path, np.ones((2, 3))), list[int]()
    made = ArrayInputs(read, ArraySpec((2, 3)), "1", told.append)
    made.verdicts(cases)
    Path(cases[0].path).unlink()
    assert made.verdicts(cases).tolist() == [0]
    assert told == [1]


def test_the_fingerprint_changes_with_shape_and_version() -> None:
    assert len({inputs().fingerprint, inputs("2").fingerprint, inputs(shape=(3, 2)).fingerprint}) == 3


def test_there_is_no_other_view(tmp_path: Path) -> None:
    (case,) = saved(tmp_path, np.ones((2, 3)))
    with pytest.raises(DataError, match=r"no other view than itself; set augment\.views=1"):
        inputs().keys([CaseView(case, 1)])
