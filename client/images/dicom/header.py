"""Read a file's header: the transfer syntax, the few elements that affect the image, and where the pixels lie.

No other element's value is read, so that nothing that names a patient can be held, logged or put into an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    Element,
    Encoding,
    elements,
)
from fedgraft.client.images.dicom.source import ByteSource, inflated, opened
from fedgraft.client.images.dicom.values import Elements, tag_of
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.site.limits import Limits

KEYWORDS = (
    "Modality",
    "PatientIdentityRemoved",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "SeriesInstanceUID",  # compared within a folder, never shown
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "PixelAspectRatio",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "BurnedInAnnotation",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "VOILUTFunction",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "PresentationLUTShape",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
)
WANTED = frozenset(map(tag_of, KEYWORDS))
GROUP = Struct("<H")
FLOATS, DOUBLES, PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010


@dataclass(frozen=True)
class Header:
    """A file's header. ``pixels`` is ``None`` if the file holds no image."""

    syntax: str
    elements: Elements
    pixels: Element | None
    marks: DeidentificationFlag


@contextmanager
def header_of(path: Path, limits: Limits) -> Iterator[Header]:
    """Open a file and read its header; the file stays open within the block.

    Raises:
        CaseError: ``missing``, ``not-dicom``, ``damaged``, ``unsupported`` or ``too-large``.
    """
    with opened(path) as source:
        yield read_header(source, limits)


def read_header(source: ByteSource, limits: Limits) -> Header:
    """Read the header of an open file; raises as `header_of`."""
    if source.size < 132 or source.bytes(128, 4) != b"DICM":
        raise CaseError("not-dicom")
    syntax, start = _meta(source)
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        source, start = inflated(source, start, limits), 0
    encoding = _encoding(syntax, source, start)
    most = start + limits.header_bytes
    found: dict[int, Element] = {}
    pixels, private, overlay = None, False, False
    for element in elements(source, start, source.size, encoding, last=FLOATS):
        tag = element.tag
        if element.start > most or (tag < FLOATS and element.start + element.length > most):
            raise CaseError("too-large", f"the header has more than {limits.header_bytes} bytes")
        if tag >= FLOATS:
            pixels = element if tag <= PIXELS else None
        elif tag in WANTED:
            if tag in found:
                raise CaseError("damaged", f"the element ({tag >> 16:04X},{tag & 0xFFFF:04X}) stands twice")
            found[tag] = element
        private = private or is_private(tag)
        overlay = overlay or is_overlay(tag)
    read = Elements(source, encoding, found)
    return Header(syntax, read, pixels, marks(read, private=private, overlay=overlay))


def _meta(source: ByteSource) -> tuple[str, int]:
    """The transfer syntax of the file meta information (PS3.10 section 7.1), and where the data set starts."""
    syntax, start = "", 132
    while start + 8 <= source.size and source.unpack(GROUP, start) == (2,):
        element = next(elements(source, start, source.size, EXPLICIT_LITTLE))
        start = element.start + element.length
        if element.tag == 0x00020010 and element.length <= 64:
            syntax = source.bytes(element.start, element.length).rstrip(b"\0 ").decode("ascii", "replace")
    if not syntax:
        raise CaseError("damaged", "(0002,0010) Transfer Syntax UID is not there")
    return syntax, start


def _encoding(syntax: str, source: ByteSource, start: int) -> Encoding:
    """The data set's encoding: the byte order is the transfer syntax's; with little endian, the first element shows
    whether VRs are explicit, since some writers state another transfer syntax than they use."""
    if syntax == uid.ExplicitVRBigEndian:
        return EXPLICIT_BIG
    if start + 8 > source.size:
        return EXPLICIT_LITTLE
    _, _, vr, _ = source.unpack(EXPLICIT_LITTLE.explicit_head, start)
    return EXPLICIT_LITTLE if vr in SHORT_VRS or vr in LONG_VRS else IMPLICIT_LITTLE


def is_private(tag: int) -> bool:
    """Whether a tag is private: it has an odd group (PS3.5 section 7.8)."""
    return bool(tag >> 16 & 1)


def is_overlay(tag: int) -> bool:
    """Whether a tag is an overlay's: groups 6000, 6002, ... 601E (PS3.3 C.9.2), in older files up to 60FE."""
    return 0x6000 <= tag >> 16 <= 0x60FF and not tag >> 16 & 1


def marks(header: Elements, *, private: bool, overlay: bool) -> DeidentificationFlag:
    """What a header says about de-identification: PS3.3 C.7.6.1 (0028,0301) Burned In Annotation, C.7.1.1 (0012,0062)
    Patient Identity Removed, private elements and overlays.

    Args:
        private: whether the data set has private elements before its pixels and outside of sequences.
        overlay: whether it has overlay planes. They are not drawn, but may hold text.
    """
    found = DeidentificationFlag.NONE
    burned, removed = header.code("BurnedInAnnotation"), header.code("PatientIdentityRemoved")
    if burned != "NO":
        found |= DeidentificationFlag.BURNED_IN if burned == "YES" else DeidentificationFlag.BURNED_IN_UNSTATED
    if removed != "YES":
        found |= DeidentificationFlag.IDENTITY_KEPT if removed == "NO" else DeidentificationFlag.IDENTITY_UNSTATED
    if private:
        found |= DeidentificationFlag.PRIVATE
    if overlay:
        found |= DeidentificationFlag.OVERLAY
    return found
