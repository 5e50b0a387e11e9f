"""The phantom: real DICOM, the same for the same seed, and each hospital as its scanner says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.reader import CaseReader
from fedgraft.common.errors import PlanError
from fedgraft.simulations.datasets.phantom import phantom as module
from fedgraft.simulations.datasets.phantom.anatomy import draw_anatomy, draw_lesions, render
from fedgraft.simulations.datasets.phantom.phantom import Visit, phantom, plan_visits, take, to_dicom
from fedgraft.simulations.datasets.phantom.scanners import (
    HOSPITALS,
    REFERENCE,
    expose,
    quantise,
    scanners,
    stored_span,
    window_of,
)

SMALL: dict[str, Any] = {"cases": 12, "size": 33}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All eight hospitals, small."""
    cache = tmp_path_factory.mktemp("cache")
    phantom(cache=cache, seed=0, sites=8, **SMALL)
    return cache


def test_source(study: Path) -> None:
    source = phantom(cache=study, seed=0, sites=8, **SMALL)
    assert Counter(source.site_of) == {scanner.name: 12 for scanner in HOSPITALS}
    assert source.test == ()
    assert {case.label for case in source.cases} == {"clear", "lesion"}
    for case, site in zip(source.cases, source.site_of or (), strict=True):
        assert case.patient.startswith(f"{site}-")
        assert Path(case.path).parent.name == site
        assert Path(case.path).is_file()


def test_files_are_dicom(study: Path) -> None:
    uids = []
    for path in study.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        scanner = next(s for s in HOSPITALS if s.name == dataset.InstitutionName)
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.file_meta.MediaStorageSOPClassUID == dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
        assert dataset.BitsStored == scanner.bits
        assert dataset.PhotometricInterpretation == ("MONOCHROME1" if scanner.inverted else "MONOCHROME2")
        assert ("WindowWidth" in dataset) == (scanner.voi is not None)
        low, high = sorted(stored_span(scanner))
        assert low <= dataset.pixel_array.min() < dataset.pixel_array.max() <= high
        assert str(dataset.PatientName).startswith("Phantom^")
        uids.append(dataset.SOPInstanceUID)
    assert len(uids) == len(set(uids)) == 96


def test_hospitals_differ_as_a_federation_should() -> None:
    used = HOSPITALS[:4]
    assert {scanner.bits for scanner in used} == {8, 12, 16}
    assert {scanner.inverted for scanner in used} == {scanner.signed for scanner in used} == {False, True}
    assert None in {scanner.voi for scanner in used}
    assert min(s.prevalence for s in used) == 0.08
    assert max(s.prevalence for s in used) == 0.45
    assert len({scanner.name for scanner in HOSPITALS}) == 8


@pytest.mark.parametrize("scanner", HOSPITALS, ids=lambda scanner: scanner.name)
def test_what_is_written_is_read_back(tmp_path: Path, scanner: Any, read_case: CaseReader) -> None:
    """Read through rescale, window and photometric interpretation, a film is itself to one stored step."""
    film = take(scanner, Visit(0, 0, True), (0, 0), 48)
    stored = quantise(scanner, film)
    to_dicom(scanner, stored, "p-1", (0, 0)).save_as(tmp_path / "film.dcm", enforce_file_format=True)
    low, high = stored_span(scanner)
    image = read_case(Case(str(tmp_path / "film.dcm"), "clear", "p-1")).pixels
    if scanner.voi is None:
        used = scanner.used[1] - scanner.used[0]
        expected = (1 - scanner.used[1] if scanner.inverted else scanner.used[0]) + used * film
    elif scanner.voi == "SIGMOID":
        expected = 1 / (1 + np.exp(-4 * (film - 0.5)))
    else:
        expected = film
    assert_allclose(image, expected, atol=1.01 / (high - low))


def test_spans_and_windows_by_hand() -> None:
    signed = replace(REFERENCE, bits=8, signed=True, used=(0.0, 1.0))
    assert stored_span(signed) == (-128, 127)
    assert window_of(signed) == (0, 256)
    scaled = replace(REFERENCE, bits=12, used=(0.0, 1.0), slope=2.0, intercept=10.0)
    assert window_of(replace(scaled, voi="LINEAR_EXACT")) == (4105, 8190)
    assert quantise(replace(signed, inverted=True), np.array([[0.0, 1.0]])).tolist() == [[127, -128]]


def test_the_same_seed_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    phantom(cache=tmp_path, seed=0, sites=8, **SMALL)
    assert contents(tmp_path) == contents(study)


def test_it_is_written_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_write_all", None)
    phantom(cache=study, seed=0, sites=8, **SMALL)


def test_other_options_are_another_folder(tmp_path: Path) -> None:
    for options in ({"seed": 0}, {"seed": 1}, {"seed": 0, "shift": 0.5}, {"seed": 0, "cases": 13}):
        phantom(cache=tmp_path, **{"sites": 1, **SMALL, **options})
    assert len(list(tmp_path.glob("phantom-*"))) == 4
    films = [(folder / "alder" / "film-0001.dcm").read_bytes() for folder in tmp_path.glob("phantom-*")]
    assert len(set(films)) >= 3


