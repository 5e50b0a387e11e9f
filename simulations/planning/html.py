"""HTML tables and paragraphs for a notebook, without a style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], marked: int | None = None) -> str:
    """An HTML table. Cells are escaped; the first column is aligned left, the others right.

    Args:
        marked: the index of the row that is bold.
    """
    head = "".join(f"<th{_side(number)}>{escape(text)}</th>" for number, text in enumerate(headings))
    body = "".join(_row(row, number == marked) for number, row in enumerate(rows))
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_lines(lines: Iterable[str]) -> str:
    """A paragraph for each line, escaped."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _row(cells: Sequence[str], bold: bool) -> str:
    style = ' style="font-weight:bold"' if bold else ""
    return f"<tr{style}>{''.join(f'<td{_side(number)}>{escape(text)}</td>' for number, text in enumerate(cells))}</tr>"


def _side(column: int) -> str:
    return f' style="text-align:{"left" if column == 0 else "right"}"'
