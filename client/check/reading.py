"""How the check reads a cohort's images: through the intake of a run, so that what it decodes is kept for the run."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.check.report import Thumbnail
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Factories, Inputs, Progress, factory_of, site_context
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images import expansion
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.images.ingest import Intake
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.site.machine import cores
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.plan.data_sections import DicomSection
from fedgraft.common.plan.plan import Plan

AS_THE_FILE_SAYS = DicomSection(window="file", choice=0, frames="middle", slices=3, neighbours=False)
"""How DICOM files are read without a plan: as ``conf/dicom/standard.yaml``."""
THUMBNAIL = 112
"""Pixels of a thumbnail's longer side: enough to see text, a wrong window or a wrong body part."""
MOST_THUMBNAILS = 48
_SMALLEST = ImageSpec(1, 16, (0.0,), (1.0,), "bilinear")  # without a plan, no pixels are wanted
Read = Callable[[Case], DecodedImage]
Item = TypeVar("Item")


def expanded(cases: Sequence[Case], plan: Plan | None, site: SiteFile) -> tuple[Case, ...]:
    """The images of a manifest's lines, as a run takes them: a series, or a file of many frames, may be several."""
    return expansion.expanded(cases, _reading(plan, site), Store(None) if plan is None else store_of(site))


def site_inputs(plan: Plan, site: SiteFile, store: Store, factories: Factories | None = None) -> Inputs:
    """The cohort's cases as a run takes them; ``factories``: those that are open."""
    context = site_context(plan, site, store)
    return factory_of(context.kind, site.trusted, factories).inputs(context)


def site_images(plan: Plan, site: SiteFile, progress: Progress) -> ImageInputs:
    """A cohort of images as a run takes them; ``progress`` is told how many were decoded."""
    return ImageFactory().inputs(site_context(plan, site, store_of(site), progress))


def store_of(site: SiteFile) -> Store:
    """Where a run at this site keeps what it decodes and computes."""
    return Store(site.shared_store / "kept" if site.keep == "disk" else None)


def facts_without_plan(cases: Sequence[Case], site: SiteFile, progress: Progress) -> NDArray[np.void]:
    """`FACTS` of each case as its file says; nothing is kept."""
    workers = cores() if site.workers is None else site.workers
    return Intake(_reading(None, site), _SMALLEST, Store(None), workers, site.refuse_burned_in, progress).facts(cases)


def reading(plan: Plan | None, site: SiteFile) -> Read:
    """A reader of cases; it raises `CaseError` only."""
    return CaseReader(_reading(plan, site))


def _reading(plan: Plan | None, site: SiteFile) -> Reading:
    return Reading(AS_THE_FILE_SAYS if plan is None else plan.dicom, site.limits)


def thumbnails(cases: Sequence[Case], read: Read, name: Callable[[Case], str]) -> tuple[Thumbnail, ...]:
    """Small pictures of usable cases; one that can't be read any more is left out.

    A thumbnail holds pixels and nothing else: no metadata of the file goes into the PNG.
    """
    found = []
    for case in cases:
        try:
            found.append(Thumbnail(_png(read(case).pixels), name(case)))
        except CaseError:
            continue
    return tuple(found)


def spread(number: int, among: Sequence[Item]) -> list[Item]:
    """At most ``number`` of these, evenly spaced, the first among them."""
    count = min(number, len(among))
    return [among[at * len(among) // count] for at in range(count)]


def _png(pixels: NDArray[np.float32]) -> bytes:
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
