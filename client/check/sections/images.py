"""Properties of the images: marks of de-identification, intensities, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from fedgraft.client.check import reading
from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of, lines_of, share
from fedgraft.client.check.report import Bars, Finding, Grade, Grid, Section
from fedgraft.client.check.sections.duplicates import duplicates
from fedgraft.client.check.sections.quarantine import refusal_grid, refusals
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.images.facts import BINS, Facts
from fedgraft.client.images.grey_levels import unused
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.site.site_file import SiteFile

ONE_BIN = 0.99
"""Share of an image's pixels in one of 32 bins beyond which the image counts as empty."""
LONGEST = 2.0
"""Ratio of an image's sides beyond which resizing to a square badly distorts the anatomy."""
MOST_SIZES = 8
_MARKS: tuple[tuple[DeidentificationFlag, Grade, str, str], ...] = (
    (
        DeidentificationFlag.BURNED_IN,
        "warning",
        "say that an annotation is burned into their pixels (0028,0301)",
        "export them without text; with refuse_burned_in: true in site.yaml they are not used",
    ),
    (
        DeidentificationFlag.IDENTITY_KEPT,
        "warning",
        "say that the patient's identity is in them (0012,0062)",
        "de-identify them (PS3.15 annex E) before they are used for research",
    ),
    (
        DeidentificationFlag.OVERLAY,
        "warning",
        "have overlay planes (60xx,3000), which may hold text; overlays are not drawn",
        "look whether the export can leave them out",
    ),
    (
        DeidentificationFlag.PRIVATE,
        "warning",
        "have private elements, which may identify a patient",
        "let the de-identification remove them; FedGraft does not read them",
    ),
    (
        DeidentificationFlag.BURNED_IN_UNSTATED,
        "ok",
        "do not say whether an annotation is burned in (0028,0301)",
        "look at the thumbnails for text",
    ),
    (DeidentificationFlag.IDENTITY_UNSTATED, "ok", "do not say whether they were de-identified (0012,0062)", ""),
)


def marks(facts: Facts) -> Iterator[Finding]:
    """Findings on DICOM's marks of de-identification (`fedgraft.client.images.image.DeidentificationFlag`)."""
    for mark, grade, text, todo in _MARKS:
        number = int((facts["marks"] & mark.value != 0).sum())
        if number:
            yield Finding(grade, "de-identification", f"{number:,} of {count_of(len(facts), 'image')} {text}", todo)


def intensities(case_table: CaseTable, facts: Facts) -> tuple[Finding, Bars | None]:
    """Pixel values in 32 bins: the mean over images with a band for 80 % of them; and a finding on empty images."""
    counts = facts["histogram"].astype(float)
    parts = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    flat = [line for line, most in zip(case_table.lines, parts.max(1, initial=0), strict=True) if most > ONE_BIN]
    if flat:
        found = Finding(
            "warning",
            "intensities",
            f"{count_of(len(flat), 'image')} nearly all of one brightness; {lines_of(flat)} of the manifest",
            "look at them; for CT, the plan's dicom.window may not suit these images",
        )
    else:
        found = Finding("ok", "intensities", "every image uses some of the range from black to white")
    if not len(parts):
        return found, None
    low, high = np.quantile(parts, (0.1, 0.9), axis=0)
    labels = tuple(f"{number / BINS:.2f}" for number in range(BINS))
    bands = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
    title = "pixel values from black (0) to white (1): mean share over images, and the range of 80 % of them"
    return found, Bars(title, labels, tuple(parts.mean(0).tolist()), bands)


def sizes(facts: Facts, size: int | None) -> tuple[list[Finding], Grid]:
    """Rows, columns and planes of the images; findings on those smaller than ``size``, the side of the plan's input."""
    kinds = Counter(
        (int(one["height"]), int(one["width"]), "colour" if one["planes"] == 3 else "grey") for one in facts
    )
    rows = [
        (f"{high} x {wide}", colour, f"{n:,}", share(n, len(facts))) for (high, wide, colour), n in kinds.most_common()
    ]
    rest = sum(kinds.values()) - sum(n for _, n in kinds.most_common(MOST_SIZES))
    more = [(f"{len(rows) - MOST_SIZES} others", "", f"{rest:,}", share(rest, len(facts)))] if rest else []
    grid = Grid("image sizes", ("rows x columns", "kind", "images", "share"), (*rows[:MOST_SIZES], *more))
    return list(_size_findings(facts, kinds, size)), grid


def _size_findings(facts: Facts, kinds: Counter[tuple[int, int, str]], size: int | None) -> Iterator[Finding]:
    sides = [(min(high, wide), max(high, wide)) for high, wide, _ in kinds.elements()]
    small = sum(short < size for short, _ in sides) if size else 0
    long = sum(wide > LONGEST * short for short, wide in sides)
    colours = {colour for _, _, colour in kinds}
    if small:
        text = (
            f"{small:,} of {count_of(len(facts), 'image')} are smaller than the plan's {size} pixels and are enlarged"
        )
        yield Finding("warning", "image sizes", text, "export the originals, not previews")
    if long:
        text = (
            f"{long:,} of {count_of(len(facts), 'image')} are more than {LONGEST:g} times as long as wide, and squeezed"
        )
        yield Finding("warning", "image sizes", f"{text} to a square", "crop them before they are listed")
    if len(colours) > 1:
        grey = sum(n for (_, _, colour), n in kinds.items() if colour == "grey")
        yield Finding(
            "warning",
            "image sizes",
            f"{grey:,} grey and {len(facts) - grey:,} colour images",
            "a network can tell them apart; make sure that the kind does not go with the class",
        )
    if not small and not long and len(colours) == 1:
        shortest, longest = min(short for short, _ in sides), max(wide for _, wide in sides)
        yield Finding("ok", "image sizes", f"sides of {shortest} to {longest} pixels, {colours.pop()}")


def describe_images(
    looked: CaseTable, facts: Facts, of: int, site: SiteFile, size: int | None, read: reading.Read | None
) -> Section:
    """The section on images.

    Args:
        looked: the cases that were decoded.
        facts: facts of each of them.
        of: number of cases of the whole cohort.
        size: side of the plan's input, in pixels, if there is a plan.
        read: reads the images that are shown as thumbnails; ``None`` shows none.
    """
    name = Pseudonyms(site.state).name
    fine = np.flatnonzero(facts["reason"] == USABLE)
    usable, good = looked.some(fine.tolist()), facts[fine]
    findings = list(refusals(looked.lines, facts["reason"], "image"))
    if len(looked.cases) < of:
        text = f"only {len(looked.cases):,} of {of:,} cases were decoded, as --sample says"
        todo = "duplicates and damage elsewhere are not seen; leave it out"
        findings.append(Finding("warning", "sample", text, todo))
    findings += [*marks(facts), *duplicates(usable, good, name)]
    grids = [refusal_grid(facts["reason"], "image")] if len(good) < len(facts) else []
    bars = []
    if (dark := unused(facts)) is not None:
        where = f"; {lines_of([looked.lines[at] for at in dark.places])} of the manifest" if dark.places else ""
        findings.append(Finding("warning", "grey levels", dark.text + where, dark.todo))
    if len(good):
        about, histogram = intensities(usable, good)
        size_findings, size_grid = sizes(good, size)
        findings += [about, *size_findings]
        grids.append(size_grid)
        bars += [histogram] if histogram is not None else []
    shown = [] if read is None else reading.spread(reading.MOST_THUMBNAILS, usable.cases)
    films = () if read is None else reading.thumbnails(shown, read, name)
    return Section("images", tuple(findings), tuple(grids), tuple(bars), films)
