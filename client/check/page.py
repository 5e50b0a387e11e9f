"""The report as one self-contained HTML page, which stays at the site."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from fedgraft.client.check.report import Bars, Finding, Section, Thumbnail
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.files import private_folder, replacing

_WIDTH, _HEIGHT, _FOOT = 640, 150, 34


@dataclass(frozen=True)
class Shape:
    """A bar and its band, in the units of the SVG; ``label`` is empty where labels would overlap."""

    x: float
    width: float
    y: float
    height: float
    band_y: float
    band_height: float
    label: str
    tip: str


def render(site_name: str, sections: Sequence[Section]) -> str:
    """The page as HTML; every word that comes from a manifest, a plan or a file is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shapes"] = shapes
    environment.filters["data_uri"] = data_uri
    template = environment.from_string((files(__package__) / "page.html").read_text(encoding="utf-8"))
    findings = [finding for section in sections for finding in section.findings]
    return template.render(
        site=site_name,
        sections=sections,
        urgent=[finding for finding in findings if finding.grade != "ok"],
        counts=_counts(findings),
        pictures=any(section.thumbnails for section in sections),
        made=f"{time.strftime('%Y-%m-%d %H:%M')}, fedgraft {version('fedgraft')}",
        width=_WIDTH,
        height=_HEIGHT,
        foot=_FOOT,
    )


def write_page(file: Path, text: str, otherwise: str = "with --page, or use --no-page") -> None:
    """Write the page atomically, readable by this account alone (mode 0600).

    Args:
        otherwise: how another place is named.

    Raises:
        SiteFileError: the folder can't be written.
    """
    try:
        private_folder(file.parent)
        with replacing(file, private=True) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SiteFileError(
            f"the page {file} can't be written ({error.strerror}); name another place {otherwise}"
        ) from error


def data_uri(thumbnail: Thumbnail) -> str:
    """A ``data:`` address that holds the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(thumbnail.png).decode('ascii')}"


def shapes(bars: Bars) -> list[Shape]:
    """Positions of the bars: x from 0 to 640, y from 0 (top) to 150."""
    top = bars.top
    step = _WIDTH / max(1, len(bars.heights))
    every = -(-len(bars.labels) // 12)
    found = []
    for at, (label, height) in enumerate(zip(bars.labels, bars.heights, strict=True)):
        low, high = bars.bands[at] if bars.bands else (0.0, 0.0)
        tall = _HEIGHT * height / top
        found.append(
            Shape(
                x=round(at * step + 0.1 * step, 2),
                width=round(0.8 * step, 2),
                y=round(_HEIGHT - tall, 2),
                height=round(tall, 2),
                band_y=round(_HEIGHT * (1 - high / top), 2),
                band_height=round(_HEIGHT * (high - low) / top, 2),
                label=label if at % every == 0 else "",
                tip=f"{label}: {height:,.4g}",
            )
        )
    return found


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    return {grade: sum(one.grade == grade for one in findings) for grade in ("ok", "warning", "problem")}
