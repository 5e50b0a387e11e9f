"""VOI LUT and window: numbers of PS3.3 C.11.2, presets, and what a plan may ask of a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedgraft.client.images.dicom.voi import apply_voi, to_range, window
from fedgraft.common.plan.ct_windows import PRESETS, Window, named_window

Show = Callable[..., NDArray[np.float32]]
RESCALE: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": 0}
STORED = np.array([[0, 50, 100]], "u1")


def test_linear_windows_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1 gives these four in its note."""
    assert_allclose(window(np.array([0.0, 2047.5, 4095.0]), 2048, 4096), [0, 0.5, 1])
    assert_array_equal(window(np.array([2047.0, 2047.5, 2048.0]), 2048, 1), [0, 0, 1])
    assert_allclose(window(np.array([-50.0, 0.0, 49.0]), 0, 100), [0, 50 / 99, 1], atol=1e-12)
    assert_array_equal(window(np.array([-1.0, 0.0, 1.0]), 0, 1), [0, 1, 1])


def test_exact_and_sigmoid_windows_by_hand() -> None:
    values = np.array([-1e6, -50.0, 0.0, 25.0, 50.0, 1e6])
    assert_allclose(window(values, 0, 100, "LINEAR_EXACT"), [0, 0, 0.5, 0.75, 1, 1])
    sigmoid = [0, 1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-1), 1 / (1 + np.e**-2), 1]
    assert_allclose(window(values, 0, 100, "SIGMOID"), sigmoid, atol=1e-12)


def test_a_range_by_hand() -> None:
    values = np.array([-5.0, 0.0, 5.0, 20.0])
    assert_array_equal(to_range(values, 0.0, 10.0), [0.0, 0.0, 0.5, 1.0])
    assert_array_equal(apply_voi(values, None, -5.0, 20.0), [0.0, 0.2, 0.4, 1.0])


def test_presets_are_those_of_the_source() -> None:
    assert PRESETS["lung"] == Window(-600, 1500)
    assert PRESETS["brain"] == Window(40, 80)
    assert PRESETS["bone"] == Window(400, 1800)
    assert len(PRESETS) == 12


def test_a_window_as_a_plan_writes_it() -> None:
    assert named_window("liver") == Window(30, 150)
    assert named_window("-500/1400.5") == Window(-500, 1400.5)
    for text in ("lungs", "40", "40/0.5", "40/-80", "40,80", "nan/3", "1e3/9"):
        with pytest.raises(ValueError, match=rf"dicom.window={text}: use file, none, lung, .*, or CENTER/WIDTH"):
            named_window(text)


def test_a_preset_in_hu(show: Show) -> None:
    """-600/1500 goes from -1350 to 149: C.11.2.1.2.1 takes half a unit off the centre, and one off the width."""
    stored = np.array([[0, 2400, 5000]], "<u2")  # -1400, -600.0, 266.67 HU
    ct: dict[str, Any] = {"Modality": "CT", "RescaleSlope": 1 / 3, "RescaleIntercept": -1400}
    assert_allclose(show(stored, plan={"window": "lung"}, **ct), [[0, 0.5 + 0.5 / 1499, 1]], atol=1e-6)
    other = {**ct, "Modality": "OT", "RescaleType": "HU"}
    assert_allclose(show(stored, plan={"window": "lung"}, **other), [[0, 0.5 + 0.5 / 1499, 1]], atol=1e-6)


def test_a_window_of_the_plans_own(show: Show) -> None:
    """Center 51, width 51: from 25 to 75."""
    assert_allclose(show(STORED, plan={"window": "50.5/51"}, **RESCALE), [[0, 0.5, 1]], atol=1e-6)
    assert_allclose(show(STORED, plan={"window": "50.5/51"}), [[0, 0.5, 1]], atol=1e-6)  # no CT: stored values do


def test_windows_in_hu_need_hu(refused: Callable[..., str]) -> None:
    preset = "no-unit: dicom.window=lung is in HU, and the file does not say that its values are"
    assert refused(STORED, plan={"window": "lung"}) == preset
    assert refused(STORED, plan={"window": "lung"}, Modality="MR", **RESCALE) == preset
    assert refused(STORED, plan={"window": "lung"}, Modality="CT", RescaleType="OD", **RESCALE) == preset
    own = "no-unit: dicom.window is in HU, and this CT has no rescale: its values have no unit"
    assert refused(STORED, plan={"window": "40/80"}, Modality="CT") == own


def test_no_window_is_the_whole_range(show: Show) -> None:
    found = show(np.array([[0, 51, 255]], "u1"), plan={"window": "none"}, WindowCenter=3, WindowWidth=2)
    assert_allclose(found, [[0, 0.2, 1]], atol=1e-7)


def test_the_plan_chooses_among_the_windows_of_a_file(show: Show, refused: Callable[..., str]) -> None:
    windows: dict[str, Any] = {
        "WindowCenter": [50, 75],
        "WindowWidth": [100, 50],
        "VOILUTFunction": "LINEAR_EXACT",
    }
    assert_array_equal(show(STORED, **windows), [[0, 0.5, 1]])
    assert_array_equal(show(STORED, plan={"choice": 1}, **windows), [[0, 0, 1]])
    assert refused(STORED, plan={"choice": 2}, **windows) == (
        "no-window: the plan's dicom.choice is 2: the file has not so many windows"
    )


def test_without_any_window_every_choice_is_the_whole_range(show: Show) -> None:
    assert_allclose(show(np.array([[0, 51, 255]], "u1"), plan={"choice": 3}), [[0, 0.2, 1]], atol=1e-7)


def test_an_empty_window_is_no_window(show: Show) -> None:
    found = show(np.array([[0, 51, 255]], "u1"), WindowCenter="", WindowWidth="")
    assert_allclose(found, [[0, 0.2, 1]], atol=1e-7)


def test_voi_luts_stand_before_windows(show: Show, lut_item: Callable[..., Dataset]) -> None:
    stored = np.array([[0, 1, 2, 9]], "u1")
    both: dict[str, Any] = {
        "VOILUTSequence": [lut_item([0, 1023, 4095], 0, 12)],
        "WindowCenter": 1,
        "WindowWidth": 2,
        "VOILUTFunction": "LINEAR_EXACT",
    }
    assert_allclose(show(stored, **both), [[0, 1023 / 4095, 1, 1]], atol=1e-7)
    assert_array_equal(show(stored, plan={"choice": 1}, **both), [[0, 0.5, 1, 1]])


WIDTH = "inconsistent: (0028,1051) Window Width must be"


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        ({"WindowWidth": 0}, f"{WIDTH} at least 1 for a LINEAR window"),
        ({"WindowWidth": 0.5}, f"{WIDTH} at least 1 for a LINEAR window"),
        ({"WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, f"{WIDTH} above 0 for a SIGMOID window"),
        ({"WindowWidth": -1, "VOILUTFunction": "LINEAR_EXACT"}, f"{WIDTH} above 0 for a LINEAR_EXACT window"),
        (
            {"WindowWidth": 2, "VOILUTFunction": "SECRET"},
            "inconsistent: (0028,1056) VOI LUT Function must be LINEAR, LINEAR_EXACT or SIGMOID",
        ),
        (
            {"WindowWidth": [2, 3]},
            "inconsistent: (0028,1050) Window Center and (0028,1051) Window Width differ in number",
        ),
    ],
)
def test_windows_that_are_refused(refused: Callable[..., str], elements: dict[str, Any], text: str) -> None:
    assert refused(STORED, WindowCenter=1, **elements) == text
