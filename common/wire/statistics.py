"""``query.describe``: a site's statistics of its training cases; packed and unpacked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics
from fedgraft.common.interfaces.input_kind import Statistics
from fedgraft.common.plan.data_sections import LARGEST, MOST_CATEGORIES, MOST_TEXT, TableSection
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.records import config_of, is_count, text_of
from fedgraft.common.tables.statistics import Moments, TableStatistics

LARGEST_OF_AN_IMAGE = 1e9
"""The largest magnitude of a number that describes an image with pixels in [0, 1]."""


DESCRIBE = "query.describe"
STATISTICS = "statistics"
_SITE, _PLAN = "site", "plan"
_ROUNDING = 1e-6  # relative: by so much may M2 and mean exceed their bounds, since both are rounded


@dataclass(frozen=True)
class SiteStatistics:
    """A site's answer to ``query.describe``."""

    site: str
    plan_digest: str
    statistics: Statistics


def pack_question(plan_json: str, plan_digest: str) -> RecordDict:
    """The content of a ``query.describe`` message."""
    return RecordDict({_PLAN: ConfigRecord({"json": plan_json, "digest": plan_digest})})


def unpack_question(content: RecordDict) -> tuple[str, str]:
    """``(plan as JSON, its digest)``.

    Raises:
        WireError: one of them is missing.
    """
    record = config_of(content, _PLAN)
    return text_of(record, "json"), text_of(record, "digest")


def pack_site(name: str, plan_digest: str) -> RecordDict:
    """Pack which site answers, and to which plan."""
    return RecordDict({_SITE: ConfigRecord({"name": name, "plan": plan_digest})})


def unpack_site(content: RecordDict) -> tuple[str, str]:
    """``(the site's name, the plan's digest)``.

    Raises:
        WireError: one of them is missing, or the name is not a valid one.
    """
    site = config_of(content, _SITE)
    name = text_of(site, "name")
    if not SITE_NAME.fullmatch(name):
        raise WireError("a site's name must be letters, digits, - and _ (at most 64)")
    return name, text_of(site, "plan")


def pack_description(site: str, plan_digest: str, statistics: ConfigRecord) -> RecordDict:
    """Answer ``query.describe``."""
    content = pack_site(site, plan_digest)
    content[STATISTICS] = statistics
    return content


def unpack_description(content: RecordDict, read: Callable[[ConfigRecord], Statistics]) -> SiteStatistics:
    """Read a site's answer.

    Args:
        read: the statistics, as `fedgraft.common.interfaces.input_kind.FederatedStatistics.unpack` does.

    Raises:
        WireError: a record is missing, or as ``read``.
    """
    name, plan_digest = unpack_site(content)
    return SiteStatistics(name, plan_digest, read(config_of(content, STATISTICS)))


def write_table(found: TableStatistics) -> ConfigRecord:
    """Sums over a table's columns."""
    numeric = found.numeric
    record = ConfigRecord(
        {
            "counts": [one.count for one in numeric],
            "means": [one.mean for one in numeric],
            "m2": [one.m2 for one in numeric],
        }
    )
    for place, counts in enumerate(found.categories):
        record[f"categories.{place}"] = list(counts)
        record[f"cases.{place}"] = list(counts.values())
    return record


def read_table(record: ConfigRecord, table: TableSection) -> TableStatistics:
    """Sums over a table's columns, as the plan's section lists them.

    Raises:
        WireError: a key is missing or ill-typed, a number is not finite, out of range or contradicts the others, or
            a category is too long, too rare, named twice, or one of too many.
    """
    numeric = _numeric(record, len(table.numeric), table.min_count)
    categories = tuple(_categories(record, place, table) for place in range(len(table.categorical)))
    return TableStatistics(numeric, categories)


def _numeric(record: ConfigRecord, columns: int, least: int) -> tuple[Moments, ...]:
    counts, means, m2s = (record.get(name) for name in ("counts", "means", "m2"))
    if not (isinstance(counts, list) and isinstance(means, list) and isinstance(m2s, list)):
        raise WireError("the statistics lack counts, means or m2")
    if not len(counts) == len(means) == len(m2s) == columns:
        raise WireError("the statistics must hold one count, mean and m2 per numeric column")
    return tuple(_moments(*given, least) for given in zip(counts, means, m2s, strict=True))


def _moments(count: object, mean: object, m2: object, least: int) -> Moments:
    if not is_count(count) or 0 < int(count) < least:  # type: ignore[call-overload]
        raise WireError("a column's count must be 0, or a whole number of at least table.min_count")
    if not all(isinstance(value, float) and math.isfinite(value) for value in (mean, m2)):
        raise WireError("a column's mean and m2 must be finite numbers")
    one = Moments(int(count), float(mean), float(m2))  # type: ignore[call-overload,arg-type]
    most = LARGEST * (1 + _ROUNDING)
    if abs(one.mean) > most or not 0 <= one.m2 <= one.count * most**2 or (not one.count and (one.mean or one.m2)):
        raise WireError("a column's mean and m2 do not fit its count")
    return one


def _categories(record: ConfigRecord, place: int, table: TableSection) -> dict[str, int]:
    words, cases = record.get(f"categories.{place}"), record.get(f"cases.{place}")
    if not isinstance(words, list) or not isinstance(cases, list) or len(words) != len(cases):
        raise WireError("the statistics must hold categories and their cases for each categorical column")
    if len(words) > MOST_CATEGORIES:
        raise WireError(f"a column has {len(words)} categories, more than {MOST_CATEGORIES}")
    if not all(isinstance(word, str) and _is_category(word, table) for word in words):
        raise WireError(
            f"a category must be text of 1 to {MOST_TEXT} characters that does not stand for a missing value"
        )
    if not all(is_count(count) and int(count) >= table.min_count for count in cases):
        raise WireError("a category must have at least table.min_count cases")
    if not all(str(one) < str(other) for one, other in pairwise(words)):
        raise WireError("categories must be in alphabetical order, each named once")
    return {str(word): int(count) for word, count in zip(words, cases, strict=True)}  # type: ignore[call-overload]


def _is_category(word: str, table: TableSection) -> bool:
    return 0 < len(word) <= MOST_TEXT and word == word.strip() and word.isprintable() and word not in table.missing


def write_image_means(found: ImageStatistics) -> ConfigRecord:
    """Means over images."""
    return ConfigRecord({"cases": found.cases, "means": list(found.means)})


def read_image_means(record: ConfigRecord, numbers: int) -> ImageStatistics:
    """Means over images.

    Args:
        numbers: how many numbers describe an image (`fedgraft.common.harmonisation.reference.Harmony.numbers`).

    Raises:
        WireError: a key is missing or ill-typed, there are not exactly ``numbers`` finite means, or there are means of
            no image.
    """
    cases, means = record.get("cases"), record.get("means")
    if not is_count(cases) or not isinstance(means, list):
        raise WireError("the statistics lack cases or means")
    if len(means) != (numbers if cases else 0):
        raise WireError("the statistics must hold one mean per number that describes an image, or nothing")
    if not all(isinstance(one, float) and math.isfinite(one) and abs(one) <= LARGEST_OF_AN_IMAGE for one in means):
        raise WireError("an image's means must be finite numbers")
    return ImageStatistics(int(cases), tuple(float(one) for one in means))  # type: ignore[arg-type]
