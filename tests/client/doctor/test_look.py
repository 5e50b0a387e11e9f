"""Reading images for their facts, and as thumbnails."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedgraft.client.doctor.look import look, reading, spread, thumbnails
from fedgraft.client.facts import reason_of
from fedgraft.client.manifest import Case
from fedgraft.client.picture import Mark, Picture
from fedgraft.client.unusable import CaseError


def grey(value: float = 1.0, shape: tuple[int, ...] = (300, 150)) -> np.ndarray:
    pixels = np.zeros(shape, np.float32)
    pixels[: shape[0] // 2] = value
    return pixels


def read(case: Case) -> Picture:
    """A reader of cases that are named after what they are."""
    if case.path == "broken":
        raise CaseError("damaged")
    if case.path == "burned":
        return Picture(grey(), Mark.BURNED_IN)
    return Picture(grey(shape=(300, 150, 3)) if case.path == "colour" else grey())


def cases(*names: str) -> list[Case]:
    return [Case(name, "a", "p") for name in names]


def test_facts_of_each_case() -> None:
    done: list[int] = []
    found = look(cases("fine", "broken", "burned", "colour", "fine"), read, True, done.append)
    assert [reason_of(number) for number in found["reason"]] == [None, "damaged", "burned-in", None, None]
    assert found["planes"].tolist() == [1, 0, 0, 3, 1] and found["marks"].tolist() == [0, 0, 1, 0, 0]
    assert (found["digest"][0] == found["digest"][4]).all() and (found["digest"][0] != found["digest"][3]).any()
    assert sum(done) == 5


def test_a_site_may_use_burned_in_images() -> None:
    found = look(cases("burned"), read, False, lambda _: None)
    assert (found["reason"][0], found["marks"][0]) == (0, Mark.BURNED_IN)


def test_thumbnails_hold_pixels_and_nothing_else() -> None:
    films = thumbnails(cases("fine", "broken", "colour"), read, lambda case: f"case-{len(case.path)}")
    assert [film.caption for film in films] == ["case-4", "case-6"]
    for film, mode in zip(films, ("L", "RGB"), strict=True):
        image = Image.open(io.BytesIO(film.png))
        assert (image.size, image.mode, image.info) == ((56, 112), mode, {})
        assert np.asarray(image).max() == 255 and np.asarray(image)[-1].max() == 0


def test_the_reader_raises_case_errors_only(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(CaseError) as raised:
        reading()(Case(str(tmp_path / "a.png"), "a", "p"))
    assert raised.value.reason in ("damaged", "missing") and str(tmp_path) not in str(raised.value)
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(tmp_path / "b.png")
    assert reading()(Case(str(tmp_path / "b.png"), "a", "p")).pixels.tolist() == np.eye(4).tolist()


def test_spread() -> None:
    assert spread(3, range(9)) == [0, 3, 6]
    assert spread(5, [7, 8]) == [7, 8]
    assert spread(4, []) == []
