"""Make a plan from words as on the command line, and from Python keywords."""

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

from fedgraft.common.errors import PlanError, first_line
from fedgraft.common.plan.patience_section import OLD_NAMES, renamed_sentence
from fedgraft.simulations.planning.choices import groups, several_members
from fedgraft.simulations.planning.compose import study_problems
from fedgraft.simulations.planning.planned import Planned, Words


def words_of(words: Sequence[str], keywords: Mapping[str, Any], config_dir: str | Path | None = None) -> Words:
    """Turn keywords into words and options.

    ``loss="focal"`` chooses a member of a group, ``loss=None`` the member ``none``. Any other keyword sets a value. Two
    underscores in a keyword are a dot: ``train__lr=0.1`` is ``train.lr``.
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
    """Compose and check a plan and its study.

    Raises:
        PlanError: words that can't be read and options that are wrong, all in one list.
    """
    problems: list[str] = []
    config = _composed(_understood(asked, problems), asked.config_dir, problems)
    for name, value in asked.options.items():
        problems += _set(config, name, value)
    said: list[str] = []
    plan, study, found, graft = study_problems(config, said.append)
    if problems or plan is None:
        raise PlanError([*problems, *found])
    return Planned(plan, study, asked, tuple(said), graft)


def _set(config: DictConfig, name: str, value: Any) -> list[str]:
    """Set an option, which need not exist; return the problems."""
    if callable(value):
        return [f"{name}={value!r} is no value; a class in place of a part goes to simulate(plan, parts={{...}})"]
    try:
        with open_dict(config):
            OmegaConf.update(config, name, value, merge=True, force_add=True)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        return [f"{name}={value!r}: {first_line(error)}"]
    return []


def _understood(asked: Words, problems: list[str]) -> list[str]:
    """The words that Hydra can parse and whose members exist; a problem is added for each other word."""
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
        elif name in known and not (override.is_delete() or isinstance(value, dict) or value in known[name]):
            problems.append(f"{word}: there is no such {name}; choose one of {', '.join(known[name])}")
        else:
            good.append(word)
    return good


def _composed(words: list[str], config_dir: Path | None, problems: list[str]) -> DictConfig:
    """Compose the words with Hydra; a word that it refuses is left out, and a problem added."""
    folder = str(config_dir).replace("'", "\\'")
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{folder}']"]
    while True:
        try:
            with hydra_initialised():
                return compose("plan", [*path, *words])
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            text = str(error)
            if not words:
                raise PlanError([*problems, first_line(error)]) from error
            culprit = next((word for word in words if name_of(word) in re.findall(r"[\w./@]+", text)), None)
            problems.append(first_line(error) if culprit is None else f"{culprit}: {_to_do(text, culprit)}")
            words = [] if culprit is None else [word for word in words if word != culprit]


def option_names(section: str, words: Sequence[str], config_dir: Path | None) -> set[str]:
    """The dotted names of a section's options in the plan that the words compose."""
    return {f"{section}.{name}" for name in _composed([*words], config_dir, [])[section]}


@contextmanager
def hydra_initialised() -> Iterator[None]:
    """Initialise Hydra with our configuration; afterwards restore the state that other code has set."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("fedgraft.conf", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def _to_do(text: str, word: str) -> str:
    if name_of(word) in OLD_NAMES:
        return renamed_sentence(name_of(word))
    if text.startswith("Could not override"):
        return f"{name_of(word)} is not an option here; to give a part one of its own, write +{word}"
    return text.splitlines()[0]


def name_of(word: str) -> str:
    """The option or group that an override sets."""
    return word.lstrip("+~").partition("=")[0]


def _plain(value: Any) -> Any:
    """Convert a value to what YAML has: paths become text, NumPy numbers Python numbers, and tuples lists."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
