"""Whether slices that belong together keep one scale.

Without a window the whole range that Bits Stored can hold becomes [0, 1], so slope and intercept cancel: one value in
the modality's unit would be another grey in each slice whose rescale is another, as of PET.
"""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.client.dicom.functional_groups import FrameElements
from fedgraft.client.dicom.layout import GREY, Layout
from fedgraft.client.dicom.modality import Line, line_of, modality_of
from fedgraft.client.dicom.voi import voi_of
from fedgraft.client.unusable import CaseError
from fedgraft.common.schema_data import Dicom


def rescale_of(frame: FrameElements, layout: Layout) -> Line | None:
    """Slope and intercept, 1 and 0 if the file states none; ``None``: a table or colour.

    Raises:
        CaseError: ``inconsistent``, as `fedgraft.client.dicom.modality.modality_of`.
    """
    if layout.photometric not in GREY or frame.dataset.has("ModalityLUTSequence"):
        return None
    return line_of(frame) or Line(1.0, 0.0)


def check_scale(rescales: Iterable[Line | None], frame: FrameElements, layout: Layout, dicom: Dicom) -> None:
    """Refuse a slice or frame that no window puts on the scale of the others.

    Args:
        rescales: of all slices that belong together.
        frame, layout: of the one that is read.

    Raises:
        CaseError: ``mixed-series``: the rescales differ, and there is no window, VOI LUT or preset for this one.
    """
    if layout.photometric not in GREY or len(set(rescales)) < 2:
        return
    if voi_of(frame, modality_of(frame, layout), dicom, signed=layout.signed) is None:
        raise CaseError(
            "mixed-series",
            "slices differ in (0028,1053) Rescale Slope or (0028,1052) Rescale Intercept, and no window applies: "
            "set dicom.window to CENTER/WIDTH",
        )
