"""Figures as words: rounding, intervals, and what stands where there is no figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgraft.common.drawing.markup import Content, beside

MISSING = "–"


def figure(value: float | None, digits: int = 3) -> str:
    """A figure, as in ``summary.json`` but rounded; a dash if there is none."""
    return MISSING if value is None else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """A difference, with its sign: ``+0.012``; nothing is ``+0.000``, from whichever side it was rounded."""
    return f"{round(value, 3) + 0.0:+.3f}"


def alike(one: Mapping[str, Any]) -> str:
    """What stands in the place of the interval of a difference that is the same in all resamples: for whoever reads it,
    an interval of width 0 would be a certainty.

    Args:
        one: ``mean``, and ``cases_deviation``, without which only seeds were varied, and not the test cases.
    """
    what = "equal" if abs(one["mean"]) < 5e-4 else "the same"
    return f"{what} {'with every seed' if one.get('cases_deviation') is None else 'in all resamples'}"


def why_untold(one: Mapping[str, Any]) -> str:
    """Why such a difference tells nothing."""
    if one.get("cases_deviation") is None:
        return "what other test cases would change is not known"
    return "too few cases to tell"


def difference_words(one: Mapping[str, Any]) -> str:
    """``+0.012 (-0.004 to +0.028)`` of a difference (``mean``, ``low``, ``high``), or why there is no interval."""
    if one["mean"] is None:
        return "undefined"
    if one.get("same"):
        return f"{signed(one['mean'])} ({alike(one)})"
    interval = " (no interval)" if one["low"] is None else f" ({signed(one['low'])} to {signed(one['high'])})"
    return f"{signed(one['mean'])}{interval}"


def spread_words(one: Mapping[str, Any]) -> str:
    """``0.850 ± 0.071`` of a ``mean`` and its ``sd``."""
    if one["mean"] is None:
        return "undefined"
    return figure(one["mean"]) + ("" if one["sd"] is None else f" ± {one['sd']:.3f}")


def percent(value: float | None) -> str:
    """``54 %``; next to 0 and 1 with a decimal."""
    if value is None:
        return MISSING
    digits = 1 if 0 < value < 0.01 or 0.99 < value < 1 else 0
    return f"{100 * value:.{digits}f} %"


def of_hundred(value: float) -> str:
    """``54``, of 100 cases."""
    return "fewer than 1" if 0 < value < 0.005 else "more than 99" if 0.995 < value < 1 else f"{100 * value:.0f}"


def with_interval(one: Mapping[str, Any] | None) -> Content:
    """``54 %``, and below it ``47 to 61``, of a share with its interval."""
    if one is None:
        return MISSING
    return beside(percent(one["value"]), f"{100 * one['low']:.0f} to {100 * one['high']:.0f}")


def size(count: float) -> str:
    """Bytes, in the largest unit that fits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
