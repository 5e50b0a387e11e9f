"""The bank of views: what a view depends on, and each change by hand or against SciPy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.client.augmentation.transforms import Change
from fedgraft.client.augmentation.views import Bank, choose_views, drawn, identity, view_fingerprint, view_of, views_of
from fedgraft.client.cohort.case import Case
from fedgraft.common.plan.sections import AugmentSection

OFF = AugmentSection(views=6, rotate=0.0, shift=0.0, zoom=0.0, brightness=0.0, contrast=0.0, flip=False)
STRENGTHS: dict[str, Any] = {
    "rotate": 30.0,
    "shift": 0.2,
    "zoom": 0.3,
    "brightness": 0.4,
    "contrast": 0.5,
    "flip": True,
    "gamma": 0.4,
    "noise": 0.1,
    "blur": 0.05,
    "erase": 0.2,
}
GONE: dict[str, dict[str, Any]] = {
    "shift": {"right": 0.0, "down": 0.0},
    "noise": {"noise": 0.0, "noise_seed": 0},
    "erase": {"erase": None},
}
"""What of a change goes with a strength, where that is not the property of its name."""
BANK = Bank(replace(OFF, **STRENGTHS), seed=3)
CASE = Case("/data/a.npz::images", "x", "patient-1", row=4)


def noise(planes: int = 1, size: int = 32) -> Tensor:
    return torch.rand(planes, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("planes", [1, 3])
def test_a_bank_holds_the_case_as_it_is_and_others(planes: int) -> None:
    image = noise(planes)
    bank = views_of(image, BANK, "a")
    assert bank.shape == (6, planes, 32, 32)
    assert bank.dtype == torch.float32
    assert torch.equal(bank[0], image)
    assert len({tuple(view.flatten().tolist()) for view in bank}) == 6


def test_the_image_is_not_changed() -> None:
    image = noise()
    before = image.clone()
    views_of(image, BANK, "a")
    assert torch.equal(image, before)


def test_a_view_is_the_same_each_time_and_another_for_another_seed_case_or_number() -> None:
    image = noise()
    view = view_of(image, BANK, "a", 1)
    assert torch.equal(view, view_of(image, BANK, "a", 1))
    others = (view_of(image, BANK, "a", 2), view_of(image, BANK, "b", 1), view_of(image, replace(BANK, seed=4), "a", 1))
    assert not any(torch.equal(view, other) for other in others)


def test_a_view_does_not_depend_on_how_many_there_are() -> None:
    larger = replace(BANK, augment=replace(BANK.augment, views=12))
    assert torch.equal(views_of(noise(), larger, "a")[:6], views_of(noise(), BANK, "a"))


@pytest.mark.parametrize("name", sorted(STRENGTHS))
def test_without_its_strength_a_property_stays_and_the_others_are_as_before(name: str) -> None:
    before, without = drawn(BANK, "a", 1), drawn(replace(BANK, augment=replace(BANK.augment, **{name: 0})), "a", 1)
    assert without == replace(before, **(GONE[name] if name in GONE else {name: getattr(Change(), name)}))
    assert without != before or name == "flip"


def test_with_every_strength_at_zero_all_views_are_the_case_bit_for_bit() -> None:
    image = noise(3)
    assert all(torch.equal(view, image) for view in views_of(image, Bank(OFF, 0), "a"))


def test_what_is_drawn_fills_its_range() -> None:
    many = [drawn(BANK, str(number), 1) for number in range(2000)]
    limits = {"rotate": (-30, 30), "right": (-0.2, 0.2), "down": (-0.2, 0.2), "zoom": (1 / 1.3, 1.3)}
    limits |= {"brightness": (0.6, 1.4), "contrast": (0.5, 1.5), "gamma": (1 / 1.4, 1.4), "noise": (0, 0.1)}
    for name, (least, most) in (limits | {"blur": (0, 0.05)}).items():
        values = np.array([getattr(change, name) for change in many])
        assert least <= values.min() < least + 0.01 * (most - least), name
        assert most - 0.01 * (most - least) < values.max() <= most, name
    assert 900 < sum(change.flip for change in many) < 1100  # 1000 +- 4.5 standard deviations
    assert len({change.noise_seed for change in many}) == 2000


def test_erased_rectangles_fill_their_range() -> None:
    holes = [hole for hole in (drawn(BANK, str(number), 1).erase for number in range(2000)) if hole is not None]
    assert len(holes) == 2000
    for name, (least, most) in {"area": (0, 0.2), "aspect": (0.5, 2), "right": (0, 1), "down": (0, 1)}.items():
        values = np.array([getattr(hole, name) for hole in holes])
        assert least <= values.min() < least + 0.01 * (most - least), name
        assert most - 0.01 * (most - least) < values.max() <= most, name


def test_what_was_drawn_before_there_were_gamma_noise_blur_and_erase_is_drawn_still() -> None:
    """The numbers of commit 5cff910: a bank of stored views stays valid."""
    change = drawn(BANK, "a", 1)
    seed = hashlib.sha256(json.dumps([3, "a", 1]).encode()).digest()
    first = np.random.default_rng(list(seed)).uniform(-1, 1, 7)
    assert [change.rotate, change.right, change.contrast] == [30 * first[0], 0.2 * first[1], 1 + 0.5 * first[5]]


def test_strong_views_stay_in_the_range() -> None:
    wild = Bank(AugmentSection(views=40, rotate=180.0, shift=0.9, zoom=0.9, brightness=0.9, contrast=0.9, flip=True), 0)
    wild = replace(wild, augment=replace(wild.augment, gamma=0.9, noise=0.9, blur=2.0, erase=0.9))
    views = views_of((noise(3) > 0.5).float(), wild, "a")
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1


def test_an_identity_is_the_patient_the_file_s_name_the_array_and_the_row() -> None:
    assert identity(CASE) == '["patient-1", "a.npz", "images", 4]'
    assert identity(replace(CASE, path="/elsewhere/a.npz::images", label="y", split="test")) == identity(CASE)
    changes: tuple[dict[str, Any], ...] = (
        {"patient": "patient-2"},
        {"path": "/data/b.npz::images"},
        {"path": "/data/a.npz::others"},
        {"row": 5},
        {"row": None},
    )
    assert len({identity(CASE), *(identity(replace(CASE, **change)) for change in changes)}) == 6


def test_view_zero_has_one_fingerprint_whatever_the_bank() -> None:
    assert view_fingerprint(BANK, CASE, 0) == view_fingerprint(Bank(OFF, 9), CASE, 0) == ""


@pytest.mark.parametrize("name", sorted(STRENGTHS))
def test_a_fingerprint_changes_with_every_strength(name: str) -> None:
    other = replace(BANK, augment=replace(BANK.augment, **{name: 0}))
    some = [replace(CASE, row=row) for row in range(8)]  # half of them are not flipped by BANK
    assert any(view_fingerprint(other, case, 1) != view_fingerprint(BANK, case, 1) for case in some)


def test_equal_changes_have_one_fingerprint_whatever_seed_and_case() -> None:
    mirrored = Bank(replace(OFF, mirror=True), 3)
    same = {view_fingerprint(replace(mirrored, seed=seed), replace(CASE, row=seed), 1) for seed in range(4)}
    assert len(same) == 1 and same != {""}


def test_an_odd_view_is_the_mirror_image_of_the_one_before() -> None:
    both, image = replace(BANK, augment=replace(BANK.augment, flip=False, noise=0.0, mirror=True)), noise()
    assert torch.equal(view_of(image, both, "a", 1), image.flip(2))
    assert drawn(both, "a", 3) == replace(drawn(both, "a", 2), flip=True)
    assert drawn(both, "a", 2) == drawn(replace(BANK, augment=replace(both.augment, mirror=False)), "a", 2)


def test_a_fingerprint_changes_with_seed_case_and_number_and_not_with_the_number_of_views() -> None:
    base = view_fingerprint(BANK, CASE, 1)
    others = (
        view_fingerprint(replace(BANK, seed=4), CASE, 1),
        view_fingerprint(BANK, replace(CASE, patient="patient-2"), 1),
        view_fingerprint(BANK, CASE, 2),
    )
    assert len({base, *others}) == 4
    for name in ("views", "mixup", "cutmix"):
        assert view_fingerprint(replace(BANK, augment=replace(BANK.augment, **{name: 9})), CASE, 1) == base


def test_each_epoch_draws_views_evenly() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (choose_views(6000, 6, generator) for _ in range(2))
    assert first.dtype == torch.int64
    assert not torch.equal(first, second)
    assert all(850 < int(count) < 1150 for count in torch.bincount(first, minlength=6))  # 1000 +- 5 deviations
    assert int(first.max()) == 5
    again = choose_views(6000, 6, torch.Generator().manual_seed(0))
    assert torch.equal(first, again)


def test_a_single_view_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert choose_views(3, 1, generator).tolist() == [0, 0, 0]
    assert torch.equal(generator.get_state(), before)
