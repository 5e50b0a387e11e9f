"""The report on a terminal."""

import io

from rich.console import Console

from fedgraft.client.check.report import Bars, Finding, Grid, Section, Thumbnail
from fedgraft.client.check.terminal import MOST_ROWS, show_section, show_total, sparkline

SECTION = Section(
    "images",
    (Finding("warning", "sample", "only 3 of 9", "leave it out"), Finding("ok", "x", "[red]as it is[/red]")),
    (Grid("by [b]sex", ("sex", "cases"), tuple(("F", str(at)) for at in range(MOST_ROWS + 2))),),
    (Bars("values", ("0", "1"), (1.0, 0.5), ((0.5, 1.0), (0.2, 0.6))),),
    (Thumbnail(b"png", "case-0123456789"),),
)


def shown(width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    show_section(console, SECTION)
    show_total(console, list(SECTION.findings))
    return stream.getvalue()


def test_it_reads_without_colour() -> None:
    text = shown()
    assert "  warning  sample             only 3 of 9" in text and "-> leave it out" in text
    assert "[red]as it is[/red]" in text and "by [b]sex" in text  # no markup is obeyed
    assert "|█▄|" in text and "and 2 more rows on the page" in text
    assert text.rstrip().endswith("1 ok, 1 warning, 0 problems")
    assert "\x1b" not in text


def test_thumbnails_are_for_the_page() -> None:
    assert "case-0123456789" not in shown()


def test_it_keeps_to_the_width() -> None:
    assert max(map(len, shown(50).splitlines())) <= 50


def test_a_fingerprint_is_whole_in_80_columns_and_a_long_title_is_indented() -> None:
    key = f"SHA256:{'k' * 43}"
    path = f"/{'p' * 90}"
    found = (Finding("ok", "key", f"/srv/north.key\n{key}\n(whether)"), Finding("ok", "state", path))
    section = Section("x", found, (), (Bars("word " * 30, ("0", "1"), (1.0, 0.5), ((0.5, 1.0), (0.2, 0.6))),))
    stream = io.StringIO()
    show_section(Console(file=stream, width=80), section)
    lines = stream.getvalue().splitlines()
    assert [line.split()[-1] for line in lines if "SHA256" in line] == [key]
    assert "".join(line.split()[-1] for line in lines if "ppp" in line) == path
    assert all(line.startswith("  word") for line in lines if "word" in line)


def test_bars_without_any_height() -> None:
    assert sparkline(Bars("", ("a", "b"), (0.0, 0.0))) == "  "
