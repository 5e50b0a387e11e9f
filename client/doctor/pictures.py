"""The section about a cohort's images, with thumbnails."""

from __future__ import annotations

import numpy as np

from fedgraft.client.doctor import look
from fedgraft.client.doctor.duplicates import duplicates
from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.quality import Facts, intensities, marks, sizes
from fedgraft.client.doctor.refusals import refusal_grid, refusals
from fedgraft.client.doctor.roll import Roll
from fedgraft.client.doctor.section import Section
from fedgraft.client.facts import USABLE
from fedgraft.client.pseudonyms import Pseudonyms
from fedgraft.client.site import SiteFile


def describe_images(
    looked: Roll, facts: Facts, of: int, site: SiteFile, size: int | None, read: look.Read | None
) -> Section:
    """What was seen of the images.

    Args:
        looked: the cases that were decoded.
        facts: one of each.
        of: cases of the whole cohort.
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
    if len(good):
        about, histogram = intensities(usable, good)
        size_findings, size_grid = sizes(good, size)
        findings += [about, *size_findings]
        grids.append(size_grid)
        bars += [histogram] if histogram is not None else []
    shown = [] if read is None else look.spread(look.MOST_THUMBNAILS, usable.cases)
    films = () if read is None else look.thumbnails(shown, read, name)
    return Section("images", tuple(findings), tuple(grids), tuple(bars), films)
