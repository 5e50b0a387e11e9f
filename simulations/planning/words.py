"""A plan from Python: words as on the command line, and keywords with Python's own values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common.errors import PlanError
from fedgraft.simulations.planning.choices import groups, several_members
from fedgraft.simulations.planning.compose import study_problems
from fedgraft.simulations.planning.planned import Planned, Words


def words_of(words: Sequence[str], keywords: Mapping[str, Any], config_dir: str | Path | None = None) -> Words:
    """``loss="focal"`` chooses a member of a group (``None`` is ``"none"``); any other keyword sets a value.

    Two underscores in a keyword are a dot: ``train__lr=0.1`` is ``train.lr``.
    """
    folder = None if config_dir is None else Path(config_dir).resolve()
    known = groups(folder)
    chosen, options = [*words], {}
    for keyword, value in keywords.items():
        name = keyword.replace("__", ".")
        if name in known and (value is None or isinstance(value, str)):
            chosen.append(f"{name}={'none' if value is None else value}")
        else:
            options[name] = _plain(value)
    return Words(tuple(chosen), options, folder)


def composed(asked: Words) -> Planned:
    """The checked plan, and the study of it if there is one.

    Raises:
        PlanError: every word that can't be understood and every option that is wrong, in one list.
    """
    problems: list[str] = []
    config = _composed(_understood(asked, problems), asked.config_dir, problems)
    for name, value in asked.options.items():
        problems += _set(config, name, value)
    said: list[str] = []
    plan, study, found = study_problems(config, said.append)
    if problems or plan is None:
        raise PlanError([*problems, *found])
    return Planned(plan, study, asked, tuple(said))


def _set(config: DictConfig, name: str, value: Any) -> list[str]:
    """Give an option its value, whether it was there or not; what is wrong with the value."""
    if callable(value):
        return [f"{name}={value!r} is no value; a class in place of a part goes to simulate(plan, parts={{...}})"]
    try:
        with open_dict(config):
            OmegaConf.update(config, name, value, merge=True, force_add=True)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        return [f"{name}={value!r}: {_first_line(error)}"]
    return []


def _understood(asked: Words, problems: list[str]) -> list[str]:
    """The words that Hydra's grammar and the groups have; of each other one, what is wrong with it."""
    known, parser = groups(asked.config_dir), OverridesParser.create()
    good = []
    for word in asked.words:
        try:
            override = parser.parse_override(word)
            value = None if override.is_sweep_override() else override.value()
        except (HydraException, TypeError):  # TypeError: not even text
            problems.append(f"{word!r} is not of the form name=value")
            continue
        name = override.key_or_group
        if (wrong := several_members(word, known)) is not None:
            problems.append(wrong)
        elif override.is_sweep_override():
            problems.append(f"{word}: several values are several plans; make each by itself, in a loop")
        elif name.startswith("hydra"):
            problems.append(f"{word} has no effect here; fedgraft.simulate(plan, out=...) takes the folder")
        elif name in known and isinstance(value, str) and not override.is_delete() and value not in known[name]:
            problems.append(f"{word}: there is no such {name}; choose one of {', '.join(known[name])}")
        else:
            good.append(word)
    return good


def _composed(words: list[str], config_dir: Path | None, problems: list[str]) -> DictConfig:
    """What Hydra makes of the words, less those that it refuses."""
    folder = str(config_dir).replace("'", "\\'")
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{folder}']"]
    while True:
        try:
            with _hydra():
                return compose("plan", [*path, *words])
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            text = str(error)
            if not words:
                raise PlanError([*problems, _first_line(error)]) from error
            culprit = next((word for word in words if _name(word) in re.findall(r"[\w./@]+", text)), None)
            problems.append(_first_line(error) if culprit is None else f"{culprit}: {_to_do(text, culprit)}")
            words = [] if culprit is None else [word for word in words if word != culprit]


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra over our configuration; what somebody else has begun with it goes on afterwards."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("fedgraft.conf", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def _to_do(text: str, word: str) -> str:
    if text.startswith("Could not override"):
        return f"{_name(word)} is not an option here; to give a part one of its own, write +{word}"
    return text.splitlines()[0]


def _name(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain(value: Any) -> Any:
    """What YAML has: paths become text, NumPy's numbers and tuples Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
