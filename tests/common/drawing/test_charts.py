"""Where things are drawn, and the intervals that are drawn there."""

from __future__ import annotations

from fedgraft.common.drawing.charts import MOST_TIPS, Axis, Series, chart, strip
from fedgraft.common.drawing.markup import Html, listed, tag
from fedgraft.common.drawing.numbers import duration, of_hundred, percent, size


def test_ticks_are_round_numbers_on_the_axis() -> None:
    assert Axis("").ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Axis("", 0, 3, whole=True).ticks() == [0, 1, 2, 3]
    assert Axis("", 0, 100, whole=True).ticks() == [0, 20, 40, 60, 80, 100]
    assert Axis("", -0.1, 0.5).ticks() == [0, 0.2, 0.4]
    assert Axis("", 0.431, 0.447).ticks() == [0.435, 0.44, 0.445]


def test_points_lie_where_the_axes_say() -> None:
    one = Series([(0, 0), (1, 1), (0.5, 2)], "c0", "name", ["a", "b", "<c>"], [(0, 0.5)])
    drawn = chart("title", "below", Axis("x"), Axis("y"), [one])
    # 360 x 270 units; the plot reaches from (52, 10) to (342, 228): 290 wide, 218 high
    assert 'd="M52.0 228.0L342.0 10.0L197.0 10.0"' in drawn  # beyond the axis: at its end
    assert '<line x1="52.0" x2="52.0" y1="228.0" y2="119.0" class="interval"/>' in drawn
    assert "<title>&lt;c&gt;</title>" in drawn and drawn.count("<circle") == 3


def test_many_points_have_no_words_each() -> None:
    many = Series([(0, 0)] * (MOST_TIPS + 1), "c0", None, ["tip"] * (MOST_TIPS + 1))
    assert "<circle" not in chart("", None, Axis(""), Axis(""), [many])


def test_a_strip_shows_what_lies_beyond_at_its_end() -> None:
    drawn = strip(Axis("", 0.5, 1.0), 0.75, (0.3, 1.0), "words")
    assert '<line x1="4.0" x2="112.0" y1="7" y2="7" class="line"/><circle cx="58.0"' in drawn


def test_markup_escapes_all_but_markup() -> None:
    assert tag("p", "<a>", Html("<b>"), None, class_='"', data_x=1, y=None) == (
        '<p class="&quot;" data-x="1">&lt;a&gt;<b></p>'
    )
    assert listed(["a", "b", "<c>"], 2) == "<bdi>a</bdi>, <bdi>b</bdi> and 1 more"


def test_numbers_in_words() -> None:
    assert [percent(value) for value in (None, 0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "–",
        "0 %",
        "0.4 %",
        "50 %",
        "99.6 %",
        "100 %",
    ]
    assert [of_hundred(value) for value in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        "0",
        "fewer than 1",
        "50",
        "more than 99",
        "100",
    ]
    assert [size(count) for count in (12, 1500, 2.5e6, 4e12)] == ["12 bytes", "1.5 kB", "2.5 MB", "4,000.0 GB"]
    assert [duration(one) for one in (None, 3.25, 600, 7200)] == ["–", "3.2 s", "10.0 min", "2.0 h"]
