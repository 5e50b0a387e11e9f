"""Slices of one series whose rescales differ, as of PET."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fedgraft.client.images.dicom.read import frame_count
from fedgraft.client.site.limits import Limits

Show = Callable[..., NDArray[np.float32]]
Series = Callable[..., Path]
REFUSAL = (
    "mixed-series: slices differ in (0028,1053) Rescale Slope or (0028,1052) Rescale Intercept, and no window applies: "
    "set dicom.window to CENTER/WIDTH"
)
ALL = {"slices": 3}
SAME = [{"RescaleSlope": 2, "RescaleIntercept": 0}] * 3
SLOPES = [{"RescaleSlope": slope, "RescaleIntercept": 0} for slope in (1, 2, 1)]
INTERCEPTS = [{"RescaleSlope": 1, "RescaleIntercept": intercept} for intercept in (0, 0, 5)]
NOT_STATED: list[dict[str, Any]] = [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}, {}]


@pytest.fixture
def series(make: Callable[..., Dataset], save: Callable[..., Path]) -> Series:
    """``series(elements of each slice)``: slices of the stored values 10, 20."""

    def placed(slices: list[dict[str, Any]]) -> Path:
        for number, elements in enumerate(slices):
            standard = {"SeriesInstanceUID": "1.2.3", "InstanceNumber": number, "Modality": "PT"}
            last = save(make(np.array([[10, 20]], "u1"), **{**standard, **elements}), f"series/{number}.dcm")
        return last.parent

    return placed


@pytest.mark.parametrize("slices", [SLOPES, INTERCEPTS])
@pytest.mark.parametrize("window", ["file", "none"])
@pytest.mark.parametrize("neighbours", [False, True])
def test_no_slice_is_shown_on_a_scale_of_its_own(
    series: Series, refused: Callable[..., str], slices: list[dict[str, Any]], window: str, neighbours: bool
) -> None:
    folder = series(slices)
    for row in range(3):  # also a slice whose neighbours are like it: the others are cases too
        assert refused(folder, plan={**ALL, "window": window, "neighbours": neighbours}, row=row) == REFUSAL
    assert frame_count(folder, Limits()) == 3


def test_a_window_of_the_plan_is_in_the_unit_of_the_rescale(series: Series, show: Show) -> None:
    """The window 20.5/41 goes from 0 to 40 (C.11.2.1.2): 10 is 1/4, 20 is 1/2, and twice that with a slope of 2."""
    folder = series(SLOPES)
    plan = {**ALL, "window": "20.5/41"}
    shown = [show(folder, plan=plan, row=row).tolist() for row in range(3)]
    assert_allclose(shown, [[[0.25, 0.5]], [[0.5, 1.0]], [[0.25, 0.5]]], atol=1e-7)
    channels = show(folder, plan={**plan, "neighbours": True}, row=1)
    assert_allclose(channels, [[[0.25, 0.5, 0.25], [0.5, 1.0, 0.5]]], atol=1e-7)


def test_a_window_of_the_file_will_do(series: Series, show: Show, refused: Callable[..., str]) -> None:
    window = {"WindowCenter": 20.5, "WindowWidth": 41}
    folder = series([{**SLOPES[0], **window}, {**SLOPES[1], **window}, SLOPES[2]])
    assert_allclose(show(folder, plan=ALL, row=1), [[0.5, 1.0]], atol=1e-7)
    assert refused(folder, plan=ALL, row=2) == REFUSAL  # it has none
    assert refused(folder, plan={**ALL, "neighbours": True}, row=1) == REFUSAL  # its neighbour has none


@pytest.mark.parametrize("slices", [SAME, NOT_STATED])
def test_slices_of_one_rescale_need_no_window(series: Series, show: Show, slices: list[dict[str, Any]]) -> None:
    folder = series(slices)
    for row in range(3):
        assert_allclose(show(folder, plan=ALL, row=row), [[10 / 255, 20 / 255]], atol=1e-7)


def test_colour_has_no_rescale(series: Series, show: Show) -> None:
    red = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0, "Columns": 1}
    folder = series([{**red, **one, "PixelData": b"\xff\0\0\0"} for one in SLOPES])
    assert_allclose(show(folder, plan=ALL, row=1), [[[1, 0, 0]]])


def test_neighbouring_frames(make: Callable[..., Dataset], show: Show, refused: Callable[..., str]) -> None:
    def frame(slope: float) -> Dataset:
        transformation, groups = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, 0
        groups.PixelValueTransformationSequence = Sequence([transformation])
        return groups

    frames = make(np.full((4, 1), 10, "u1"), Rows=1, NumberOfFrames=4)
    frames.PerFrameFunctionalGroupsSequence = Sequence([frame(slope) for slope in (1, 1, 1, 2)])
    plan = {"neighbours": True}
    assert_allclose(show(frames, plan=plan, row=1), np.full((1, 1, 3), 10 / 255), atol=1e-7)
    assert refused(frames, plan=plan, row=2) == REFUSAL
    assert_allclose(show(frames, plan={**plan, "window": "20.5/41"}, row=2), [[[0.25, 0.25, 0.5]]], atol=1e-7)
