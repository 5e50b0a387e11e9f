"""The picture of cases beside their views: what it shows, what it says, and that it says nothing of a patient."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from fedgraft.client.augmentation.transforms import Change, Erased
from fedgraft.client.augmentation.views import Bank, identity, view_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.images.contact_sheet import Shown, draw_sheet, row_of, told
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.common.errors import DataError
from fedgraft.common.harmonisation.reference import harmony_of
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
Start = Callable[..., ImageIngest]
NUMBERS = [0.1 + 0.08 * number for number in range(11)] * 3


@pytest.fixture
def inputs(start: Start, compose_plan: PlanOf) -> ImageInputs:
    plan = compose_plan("augment=mild", "harmonise=histogram", f"harmonise.reference={NUMBERS}")
    return ImageInputs(start(), Bank(plan.augment, plan.seed), harmony_of(plan))


def test_a_row_is_the_case_harmonised_and_in_its_views(cohort: list[Case], inputs: ImageInputs) -> None:
    inputs.facts(cohort)
    row = row_of(cohort[0], inputs)
    assert [shown.title.split("\n")[0] for shown in row] == [
        "the case",
        "harmonised",
        *(f"view {number}" for number in range(1, 6)),
    ]
    (plain,), (image,) = inputs.ingest.images(cohort[:1]), inputs.harmonised(cohort[:1])
    assert torch.equal(row[0].image, plain)
    assert torch.equal(row[1].image, image)
    assert torch.equal(row[4].image, view_of(image, inputs.bank, identity(cohort[0]), 3))
    assert len(row_of(cohort[0], replace(inputs, harmony=None))) == 6


def test_what_was_changed_is_told_in_short_lines() -> None:
    everything = Change(
        rotate=-4.6,
        right=0.05,
        down=-0.02,
        zoom=1.1,
        brightness=0.9,
        contrast=1.25,
        flip=True,
        gamma=1.2,
        noise=0.02,
        blur=0.01,
        erase=Erased(0.1, 1.0, 0.0, 0.0),
    )
    assert list(told(everything)) == [
        "-5° +5%, -2% x 1.10 mirrored",
        "brightness 0.90",
        "contrast 1.25",
        "gamma 1.20",
        "noise 0.020",
        "blur 0.010",
        "erased 10%",
    ]
    assert list(told(Change())) == []


def test_the_picture_holds_pixels_and_nothing_of_a_case(
    cohort: list[Case], inputs: ImageInputs, tmp_path: Path
) -> None:
    inputs.facts(cohort)
    path = tmp_path / "sheet.png"
    draw_sheet(path, [row_of(case, inputs) for case in cohort[:3]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Image.open(path) as image:
        assert set(image.info) <= {"dpi"}
        assert image.width > image.height > 300
        seen = image.convert("L")
    assert len(set(seen.get_flattened_data() if hasattr(seen, "get_flattened_data") else seen.getdata())) > 50


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    row = [Shown(torch.zeros(1, 4, 4), "the case")]
    path = tmp_path / "sheet.png"
    draw_sheet(path, [row])
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"sheet\.png exists and is not overwritten; name another file with --out"):
        draw_sheet(path, [row])
    assert path.read_bytes() == before
    with pytest.raises(DataError, match=r"can't be written \(No such file or directory\)"):
        draw_sheet(tmp_path / "nowhere" / "sheet.png", [row])


def test_a_picture_that_could_not_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full while it is drawn."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(DataError, match=r"sheet\.png can't be written \(No space left on device\)"):
        draw_sheet(tmp_path / "sheet.png", [[Shown(torch.zeros(1, 4, 4), "the case")]])
    assert not list(tmp_path.iterdir())
