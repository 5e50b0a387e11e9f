"""Images: quarantine, marks, intensities, sizes, from facts made by hand."""

from pathlib import Path

import pytest

from fedgraft.client.check.sections.images import describe_images, intensities, marks, sizes
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.site.site_file import SiteFile

from ..conftest import case, case_table_of, facts

THREE = case_table_of([case(at) for at in range(3)])


@pytest.mark.parametrize(
    ("mark", "grade", "text"),
    [
        (
            DeidentificationFlag.BURNED_IN,
            "warning",
            "2 of 3 images say that an annotation is burned into their pixels (0028,0301)",
        ),
        (
            DeidentificationFlag.BURNED_IN_UNSTATED,
            "ok",
            "2 of 3 images do not say whether an annotation is burned in (0028,0301)",
        ),
        (
            DeidentificationFlag.IDENTITY_KEPT,
            "warning",
            "2 of 3 images say that the patient's identity is in them (0012,0062)",
        ),
        (
            DeidentificationFlag.IDENTITY_UNSTATED,
            "ok",
            "2 of 3 images do not say whether they were de-identified (0012,0062)",
        ),
        (DeidentificationFlag.PRIVATE, "warning", "2 of 3 images have private elements, which may identify a patient"),
        (
            DeidentificationFlag.OVERLAY,
            "warning",
            "2 of 3 images have overlay planes (60xx,3000), which may hold text; overlays are not drawn",
        ),
    ],
)
def test_marks(mark: DeidentificationFlag, grade: str, text: str) -> None:
    (found,) = marks(facts({"marks": mark}, {}, {"marks": mark}))
    assert (found.grade, found.what, found.text) == (grade, "de-identification", text)


def test_no_marks_no_finding() -> None:
    assert list(marks(facts({}, {}))) == []


def test_intensities() -> None:
    """Shares of bin 0: 1/2, 1/2, 1; its mean is 2/3, and numpy's linear 10 and 90 % quantiles 0.5 and 0.9."""
    found, bars = intensities(THREE, facts({}, {}, {"histogram": {0: 70}}))
    assert (found.grade, found.text) == ("warning", "1 image nearly all of one brightness; line 4 of the manifest")
    assert found.todo.startswith("look at them; for CT, the plan's dicom.window")
    assert bars is not None and len(bars.heights) == 32 and bars.labels[1] == "0.03"
    assert bars.heights[0] == pytest.approx(2 / 3) and bars.heights[9] == pytest.approx(1 / 3)
    assert bars.bands[0] == pytest.approx((0.5, 0.9))


def test_an_image_at_the_threshold_is_fine() -> None:
    found, _ = intensities(case_table_of([case(0)]), facts({"histogram": {0: 99, 1: 1}}))
    assert found.text == "every image uses some of the range from black to white"


def test_unused_grey_levels(tmp_path: Path) -> None:
    site = SiteFile("alder", tmp_path / "manifest.csv", tmp_path)
    found = describe_images(THREE, facts({"top": 4095}, {"top": 200}, {}), 3, site, None, None).findings
    (dark,) = [one for one in found if one.what == "grey levels"]
    assert dark.grade == "warning"
    assert (
        dark.text == "2 pictures of 16 bits use only 4,096 of 65,536 grey levels, and are nearly black to the network"
    )
    assert dark.todo == "if they hold 12 bits, say so in the manifest: a column `bits_stored` with 12 in these lines"


def test_no_image_no_histogram() -> None:
    assert intensities(case_table_of([case(0)]).some([]), facts())[1] is None


def test_sizes() -> None:
    findings, grid = sizes(facts({"size": (64, 80)}, {"size": (64, 80)}, {"size": (100, 90)}), 64)
    assert [str(one) for one in findings] == ["ok       image sizes: sides of 64 to 100 pixels, grey"]
    assert grid.rows == (("64 x 80", "grey", "2", "66.7 %"), ("100 x 90", "grey", "1", "33.3 %"))


def test_small_long_and_coloured_images() -> None:
    findings, _ = sizes(facts({"size": (63, 64)}, {"size": (300, 100)}, {"planes": 3, "size": (64, 128)}), 64)
    assert [(one.grade, one.text) for one in findings] == [
        ("warning", "1 of 3 images are smaller than the plan's 64 pixels and are enlarged"),
        ("warning", "1 of 3 images are more than 2 times as long as wide, and squeezed to a square"),
        ("warning", "2 grey and 1 colour images"),
    ]


def test_many_sizes_are_summed() -> None:
    _, grid = sizes(facts(*({"size": (64 + at, 64)} for at in range(10))), None)
    assert len(grid.rows) == 9 and grid.rows[-1] == ("2 others", "", "2", "20.0 %")
