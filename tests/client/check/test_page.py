"""The page: well-formed, self-contained, escaped, private."""

import base64
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fedgraft.client.check.page import render, shapes, write_page
from fedgraft.client.check.report import Bars, Finding, Grid, Section, Thumbnail
from fedgraft.common.errors import SiteFileError

VOID = {"meta", "img", "br"}
HOSTILE = "<script>alert(1)</script>\"'><img src=http://x/>&amp;{{ 7*7 }}"


class Reader(HTMLParser):
    """Collects elements, and asserts that each is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


SECTIONS = [
    Section(
        "cohort",
        (Finding("warning", "sample", HOSTILE, "leave it out"), Finding("ok", "cases", "3 cases")),
        (Grid(f"by {HOSTILE}", ("sex", HOSTILE), ((HOSTILE, "1"), ("M", "2"))),),
        (Bars(HOSTILE, (HOSTILE, "b"), (2.0, 1.0), ((1.0, 4.0), (0.0, 1.0))),),
        (Thumbnail(b"\x89PNG film", "case-0123456789"),),
    )
]


def test_it_is_well_formed_and_escaped() -> None:
    reader = parsed(render("north", SECTIONS))
    kinds = {tag for tag, _ in reader.elements}
    assert "script" not in kinds and "link" not in kinds and "a" not in kinds and "iframe" not in kinds
    assert reader.text.count("<script>alert(1)</script>") >= 5 and "{{ 7*7 }}" in reader.text
    assert len([tag for tag, _ in reader.elements if tag == "img"]) == 1


def test_nothing_comes_from_elsewhere() -> None:
    reader = parsed(render("north", SECTIONS))
    (film,) = [attributes["src"] for tag, attributes in reader.elements if tag == "img"]
    assert film is not None and film.startswith("data:image/png;base64,")
    assert base64.b64decode(film.partition(",")[2]) == b"\x89PNG film"
    assert not any({"href", "onload", "onclick", "action"} & set(attributes) for _, attributes in reader.elements)
    assert "@import" not in reader.text and "url(" not in reader.text
    policies = [a["content"] for tag, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_what_is_urgent_comes_first_and_the_page_says_that_it_stays() -> None:
    text = parsed(render("north", SECTIONS)).text
    assert text.index("This page must stay at the site.") < text.index("what needs a look") < text.index("3 cases")
    assert text.count("leave it out") == 2 and "0 problems 1 warning 1 ok" in " ".join(text.split())


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "check.html"
    for text in ("first", "second"):
        write_page(file, text)
    assert file.read_text() == "second" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_can_t_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SiteFileError, match=r"can't be written .*name another place with --page, or use --no-page"):
        write_page(tmp_path / "file" / "check.html", "text")


def test_bars_by_hand() -> None:
    """640 units for two bars of 320, of which 0.8 are filled; 150 for the highest band, 4."""
    first, second = shapes(SECTIONS[0].bars[0])
    assert (first.x, first.width, first.y, first.height) == (32, 256, 75, 75)
    assert (first.band_y, first.band_height) == (0, 112.5)
    assert (second.x, second.y, second.height) == (352, 112.5, 37.5)
    assert second.tip == "b: 1"


def test_labels_do_not_crowd() -> None:
    found = shapes(Bars("", tuple(map(str, range(32))), (0.0,) * 32))
    assert [one.label for one in found if one.label] == ["0", "3", "6", "9", "12", "15", "18", "21", "24", "27", "30"]
    assert all(one.height == 0 for one in found)


def test_without_images_it_shows_none() -> None:
    assert "It shows patients' images." in parsed(render("north", SECTIONS)).text
    assert "It describes patients." in parsed(render("north", [Section("table", (), SECTIONS[0].grids)])).text


def test_bars_without_bands_lie() -> None:
    """The longest takes the whole of its track."""
    reader = parsed(render("north", [Section("cohort", (), (), (Bars("outcomes", ("a", "b"), (4.0, 1.0)),))]))
    assert [a["style"] for tag, a in reader.elements if a.get("class") == "bar"] == ["width: 100.0%", "width: 25.0%"]
    assert "svg" not in {tag for tag, _ in reader.elements}
