"""Named CT windows, and the values that ``dicom.window`` may have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Window:
    """A window: ``center`` and ``width`` in the unit of the modality transformation; ``function`` as in PS3.3
    C.11.2.1.3."""

    center: float
    width: float
    function: str = "LINEAR"


PRESETS: Mapping[str, Window] = MappingProxyType(
    {
        "lung": Window(-600, 1500),
        "mediastinum": Window(50, 350),
        "abdomen": Window(50, 400),
        "liver": Window(30, 150),
        "bone": Window(400, 1800),
        "brain": Window(40, 80),
        "stroke": Window(40, 40),
        "subdural": Window(75, 215),
        "temporal_bone": Window(600, 2800),
        "soft_tissue": Window(40, 375),
        "vessels": Window(200, 600),
        "spine": Window(50, 250),
    }
)
"""In HU, from "Windowing (CT)", https://radiopaedia.org/articles/windowing-ct; where that gives a range, its middle."""

OWN = re.compile(r"([+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?)/([0-9]{1,6}(?:\.[0-9]{1,6})?)")


def named_window(text: str) -> Window:
    """A preset, or ``CENTER/WIDTH``.

    Raises:
        ValueError: it is neither; the text says what is known.
    """
    if text in PRESETS:
        return PRESETS[text]
    own = OWN.fullmatch(text)
    if own is None or float(own[2]) < 1:
        known = ", ".join(("file", "none", *PRESETS))
        raise ValueError(f"dicom.window={text}: use {known}, or CENTER/WIDTH with a width of 1 or more")
    return Window(float(own[1]), float(own[2]))


def is_window(text: str) -> bool:
    """Whether ``dicom.window`` may have this value."""
    try:
        return text in ("file", "none") or bool(named_window(text))
    except ValueError:
        return False
