"""What left a site, from its own log (``state/released.jsonl``): by day and by kind, with bytes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.site.log_names import RELEASED
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.files import whole_lines


@dataclass(frozen=True)
class Left:
    """What left of one kind on one day.

    Attributes:
        day: ISO 8601, in UTC.
        what: the kind, as ``update`` or ``evaluation``.
        times: how often.
        bytes: of weights that were sent; other kinds are numbers of some hundred bytes, which are not counted.
    """

    day: str
    what: str
    times: int
    bytes: int


def read_left(state: Path) -> tuple[Left, ...]:
    """What left, the newest day first."""
    return by_day(text for path in Chain(state / RELEASED).files() for text in whole_lines(path))


def by_day(lines: Iterable[str]) -> tuple[Left, ...]:
    """Lines of the log, counted."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for text in lines:
        line = json.loads(text)
        if "what" not in line:
            continue  # a line about the log itself
        one = found[str(line.get("time", ""))[:10], str(line["what"])]
        one[0] += 1
        one[1] += int(line.get("tensor_bytes") or 0)
    order = sorted(found.items(), key=lambda item: item[0][1])
    return tuple(Left(day, what, *counts) for (day, what), counts in sorted(order, key=lambda i: i[0][0], reverse=True))
