"""How the check reads a cohort's images: as a run does and into the run's store, so that nothing is decoded twice."""

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
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.site.machine import cores
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.plan.data_sections import DicomSection
from fedgraft.common.plan.plan import Plan

AS_THE_FILE_SAYS = DicomSection(window="file", choice=0, frames="middle", slices=3, neighbours=False)
"""How DICOM files are read without a plan: as in ``conf/dicom/standard.yaml``."""
THUMBNAIL = 112
"""Pixels of a thumbnail's longer side: enough to see text, a wrong window or a wrong body part."""
MOST_THUMBNAILS = 48
_SMALLEST = ImageSpec(1, 16, (0.0,), (1.0,), "bilinear")  # without a plan, no pixels are wanted
Read = Callable[[Case], DecodedImage]
Item = TypeVar("Item")


def expanded(cases: Sequence[Case], plan: Plan | None, site: SiteFile) -> tuple[Case, ...]:
    """The images of a manifest's lines, as in a run: a series or a file of many frames may give several."""
    return expansion.expanded(cases, _reading(plan, site), Store(None) if plan is None else store_of(site))


def site_inputs(plan: Plan, site: SiteFile, store: Store, factories: Factories | None = None) -> Inputs:
    """The inputs that a run would make of the cohort; ``factories``: open input factories."""
    context = site_context(plan, site, store)
    return factory_of(context.kind, site.trusted, factories).inputs(context)


def site_images(plan: Plan, site: SiteFile, progress: Progress) -> ImageInputs:
    """The inputs that a run would make of a cohort of images; ``progress`` is called with the number just decoded."""
    return ImageFactory().inputs(site_context(plan, site, store_of(site), progress))


def store_of(site: SiteFile) -> Store:
    """The store in which a run at this site keeps decoded images and features."""
    return Store(site.shared_store / "kept" if site.keep == "disk" else None)


def facts_without_plan(cases: Sequence[Case], site: SiteFile, progress: Progress) -> NDArray[np.void]:
    """`FACTS` of each case, read as its file says; nothing is stored."""
    workers = cores() if site.workers is None else site.workers
    return ImageIngest(_reading(None, site), _SMALLEST, Store(None), workers, site.refuse_burned_in, progress).facts(
        cases
    )


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
    """At most ``number`` of the positions, evenly spaced, including the first."""
    count = min(number, len(among))
    return [among[at * len(among) // count] for at in range(count)]


def _png(pixels: NDArray[np.float32]) -> bytes:
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
