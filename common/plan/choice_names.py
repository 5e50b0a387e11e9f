"""What a person calls a part: by the choice of ``conf/<group>`` that names it, as in ``initial=ridge``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from fedgraft.common.plain_yaml import LOADER


def choice_of(group: str, target: str, options: Mapping[str, Any] | None = None) -> str:
    """The choice's name; the name of the class or function itself if no choice names it.

    Args:
        group: the plan's section.
        target: dotted path.
        options: as far as they are known; of several choices that name the same part, the one that they agree with
            most is meant (``fedbn`` and ``silobn`` are one class).
    """
    given = {} if options is None else options
    agreeing = {
        name: sum(option in given and given[option] == value for option, value in section.items())
        for name, section in _choices(group).items()
        if section.get("_target_") == target
    }
    return min(agreeing, key=lambda name: (-agreeing[name], name), default=target.rpartition(".")[2])


def choice_of_part(group: str, part: Callable[..., Any], options: Mapping[str, Any] | None = None) -> str:
    """`choice_of`, of a class or function itself; also where a choice names it by a package that passes it on."""
    module, target = part.__module__, f"{part.__module__}.{part.__qualname__}"
    while module and not any(section.get("_target_") == target for section in _choices(group).values()):
        module = module.rpartition(".")[0]
        target = f"{module}.{part.__qualname__}"
    return choice_of(group, target, options)


@cache
def _choices(group: str) -> Mapping[str, Mapping[str, Any]]:
    """The sections that the files of a group give, by the files' names."""
    folder = files("fedgraft.conf") / group
    if not folder.is_dir():
        return {}
    read = {file.name: yaml.load(file.read_text(encoding="utf-8"), LOADER) for file in folder.iterdir()}
    return {
        name.removesuffix(".yaml"): content.get(group, content) for name, content in read.items() if content is not None
    }
