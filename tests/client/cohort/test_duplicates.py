"""The same pixels twice: found by digest, and refused across splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedgraft.client.cohort.accepted import accept
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.duplicates import equal_cases, refuse_across_splits
from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

A, B, C, D, E = (Case(f"/{name}.png", "x", name) for name in "abcde")
LOOK = {A: b"1", B: b"2", C: b"1", D: b"2", E: b"3"}


def looks(cases: Sequence[Case]) -> list[bytes]:
    return [LOOK[case] for case in cases]


def test_equal_cases_are_found_by_position() -> None:
    assert equal_cases([A, B, C, D, E], looks([A, B, C, D, E])) == [(0, 2), (1, 3)]
    assert equal_cases([A, A, C], looks([A, A, C])) == [(0, 1, 2)]
    assert equal_cases([A, B, E], looks([A, B, E])) == []
    assert equal_cases([], []) == []


def test_equal_cases_in_one_split_stay() -> None:
    refuse_across_splits({"train": [A, C], "val": [B, D], "test": [E]}, looks)
    refuse_across_splits({"train": [A], "val": [], "test": []}, looks)


@pytest.mark.parametrize(
    ("splits", "count"),
    [
        ({"train": [A, E], "test": [C]}, 1),
        ({"train": [A, B], "val": [C], "test": [D]}, 2),
        ({"train": [A, C], "val": [A], "test": [C]}, 1),
    ],
)
def test_equal_cases_across_splits_are_refused_and_counted_not_named(splits: dict[str, list[Case]], count: int) -> None:
    with pytest.raises(DataError) as caught:
        refuse_across_splits(splits, looks)
    assert str(caught.value) == (
        f"{count} case(s) occur in more than one of {', '.join(splits)}: a test would score what was trained on. "
        "Give the copies one `group` in the manifest, or remove them; `fedgraft site check` lists their lines"
    )


def test_rows_of_a_table_have_no_equal_cases() -> None:
    refuse_across_splits({"train": [A], "test": [A]}, lambda cases: None)


def split(cases: Sequence[Case], plan: Plan) -> dict[str, tuple[Case, ...]]:
    inputs = ImageFactory().inputs(InputContext(plan, OURS, Store(None), workers=0))
    return {name: some.cases for name, some in accept(cases, plan, inputs).splits.items()}


def test_a_copy_in_another_format_is_the_same_image(tmp_path: Path, compose_plan: Callable[..., Plan]) -> None:
    """A PNG of one patient and its copy as TIFF under another name; one group, and they are on one side."""
    rng, files = np.random.default_rng(0), [tmp_path / name for name in ("a.png", "b.tif", "c.png", "d.png")]
    pixels = [rng.integers(256, size=(9, 9), dtype=np.uint8) for _ in files]
    for file, image in zip(files, [pixels[0], pixels[0], *pixels[2:]], strict=True):
        Image.fromarray(image).save(file)
    sides = ("train", "test", "train", "val")
    cases = [Case(str(file), "clear", file.stem, split=side) for file, side in zip(files, sides, strict=True)]
    plan = compose_plan("data.test=given", "data.val_fraction=0", "data.test_fraction=0")
    with pytest.raises(DataError, match=r"^1 case\(s\) occur in more than one of train, val, test"):
        split(cases, plan)
    one_side = [cases[0], replace(cases[1], split="train"), *cases[2:]]
    assert [len(some) for some in split(one_side, plan).values()] == [3, 1, 0]


def test_copies_that_can_not_be_used_are_no_equal_cases(tmp_path: Path, compose_plan: Callable[..., Plan]) -> None:
    """All that can't be used has the same digest, which means nothing."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"nothing")
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "c.png")
    sides = {"a": "train", "b": "test", "c": "train"}
    cases = [Case(str(tmp_path / f"{name}.png"), "clear", name, split=side) for name, side in sides.items()]
    plan = compose_plan("data.test=given", "data.val_fraction=0", "data.test_fraction=0")
    assert [len(some) for some in split(cases, plan).values()] == [1, 0, 0]
