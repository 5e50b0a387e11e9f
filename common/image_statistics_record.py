"""A site's means over its images as Flower records, and back."""

from __future__ import annotations

import math

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.image_statistics import ImageStatistics
from fedgraft.common.record_values import config_of, is_count
from fedgraft.common.statistics_record import STATISTICS, Description, pack_site, unpack_site

LARGEST = 1e9
"""Of a number that describes an image with pixels in [0, 1]."""


def pack_image_description(site: str, plan_digest: str, found: ImageStatistics) -> RecordDict:
    """Answer ``query.describe`` of a plan for images."""
    content = pack_site(site, plan_digest)
    content[STATISTICS] = ConfigRecord({"cases": found.cases, "means": list(found.means)})
    return content


def unpack_image_description(content: RecordDict, numbers: int) -> Description:
    """Read a site's answer.

    Args:
        numbers: by which the plan's part describes an image.

    Raises:
        WireError: a key is missing or ill-typed, or there are other than ``numbers`` finite means, or means of nothing.
    """
    name, plan_digest = unpack_site(content)
    record = config_of(content, STATISTICS)
    cases, means = record.get("cases"), record.get("means")
    if not is_count(cases) or not isinstance(means, list):
        raise WireError("the statistics lack cases or means")
    if len(means) != (numbers if cases else 0):
        raise WireError("the statistics must hold one mean per number that describes an image, or nothing")
    if not all(isinstance(one, float) and math.isfinite(one) and abs(one) <= LARGEST for one in means):
        raise WireError("an image's means must be finite numbers")
    told = ImageStatistics(int(cases), tuple(float(one) for one in means))  # type: ignore[arg-type]
    return Description(name, plan_digest, told)
