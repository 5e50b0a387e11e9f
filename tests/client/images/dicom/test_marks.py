"""De-identification, as far as a file says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fedgraft.client.images.dicom.header import Header, is_overlay, is_private
from fedgraft.client.images.image import DeidentificationFlag

STORED = np.array([[0, 1]], "u1")
CLEAN: dict[str, Any] = {"BurnedInAnnotation": "NO", "PatientIdentityRemoved": "YES"}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (CLEAN, DeidentificationFlag.NONE),
        ({}, DeidentificationFlag.BURNED_IN_UNSTATED | DeidentificationFlag.IDENTITY_UNSTATED),
        (
            {"BurnedInAnnotation": "YES", "PatientIdentityRemoved": "NO"},
            DeidentificationFlag.BURNED_IN | DeidentificationFlag.IDENTITY_KEPT,
        ),
        ({"BurnedInAnnotation": "?", "PatientIdentityRemoved": "YES"}, DeidentificationFlag.BURNED_IN_UNSTATED),
    ],
)
def test_what_a_file_says(
    make: Callable[..., Dataset],
    header: Callable[..., Header],
    elements: dict[str, Any],
    expected: DeidentificationFlag,
) -> None:
    assert header(make(STORED, **elements)).marks == expected


def test_private_elements_and_overlays(make: Callable[..., Dataset], header: Callable[..., Header]) -> None:
    dataset = make(STORED, **CLEAN)
    dataset.private_block(0x0009, "SECRET", create=True).add_new(1, "LO", "x")
    assert header(dataset).marks == DeidentificationFlag.PRIVATE
    dataset = make(STORED, **CLEAN)
    dataset.add_new(0x60020010, "US", 1)
    assert header(dataset).marks == DeidentificationFlag.OVERLAY


def test_groups() -> None:
    assert is_private(0x00090010)
    assert not is_private(0x00080010)
    assert is_overlay(0x60000010)
    assert is_overlay(0x601E3000)
    assert not is_overlay(0x60010010)
    assert not is_overlay(0x7FE00010)
