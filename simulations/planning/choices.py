"""List the groups of ``fedgraft.conf`` and their members, from which a plan chooses."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fedgraft.common.errors import PlanError

_YAML = ".yaml"


def groups(config_dir: Path | None = None) -> dict[str, list[str]]:
    """The members of each group, both in alphabetical order.

    Args:
        config_dir: the user's own folder, laid out like ``fedgraft.conf``; its members are added.

    Raises:
        PlanError: ``config_dir`` is no folder.
    """
    if config_dir is not None and not config_dir.is_dir():
        raise PlanError(f"config_dir={config_dir} is not a folder; name one that holds GROUP/NAME.yaml")
    found: dict[str, set[str]] = {}
    roots: list[Traversable] = [files("fedgraft.conf"), *([] if config_dir is None else [config_dir])]
    for root in roots:
        for folder in root.iterdir():
            names = [] if folder.is_file() else [one.name for one in folder.iterdir() if one.name.endswith(_YAML)]
            if names:
                found.setdefault(folder.name, set()).update(name.removesuffix(_YAML) for name in names)
    return {group: sorted(found[group]) for group in sorted(found)}


def several_members(word: str, known: Collection[str]) -> str | None:
    """The error message for a word that gives a group a list, such as ``loss=[focal,ldam]``; else ``None``.

    Hydra would accept it and use only the last member.

    Args:
        word: an override as on the command line.
        known: the names of the groups.
    """
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:  # Hydra itself reports it
        return None
    if override.key_or_group not in known or override.is_sweep_override() or override.is_delete():
        return None
    group, value = override.key_or_group, override.value()
    if not isinstance(value, list):
        return None
    return f"{word}: {group} takes one member; for a run of each use -m {group}={','.join(map(str, value))}"


def name_of(word: str) -> str:
    """The option or group that an override sets."""
    return word.lstrip("+~").partition("=")[0]


def choices(group: str | None = None, config_dir: str | Path | None = None) -> list[str]:
    """The names of a group's members, to use in `fedgraft.plan`; without ``group``, the names of the groups.

    Raises:
        PlanError: there is no such group.
    """
    known = groups(None if config_dir is None else Path(config_dir))
    if group is None:
        return list(known)
    if group not in known:
        raise PlanError(f"{group} is not a group; choose one of {', '.join(known)}")
    return known[group]
