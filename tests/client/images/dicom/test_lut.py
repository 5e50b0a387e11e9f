"""Look-up tables of the modality and VOI LUT modules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.lut import look_up, lut


def test_look_up_by_hand() -> None:
    table = np.array([10.0, 20.0, 40.0])
    assert_array_equal(look_up(np.array([-9.0, 5.0, 6.0, 6.6, 99.0]), table, 5), [10.0, 10.0, 20.0, 40.0, 40.0])


def test_entries_of_two_bytes_and_of_one() -> None:
    wide = lut((3, -7, 16), np.array([0, 5, 65535], "<u2").tobytes())
    assert (wide.table.tolist(), wide.first, wide.top) == ([0, 5, 65535], -7, 65535)
    assert lut((2, 0, 16), b"\1\0\2\0", big=True).table.tolist() == [256, 512]
    narrow = lut((4, 0, 8), bytes([0, 1, 2, 255]))
    assert (narrow.table.tolist(), narrow.top) == ([0, 1, 2, 255], 255)
    assert lut((4, 0, 16), bytes([0, 1, 2, 255])).top == 255  # a byte holds no more
    assert lut((2, 0, 12), np.array([0, 4095], "<u2").tobytes()).top == 4095


@pytest.mark.parametrize("count", [0, 65536, -25536])
def test_a_count_of_16_bits(count: int) -> None:
    """0 stands for 65,536; -25,536 is what 40,000 looks like if it is read as signed."""
    expected = 40_000 if count < 0 else 65_536
    assert len(lut((count, 0, 16), bytes(2 * 65_536)).table) == expected


DATA = r"\(0028,3006\) LUT Data"


@pytest.mark.parametrize(
    ("descriptor", "data", "text"),
    [
        ((3, 0), b"\0" * 6, f"the descriptor of {DATA} has not three values"),
        ((3, 0, 17), b"\0" * 6, f"the descriptor of {DATA} says that an entry has 17 bits"),
        ((3, 0, 0), b"\0" * 6, f"the descriptor of {DATA} says that an entry has 0 bits"),
        ((3, 0, 16), b"\0" * 2, f"{DATA} is shorter than its descriptor says"),
        ((1, 0, 12), b"\0\x10", f"{DATA} holds more than its descriptor says"),
    ],
)
def test_tables_that_are_refused(descriptor: tuple[float, ...], data: bytes, text: str) -> None:
    with pytest.raises(CaseError, match=f"^inconsistent: {text}$"):
        lut(descriptor, data)


def test_a_modality_lut(show: Callable[..., NDArray[np.float32]], lut_item: Callable[..., Dataset]) -> None:
    stored, table = np.array([[-5, -2, -1, 7]], "<i2"), [lut_item([100, 200, 255], -2, 8)]
    assert_allclose(show(stored, ModalityLUTSequence=table), np.array([[100, 100, 200, 255]]) / 255, atol=1e-7)
    found = show(stored, ModalityLUTSequence=table, WindowCenter=150, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert_allclose(found, [[0, 0, 1, 1]], atol=1e-7)
