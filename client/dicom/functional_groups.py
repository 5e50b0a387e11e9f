"""What applies to one frame of an enhanced multi-frame image (PS3.3 C.7.6.16)."""

from __future__ import annotations

from dataclasses import dataclass

from fedgraft.client.dicom.values import Elements
from fedgraft.client.unusable import CaseError


@dataclass(frozen=True)
class FrameElements:
    """The data set, and the functional groups of one frame: its own, and those that all frames share."""

    dataset: Elements
    groups: tuple[Elements, ...]

    def macro(self, sequence: str) -> Elements:
        """The one item of a functional group macro, else the data set, where a classic image has the same elements."""
        for group in self.groups:
            item = group.item(sequence)
            if item is not None:
                return item
        return self.dataset


def frame_elements(dataset: Elements, frame: int) -> FrameElements:
    """Read the functional groups of one frame; the others are stepped over.

    Raises:
        CaseError: ``inconsistent``: there are groups by frame, but none for this one.
    """
    groups = []
    if dataset.has("PerFrameFunctionalGroupsSequence"):
        own = dataset.item("PerFrameFunctionalGroupsSequence", frame)
        if own is None:
            raise CaseError("inconsistent", "(5200,9230) Per-Frame Functional Groups Sequence has too few items")
        groups.append(own)
    shared = dataset.item("SharedFunctionalGroupsSequence")
    if shared is not None:
        groups.append(shared)
    return FrameElements(dataset, tuple(groups))
