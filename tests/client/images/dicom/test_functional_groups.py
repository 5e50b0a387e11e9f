"""Enhanced multi-frame images: what one frame says, what all share, and what the data set says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

STORED = np.array([[0, 50, 100], [0, 50, 100]], "u1")


def voi(center: float, width: float) -> Dataset:
    window, group = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = center, width, "LINEAR_EXACT"
    group.FrameVOILUTSequence = [window]
    return group


def values(slope: float) -> Dataset:
    transformation, group = Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = slope, 0
    group.PixelValueTransformationSequence = [transformation]
    return group


def test_a_frames_own_group_stands_before_the_shared_one(
    make: Callable[..., Dataset], show: Callable[..., NDArray[np.float32]], refused: Callable[..., str]
) -> None:
    elements: dict[str, Any] = {
        "NumberOfFrames": 2,
        "PerFrameFunctionalGroupsSequence": [voi(50, 100), Dataset()],
        "SharedFunctionalGroupsSequence": [voi(100, 200)],
    }
    dataset = make(STORED, Rows=1, **elements)
    assert_array_equal(show(dataset, row=0), [[0, 0.5, 1]])
    assert_array_equal(show(dataset, row=1), [[0, 0.25, 0.5]])
    dataset.SharedFunctionalGroupsSequence = [values(2)]
    dataset.PerFrameFunctionalGroupsSequence = [voi(50, 100), voi(200, 400)]
    assert_array_equal(show(dataset, row=0), [[0, 1, 1]])
    assert_array_equal(show(dataset, row=1), [[0, 0.25, 0.5]])
    dataset.PerFrameFunctionalGroupsSequence = [voi(50, 100)]
    assert refused(dataset, row=1) == (
        "inconsistent: (5200,9230) Per-Frame Functional Groups Sequence has too few items"
    )
