"""Reading images for their facts, and as thumbnails."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fedgraft.client.check.reading import AS_THE_FILE_SAYS, facts_without_plan, reading, spread, thumbnails
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError, reason_of
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.plan.plan import Plan


def grey(value: float = 1.0, shape: tuple[int, ...] = (300, 150)) -> np.ndarray:
    pixels = np.zeros(shape, np.float32)
    pixels[: shape[0] // 2] = value
    return pixels


def read(case: Case) -> DecodedImage:
    """A reader of cases that are named after what they are."""
    if case.path == "broken":
        raise CaseError("damaged")
    return DecodedImage(grey(shape=(300, 150, 3)) if case.path == "colour" else grey())


def cases(*names: str) -> list[Case]:
    return [Case(name, "a", "p") for name in names]


def test_thumbnails_hold_pixels_and_nothing_else() -> None:
    films = thumbnails(cases("fine", "broken", "colour"), read, lambda case: f"case-{len(case.path)}")
    assert [film.caption for film in films] == ["case-4", "case-6"]
    for film, mode in zip(films, ("L", "RGB"), strict=True):
        image = Image.open(io.BytesIO(film.png))
        assert (image.size, image.mode, image.info) == ((56, 112), mode, {})
        assert np.asarray(image).max() == 255 and np.asarray(image)[-1].max() == 0


def test_a_refused_image_is_counted_and_not_decoded_for_show(tmp_path: Path) -> None:
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    some = cases(*(str(tmp_path / name) for name in ("a.png", "b.png", "c.png")))
    done: list[int] = []
    site = SiteFile("north", tmp_path / "m.csv", tmp_path / "state", workers=1)
    found = facts_without_plan(some, site, done.append)
    assert [reason_of(number) for number in found["reason"]] == [None, "damaged", "missing"]
    assert (found["height"][0], found["width"][0], sum(done)) == (40, 40, 2)
    assert reading(None, site)(some[0]).pixels.tolist() == np.eye(40).tolist()
    assert not (tmp_path / "state").exists()


def test_without_a_plan_files_are_read_as_the_standard_says(compose_plan: Callable[..., Plan]) -> None:
    assert compose_plan().dicom == AS_THE_FILE_SAYS


def test_spread() -> None:
    assert spread(3, range(9)) == [0, 3, 6]
    assert spread(5, [7, 8]) == [7, 8]
    assert spread(4, []) == []
