"""Figures for Prometheus, in its text exposition format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/: a ``# HELP`` and a ``# TYPE`` line for each metric, then a
line for each sample; in the value of a label backslash, double quote and line feed are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """A value, and by which labels it differs from others of its metric."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """A figure; a ``counter`` only grows, a ``gauge`` goes up and down."""

    name: str
    help: str
    type: Literal["counter", "gauge"]
    samples: Sequence[Sample]


def exposition(metrics: Sequence[Metric]) -> str:
    """The text; a metric without samples is left out."""
    lines = []
    for metric in metrics:
        if metric.samples:
            told = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [f"# HELP {metric.name} {told}", f"# TYPE {metric.name} {metric.type}"]
            lines += [f"{metric.name}{_labels(one.labels)} {_number(one.value)}" for one in metric.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)).replace("inf", "Inf").replace("nan", "NaN")
