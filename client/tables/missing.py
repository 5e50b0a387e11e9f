"""Which texts of a table a plan may count as missing at a site.

A plan that could name any text would ask how many patients have it: the number of missing values of a column, or of
rows that are left, would answer. So only what everybody means by missing may be named, and what the site itself lists.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.common.errors import MissingTextError

USUAL = frozenset({"", "?", ".", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null"})


def require_missing(asked: Sequence[str], listed: Sequence[str]) -> None:
    """
    Args:
        asked: the plan's ``table.missing``.
        listed: the site's ``missing``.

    Raises:
        MissingTextError: a text is neither usual nor listed.
    """
    others = [text for text in asked if text not in USUAL and text not in listed]
    if others:
        raise MissingTextError(
            f"the plan's table.missing has {', '.join(map(repr, others))}, which the site does not list: if they stand "
            "for a missing value in your table, add them to `missing` in site.yaml; if one is a value, the plan would "
            "learn how many patients have it"
        )
