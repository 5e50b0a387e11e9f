"""Split a backbone into stages, from the input up, as timm's ``group_matcher`` groups its tensors.

A stage is frozen or trained as a whole, and an adaptation layer can follow it. The first is called ``stem``; any other
has the shortest module path that belongs to it alone as its name (``blocks.3``, ``layer4``).
"""

from __future__ import annotations

from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage


def find_stages(backbone: nn.Module) -> tuple[Stage, ...]:
    """The backbone's stages in order; every tensor of its state is in exactly one."""
    names = list(backbone.state_dict())
    groups = _groups(backbone, names)
    modules = {name for name, _ in backbone.named_modules()}
    stages = []
    for index, tensors in enumerate(groups):
        others = {name for group in groups if group is not tensors for name in group}
        units = [_own_prefix(name, others) for name in tensors]
        outputs = tuple(dict.fromkeys(unit for unit in units if unit in modules))
        name = "stem" if index == 0 else units[0]
        stages.append(Stage(name, tensors, outputs[-1] if outputs else None, outputs))
    return tuple(stages)


def _groups(backbone: nn.Module, names: list[str]) -> list[tuple[str, ...]]:
    """Names of tensors, stage by stage; grouped by top-level module if the backbone has no coarse ``group_matcher``."""
    try:
        matcher = backbone.group_matcher(coarse=True)  # type: ignore[operator]
        from timm.models._manipulate import group_with_matcher  # it has one, so timm is loaded

        grouped = group_with_matcher(((name, name) for name in names), matcher, return_values=True)
    except (AttributeError, AssertionError, TypeError, KeyError):
        by_module: dict[str, list[str]] = {}
        for name in names:
            head, _, rest = name.partition(".")
            position = rest.partition(".")[0]
            by_module.setdefault(f"{head}.{position}" if position.isdecimal() else head, []).append(name)
        return [tuple(group) for group in by_module.values()]
    return [tuple(grouped[key]) for key in sorted(grouped)]


def frozen_tensors(stages: tuple[Stage, ...], freeze: str) -> frozenset[str]:
    """Names of the backbone's tensors that ``freeze`` keeps constant.

    Args:
        freeze: ``all``, ``none``, or the name of the last frozen stage.

    Raises:
        PlanError: there is no such stage; the message lists them.
    """
    names = [stage.name for stage in stages]
    if freeze == "none":
        return frozenset()
    if freeze != "all" and freeze not in names:
        raise PlanError(f"backbone.freeze={freeze} is not a stage; choose all, none or one of: {', '.join(names)}")
    last = len(stages) if freeze == "all" else names.index(freeze) + 1
    return frozenset(name for stage in stages[:last] for name in stage.tensors)


def _own_prefix(name: str, others: set[str]) -> str:
    """The shortest module path that is a prefix of ``name`` and of none of ``others``; ``name`` itself if none is."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        prefix = ".".join(parts[:length])
        if not any(other == prefix or other.startswith(f"{prefix}.") for other in others):
            return prefix
    return name


def repeated(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages whose names differ from another's only in the number at the end (``blocks.0``, ``blocks.1``): without
    a stem, a last norm or convolution. All stages if there are none."""
    kinds = [stage.name.rstrip("0123456789") for stage in stages]
    found = tuple(stage for stage, kind in zip(stages, kinds, strict=True) if kinds.count(kind) > 1)
    return found or stages
