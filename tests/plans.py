"""Plans of words, for the tests: what `fedgraft.simulations.planning.words.composed` makes, in a fifth of its time.

Hydra takes most of a composition to read and merge the members of all groups. Here that is done once for each choice of
members that choose others or set options of other groups; one that does neither takes the place of its group's, and
options are then set as Hydra sets them. Words that this does not read, or refuses, go to `composed` itself, so that
what a user is told is said there. tests/test_plans.py compares both.
"""

from __future__ import annotations

import os
from copy import deepcopy
from functools import cache
from importlib.resources import files

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning import words as planning
from fedgraft.simulations.planning.choices import groups
from fedgraft.simulations.planning.compose import to_study


def plan_of_words(words: tuple[str, ...]) -> Plan:
    """The plan of these words; the same words give the same (frozen) plan.

    Raises:
        PlanError: as `fedgraft.simulations.planning.words.composed`.
    """
    return _plan(words, os.environ.get("FEDGRAFT_DATA"))


@cache
def _plan(words: tuple[str, ...], data: str | None) -> Plan:
    """``data``: where it looks for what a plan leaves open."""
    config = _config(words)
    if config is None:
        return planning.composed(planning.Words(words)).plan
    return to_study(config, chosen={*map(planning.name_of, words)})[0]


def _config(words: tuple[str, ...]) -> DictConfig | None:
    """What Hydra composes of these words; ``None`` if they do more than choose members, and set or add options."""
    known = groups()
    try:
        overrides = OverridesParser.create().parse_overrides([*words])
        chosen = [one for one in overrides if one.key_or_group in known]
        if not all(
            isinstance(one.value(), str) and one.type is OverrideType.CHANGE and not one.package for one in chosen
        ):
            return None
        config = _members(tuple((one.key_or_group, str(one.value())) for one in chosen))
        if not all(_set(config, one) for one in overrides if one.key_or_group not in known):
            return None
    except (HydraException, OmegaConfBaseException):
        return None
    return config


Choice = tuple[str, str]
"""A group and its member."""
BY_DEFAULT = (("data", "phantom"), ("aggregation", "plain"), ("privacy", "none"))
"""Those by default that may set options of other groups. An experiment chooses data, so it is left to Hydra."""


def _members(chosen: tuple[Choice, ...]) -> DictConfig:
    """The options of these members, and of those that are chosen by default."""
    alone = {group: name for group, name in chosen if _alone(group, name) is not None}
    rest = tuple(one for one in chosen if one[0] not in alone)
    whole = len(alone) + len(rest) < len(chosen) or any(group == "experiment" for group, _ in rest)
    if whole or not all(_replaceable(group, rest) for group in alone):
        return deepcopy(_merged(chosen))
    config = deepcopy(_merged(rest))
    for group, name in alone.items():
        config[group] = deepcopy(_alone(group, name))
    return config


@cache
def _merged(chosen: tuple[Choice, ...]) -> DictConfig:
    with planning.hydra_initialised():
        return compose("plan", ["=".join(one) for one in chosen])


@cache
def _read(group: str, name: str) -> tuple[str, DictConfig]:
    """A member's file: its text and what is in it."""
    file = files("fedgraft.conf") / group / f"{name}.yaml"
    text = file.read_text() if file.is_file() else ""
    read = OmegaConf.create(text or "{}")
    return text, read if isinstance(read, DictConfig) else OmegaConf.create()


@cache
def _alone(group: str, name: str) -> DictConfig | None:
    """The options of a member; ``None`` if it is none, chooses other members, or sets options of other groups."""
    text, read = _read(group, name)
    return read if read and "@package" not in text and "defaults" not in read else None


def _replaceable(group: str, others: tuple[Choice, ...]) -> bool:
    """Whether a group's options are those of one of its members, of which the other members change none."""
    set_by_others = any(group in _read(*one)[1] for one in (*BY_DEFAULT, *others))
    options = _merged(others).get(group)
    members = (_alone(group, name) for name in groups()[group])
    return not set_by_others and options is not None and any(options == one for one in members)


def _set(config: DictConfig, override: Override) -> bool:
    """Set an option, or add one that is not there; whether it was either.

    Raises:
        OmegaConfBaseException: there is no such option, or it does not take the value.
    """
    name, new = override.key_or_group, override.is_add()
    plain = override.type is OverrideType.CHANGE or (new and OmegaConf.select(config, name) is None)
    if not plain or override.package is not None or override.is_sweep_override() or name.startswith("hydra"):
        return False
    OmegaConf.update(config, name, override.value(), merge=True, force_add=new)
    return True
