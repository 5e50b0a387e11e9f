"""Means over images: pooled by hand, on the wire, and garbage refused."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics, pooled_means
from fedgraft.common.wire.statistics import (
    SiteStatistics,
    pack_description,
    read_image_means,
    unpack_description,
    write_image_means,
)

TOLD = ImageStatistics(5, (0.25, 1 / 3))


def packed(told: ImageStatistics = TOLD) -> RecordDict:
    return pack_description("north", "ab" * 32, write_image_means(told))


def unpacked(content: RecordDict) -> SiteStatistics:
    return unpack_description(content, lambda record: read_image_means(record, 2))


def test_sites_count_by_their_cases() -> None:
    """1 image of (0.2, 1) and 3 of (0.6, 0): their mean is (0.5, 0.25). Who tells nothing counts nothing."""
    found = pooled_means([ImageStatistics(1, (0.2, 1.0)), ImageStatistics(), ImageStatistics(3, (0.6, 0.0))])
    assert found == pytest.approx((0.5, 0.25))
    assert all(isinstance(one, float) for one in found)


def test_of_nothing_there_is_no_mean() -> None:
    assert ImageStatistics().is_nothing
    with pytest.raises(
        PlanError, match=r"harmonise\.reference=\[\] takes means over the sites' images, of which no site"
    ):
        pooled_means([ImageStatistics(), ImageStatistics()])


def test_what_is_packed_is_read_back() -> None:
    for told in (TOLD, ImageStatistics()):
        assert unpacked(packed(told)) == SiteStatistics("north", "ab" * 32, told)


@pytest.mark.parametrize(
    ("record", "key", "value", "text"),
    [
        ("statistics", "cases", -1, "the statistics lack cases or means"),
        ("statistics", "cases", True, "the statistics lack cases or means"),
        ("statistics", "cases", 2.5, "the statistics lack cases or means"),
        ("statistics", "means", "0.5", "the statistics lack cases or means"),
        ("statistics", "cases", 0, "must hold one mean per number that describes an image, or nothing"),
        ("statistics", "means", [0.5], "must hold one mean per number that describes an image, or nothing"),
        ("statistics", "means", [], "must hold one mean per number that describes an image, or nothing"),
        ("statistics", "means", [0.5, float("nan")], "an image's means must be finite numbers"),
        ("statistics", "means", [0.5, -1e10], "an image's means must be finite numbers"),
        ("statistics", "means", [1, 2], "an image's means must be finite numbers"),
        ("site", "name", "a site", "a site's name must be letters"),
        ("site", "plan", "", "the message lacks `plan`"),
    ],
)
def test_garbage_is_refused(record: str, key: str, value: Any, text: str) -> None:
    content = packed()
    config = content[record]
    assert isinstance(config, ConfigRecord)
    config[key] = value
    with pytest.raises(WireError, match=text):
        unpacked(content)


@pytest.mark.parametrize("record", ["site", "statistics"])
def test_a_missing_record_is_named(record: str) -> None:
    content = packed()
    del content[record]
    with pytest.raises(WireError, match=f"the message lacks `{record}`"):
        unpacked(content)