def test_an_interrupted_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return to_dicom(*arguments)

    monkeypatch.setattr(module, "to_dicom", interrupted)
    with pytest.raises(KeyboardInterrupt):
        phantom(cache=tmp_path, seed=0, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_shift_0_is_one_scanner(tmp_path: Path, read_case: CaseReader) -> None:
    used = scanners(4, 0.0)
    assert len({replace(scanner, name="", prevalence=0) for scanner in used}) == 1
    assert [scanner.prevalence for scanner in used] == [0.40, 0.25, 0.08, 0.45]
    source = phantom(cache=tmp_path, seed=0, sites=2, shift=0, **SMALL)
    assert {read_case(case).pixels.shape for case in source.cases} == {(33, 33)}


def test_shift_moves_away_from_the_reference() -> None:
    for name in ("scale", "field", "blur", "noise", "contrast", "gamma"):
        start, half, full = (getattr(s, name) for s in (REFERENCE, scanners(4, 0.5)[3], scanners(4, 1.0)[3]))
        assert full == pytest.approx(getattr(HOSPITALS[3], name))
        assert half == pytest.approx((start + full) / 2)
    assert min(s.blur for s in scanners(8, 2.0)) >= 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("prevalence", [0.08, 0.45])
def test_visits(seed: int, prevalence: float) -> None:
    visits = plan_visits(120, prevalence, np.random.default_rng(seed))
    assert len(visits) == len({(visit.patient, visit.visit) for visit in visits}) == 120
    label = {visit.patient: visit.lesion for visit in visits}
    assert all(label[visit.patient] == visit.lesion for visit in visits)
    assert 95 <= len(label) < 120
    assert sum(visit.lesion for visit in visits) == pytest.approx(120 * prevalence, abs=1.5)


def test_few_visits_have_both_classes() -> None:
    for seed in range(50):
        visits = plan_visits(10, 0.08, np.random.default_rng(seed))
        assert len({visit.patient for visit in visits if visit.lesion}) == 3
        assert len({visit.patient for visit in visits if not visit.lesion}) >= 2


def test_two_visits_show_one_patient_on_two_days() -> None:
    quiet = replace(REFERENCE, noise=0.0)
    first, second = (take(quiet, Visit(3, number, False), (0, 0), 64) for number in (0, 1))
    other = take(quiet, Visit(4, 0, False), (0, 0), 64)
    assert not np.array_equal(first, second)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > np.corrcoef(first.ravel(), other.ravel())[0, 1]


def test_lesions_are_bright_and_in_the_lungs() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        anatomy = draw_anatomy(rng)
        lesions = draw_lesions(anatomy, rng)
        clear, ill = (render(anatomy, blobs, 64, 1.0, 0.0) for blobs in ((), lesions))
        added = ill - clear
        assert 1 <= len(lesions) <= 3
        assert added.min() >= 0
        assert 0.05 < added.max() <= 1.1
        row, column = np.unravel_index(np.argmax(added), added.shape)
        assert clear[row, column] < clear[:, 30:34].mean()  # darker than the mediastinum


def test_render_is_the_same_at_every_size() -> None:
    anatomy = draw_anatomy(np.random.default_rng(0))
    small, large = (render(anatomy, (), size, 1.0, 0.0) for size in (32, 96))
    blocks = large.reshape(32, 3, 32, 3).mean(axis=(1, 3))
    assert np.abs(blocks - small).mean() < 0.02


def test_expose_by_hand() -> None:
    perfect = replace(REFERENCE, blur=0.0, noise=0.0, contrast=0.5, gamma=2.0)
    flat = np.full((16, 16), 0.9)
    assert_allclose(expose(perfect, flat, np.random.default_rng(0)), (0.5 + 0.5 * 0.4) ** 2)
    point = np.zeros((65, 65))
    point[32, 32] = 1.0
    spread = expose(replace(perfect, blur=0.1, contrast=1.0, gamma=1.0), point, np.random.default_rng(0))
    offset = (np.arange(65) - 32) / 32.5
    assert np.sqrt((spread.sum(0) * offset**2).sum() / spread.sum()) == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sites": 0}, r"data\.sites=0 must be from 1 to 8"),
        ({"sites": 9}, r"data\.sites=9 must be from 1 to 8"),
        ({"cases": 9}, r"data\.cases=9 must be at least 10, for a hospital to have both classes"),
        ({"size": 16}, r"data\.size=16 must be from 32 to 1024 pixels"),
        ({"shift": -0.1}, r"data\.shift=-0.1 must be from 0 \(identical scanners\) to 2"),
        ({"sites": 0, "cases": 0, "size": 0, "shift": 9}, "the plan has 4 problems"),
    ],
)
def test_options_out_of_range(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        phantom(cache=tmp_path, seed=0, **options)
    assert list(tmp_path.iterdir()) == []
