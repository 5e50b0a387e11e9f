"""What a file says about its de-identification, without reading what it would name."""

from __future__ import annotations

from fedgraft.client.dicom.values import Elements
from fedgraft.client.picture import Mark


def is_private(tag: int) -> bool:
    """PS3.5 section 7.8: an odd group; those below 9 and FFFF are not allowed at all."""
    return bool(tag >> 16 & 1)


def is_overlay(tag: int) -> bool:
    """PS3.3 C.9.2: groups 6000, 6002, ... 601E; older files up to 60FE."""
    return 0x6000 <= tag >> 16 <= 0x60FF and not tag >> 16 & 1


def marks(header: Elements, *, private: bool, overlay: bool) -> Mark:
    """PS3.3 C.7.6.1 (0028,0301) Burned In Annotation, C.7.1.1 (0012,0062) Patient Identity Removed.

    Args:
        private: the data set has private elements, before its pixels and outside of sequences.
        overlay: it has overlay planes. They are not drawn, but may hold text that stays in the file.
    """
    found = Mark.NONE
    burned, removed = header.code("BurnedInAnnotation"), header.code("PatientIdentityRemoved")
    if burned != "NO":
        found |= Mark.BURNED_IN if burned == "YES" else Mark.BURNED_IN_UNSTATED
    if removed != "YES":
        found |= Mark.IDENTITY_KEPT if removed == "NO" else Mark.IDENTITY_UNSTATED
    if private:
        found |= Mark.PRIVATE
    if overlay:
        found |= Mark.OVERLAY
    return found
