"""Who is silent, and what a run's terminal says of it."""

from __future__ import annotations

import re

from fedgraft.common.runtime.moments import ago, clock_time
from fedgraft.common.wire.site_facts import SiteFacts
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.deployment.public.silence import SilenceNews, silent_since

FACTS = SiteFacts("1", 1, "rows")


def test_a_site_is_silent_after_45_seconds_and_one_that_never_told_is_not_flagged() -> None:
    announced = {"north": Announced(55.0, FACTS), "south": Announced(54.9, FACTS), "gone": Announced(0.0, FACTS)}
    assert silent_since(["north", "south", "old"], announced, 100.0) == {"south": 54.9}


def test_each_change_is_said_once() -> None:
    news, names = SilenceNews(), ["north", "south"]
    heard = {"north": Announced(100.0, FACTS), "south": Announced(100.0, FACTS)}
    assert news.lines(names, heard, 120.0) == []
    (line,) = news.lines(names, {**heard, "north": Announced(170.0, FACTS)}, 170.0)
    assert re.match(
        r"site south is silent since .*\d\d:\d\d:40: is its machine on, its line, `fedgraft site start`", line
    )
    assert news.lines(names, {**heard, "north": Announced(180.0, FACTS)}, 180.0) == [], "once"
    both = {name: Announced(190.0, FACTS) for name in names}
    assert news.lines(names, both, 191.0) == ["site south is heard again"]


def test_times_in_words() -> None:
    assert [ago(n) for n in (-1, 12.9, 119, 120, 7_199, 7_200, 200_000)] == [
        "0 s",
        "12 s",
        "119 s",
        "2 min",
        "119 min",
        "2 h",
        "2 days",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:40", clock_time(100.0))
