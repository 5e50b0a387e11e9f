"""List everything that a plan switches on, one line each, so that its reader need not know the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any

from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.feature_sections import NetworkSection
from fedgraft.common.plan.plan import Plan

_PARTS = ("features", "adaptation", "initial", "alignment", "personal", "adapt", "sampling", "harmonise", "compression")
_BARE = ("augment", "train", "backbone", "calibration", "decide", "audit", "aggregation")
"""Sections without a part, of which only the options that differ from "off" are listed."""
_STRENGTHS = ("rotate", "shift", "zoom", "brightness", "contrast", "flip")
_OFF: Mapping[str, Any] = MappingProxyType(
    {"views": 1, "batch_norm": "eval", "freeze": "all", "keep_as": "float32", **dict.fromkeys(_STRENGTHS, 0)}
)


def summary_lines(plan: Plan) -> tuple[str, ...]:
    """``section: part, option=value, ...`` for each part, and ``section: option=value, ...`` for other sections."""
    lines = [f"head: {_called(plan, 'head')}", f"loss: {_called(plan, 'loss')}, weights={plan.loss.weights}"]
    lines += [f"strategy: {_called(plan, 'strategy')}"]
    lines += [f"{name}: {_called(plan, name)}" for name in _PARTS if getattr(plan, name).target is not None]
    if plan.features.target is None and (on := list(_differing(plan.features))):
        lines.append(f"features: {', '.join(on)}")
    lines += [f"{name}: {', '.join(on)}" for name in _BARE if (on := list(_differing(getattr(plan, name))))]
    lines += [f"hold_out: {', '.join(plan.hold_out)}"] * bool(plan.hold_out)
    lines += [f"select: {plan.select}"] * (plan.select != "last")
    lines += [f"start_from: the graft {str(plan.start_from)[:12]} of a finished run"] * (plan.start_from is not None)
    return tuple(lines)


def _called(plan: Plan, section: str) -> str:
    part = getattr(plan, section)
    named = [f"{name}={value}" for name, value in part.options.items()]
    own = [] if part.target is None else [choice_of(section, part.target, _all(part))]
    return ", ".join([*own, *_differing(part), *named])


def _all(part: Any) -> dict[str, Any]:
    """The options of the section itself, and those of its part."""
    return {**vars(part), **part.options}


def _differing(section: Any) -> Iterator[str]:
    """``name=value`` for each field of a section that has an "off" value and a different one now."""
    for each in fields(section):
        value = getattr(section, each.name)
        off = _OFF.get(each.name, each.default)
        if each.name in ("target", "options") or off is MISSING or value == off:
            continue
        yield f"{each.name}={_said(value)}"


def _said(value: Any) -> str:
    """An option's value; of several networks, names and sizes."""
    if not (isinstance(value, tuple) and value and isinstance(value[0], NetworkSection)):
        return str(value)
    return f"[{', '.join(one.name if one.size is None else f'{one.name} at {one.size}' for one in value)}]"
