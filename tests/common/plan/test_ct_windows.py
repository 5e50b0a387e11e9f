"""What a plan may write as ``dicom.window``."""

from __future__ import annotations

import pytest

from fedgraft.common.plan.ct_windows import PRESETS, Window, is_window, named_window


def test_what_a_plan_may_write() -> None:
    assert named_window("lung") == PRESETS["lung"] == Window(-600, 1500)
    assert named_window("-40.5/400") == Window(-40.5, 400)
    for text in ("lungs", "40", "40/0", "40/-1", "1e3/5", "nan/5", "40/400 "):
        with pytest.raises(ValueError, match=r"use file, none, lung, mediastinum, .*, or CENTER/WIDTH with a width of"):
            named_window(text)


def test_is_window() -> None:
    assert all(is_window(text) for text in ("file", "none", "40/400", *PRESETS))
    assert not any(is_window(text) for text in ("", "lungs", "40"))
