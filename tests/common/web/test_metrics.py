"""The text of figures, read by a parser after the format's own description."""

from __future__ import annotations

import re

import pytest

from fedgraft.common.web.metrics import Metric, Sample, exposition

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(
    rf'({NAME})(?:\{{({LABEL}="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,{LABEL}="(?:[^"\\\n]|\\\\|\\"|\\n)*")*)\}})? (\S+)'
)
PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')

Labels = tuple[tuple[str, str], ...]


def parsed(text: str) -> dict[str, tuple[str, dict[Labels, float]]]:
    """Metrics as (type, value by labels), strictly after
    https://prometheus.io/docs/instrumenting/exposition_formats/: each line ends in a line feed, a metric's lines stand
    together behind its one HELP and one TYPE, and no sample comes twice."""
    assert text.endswith("\n") or not text
    found: dict[str, tuple[str, dict[Labels, float]]] = {}
    helped, current = set(), ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = re.fullmatch(rf"# HELP ({NAME}) .+", line)[1]  # type: ignore[index]
            assert current not in helped
            helped.add(current)
        elif line.startswith("# TYPE "):
            name, kind = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line).groups()  # type: ignore[union-attr]
            assert name == current and name not in found
            found[name] = (kind, {})
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample is not None and sample[1] == current, line
            labels = tuple((name, unescaped(value)) for name, value in PAIR.findall(sample[2] or ""))
            assert labels not in found[current][1]
            found[current][1][labels] = float(sample[3])
    return found


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], text)


def test_every_kind_of_name_and_value() -> None:
    awkward = 'a "quoted" \\ name\nin two lines, {x="1"}'
    metrics = (
        Metric("fedgraft_up", "1 if it answers\\, else 0\n", "gauge", [Sample(1)]),
        Metric(
            "fedgraft_bytes", "sent", "counter", [Sample(12345678901, {"site": awkward}), Sample(0.5, {"site": ""})]
        ),
        Metric("fedgraft_none", "has no sample", "gauge", []),
        Metric("fedgraft_ends", "of numbers", "gauge", [Sample(float("inf"), {"a": "1", "b": "2"})]),
    )
    assert parsed(exposition(metrics)) == {
        "fedgraft_up": ("gauge", {(): 1.0}),
        "fedgraft_bytes": ("counter", {(("site", awkward),): 12345678901.0, (("site", ""),): 0.5}),
        "fedgraft_ends": ("gauge", {(("a", "1"), ("b", "2")): float("inf")}),
    }
    assert "+Inf" not in exposition(metrics) and " Inf\n" in exposition(metrics)
    assert exposition(()) == ""


@pytest.mark.parametrize(
    "wrong", ['up{a="x" 1\n', "up 1", "# TYPE up gauge\nup 1\n", '# HELP a b\n# TYPE a gauge\na{b="\n"} 1\n']
)
def test_the_parser_is_strict(wrong: str) -> None:
    with pytest.raises((AssertionError, TypeError, KeyError)):
        parsed(wrong)
