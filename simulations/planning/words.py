"""Make a plan from words as on the command line, and from Python keywords."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
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
from fedgraft.simulations.planning.against import AGAINST, quoted
from fedgraft.simulations.planning.choices import groups, name_of, several_members
from fedgraft.simulations.planning.compose import study_problems
from fedgraft.simulations.planning.planned import Planned, Words


def words_of(words: Sequence[str], keywords: Mapping[str, Any], config_dir: str | Path | None = None) -> Words:
    """Turn keywords into words and options.

    ``loss="focal"`` chooses a member of a group, ``loss=None`` the member ``none``. Any other keyword sets a value. Two
    underscores in a keyword are a dot: ``train__lr=0.1`` is ``train.lr``.
    """
    folder = None if config_dir is None else Path(config_dir).resolve()
    known = groups(folder)
    chosen, options = [quoted(word) if isinstance(word, str) else word for word in words], {}
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
    understood = _understood(asked, problems)
    config = _composed([*understood], asked.config_dir, problems)
    for name, value in asked.options.items():
        problems += _set(config, name, value)
    said: list[str] = []
    plan, study, found, graft = study_problems(config, said.append, _named(asked, understood))
    unset = {f"{str(word).partition('=')[0]} is not set" for word in asked.words if word not in understood}
    found = [one for one in found if one.partition(";")[0] not in unset]  # it was, in words that can't be read
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
            problems.append(f"{word!r} is not of the form name=value{_quotes(word)}")
            continue
        name = override.key_or_group
        if (wrong := several_members(word, known)) is not None:
            problems.append(wrong)
        elif override.is_sweep_override():
            problems.append(f"{word}: several values are several plans; make each by itself, in a loop")
        elif name.startswith("hydra"):
            problems.append(f"{word} has no effect here; fedgraft.simulate(plan, out=...) takes the folder")
        elif name in known and not (override.is_delete() or isinstance(value, dict) or value in known[name]):
            meant = close_to(str(value), known[name])
            problems.append(f"{word}: there is no such {name}{meant}; choose one of {', '.join(known[name])}")
        else:
            good.append(word)
    return good


def _named(asked: Words, words: Sequence[str]) -> set[str]:
    """Groups and options that the user named, by a word, a keyword or in a mapping (``train={"lr": 0.1}``)."""
    found = {*map(name_of, words)}
    for name, value in asked.options.items():
        found |= {f"{name}.{each}" for each in value} if isinstance(value, Mapping) else {name}
    return found


def _quotes(word: object) -> str:
    """What to do if only the value's signs stand in the way: Hydra has uses for spaces, brackets and quotes."""
    name, equals, value = str(word).partition("=")
    if name == AGAINST:
        return '; a rival of several words needs quotes: against=["strategy=fedprox rounds=30"]'
    if not (isinstance(word, str) and equals and value) or not _NAME.fullmatch(name) or value[0] in "[{":
        return ""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return (
        " as it stands: a value with spaces, brackets or signs needs quotes of its own, within those of the shell: "
        f"\"{name}='{quoted}'\""
    )


_NAME = re.compile(r"[+~]{0,2}[\w./@]+")


def _composed(words: list[str], config_dir: Path | None, problems: list[str]) -> DictConfig:
    """Compose the words with Hydra; a word that it refuses is left out, and a problem added."""
    folder = str(config_dir).replace("'", "\\'")
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{folder}']"]
    refused: list[tuple[str, str]] = []
    while True:
        try:
            with hydra_initialised():
                config = compose("plan", [*path, *words])
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            text = str(error)
            if not words:
                raise PlanError([*problems, first_line(error)]) from error
            culprit = next((word for word in words if name_of(word) in re.findall(r"[\w./@]+", text)), None)
            if culprit is None:
                problems.append(first_line(error))
            else:
                refused.append((culprit, text))
            words = [] if culprit is None else [word for word in words if word != culprit]
        else:
            names = [*_names(config)]
            problems += [f"{word}: {_to_do(text, word, names)}" for word, text in refused]
            return config


def _names(section: DictConfig, before: str = "") -> Iterator[str]:
    """The dotted names of all options."""
    for key in section:
        name = str(key)
        yield before + name
        inner = (
            None if OmegaConf.is_missing(section, name) or OmegaConf.is_interpolation(section, name) else section[name]
        )
        if isinstance(inner, DictConfig):
            yield from _names(inner, f"{before}{name}.")


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


def _to_do(text: str, word: str, names: Sequence[str]) -> str:
    name = name_of(word)
    if name in OLD_NAMES:
        return renamed_sentence(name)
    if text.startswith("Could not override"):
        own = f"; to give a part one of its own, write +{word}" if "." in name else ""
        return f"{name} is not an option here{close_to(name, names)}{own}"
    return text.splitlines()[0]


def close_to(word: str, names: Sequence[str]) -> str:
    """``" (did you mean rounds?)"``: what a mistyped word may have meant; ``""`` if nothing is near."""
    section, _, last = word.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in names if name.rpartition(".")[0] == section}
    inside = [name for name in names if name.endswith(f".{word}")]
    shorter = [name for one, name in beside.items() if last.startswith(one)]
    near = [*inside, *(beside[one] for one in get_close_matches(last, beside, n=1)), *shorter]
    return f" (did you mean {near[0]}?)" if near else ""


def _plain(value: Any) -> Any:
    """Convert a value to what YAML has: paths become text, NumPy numbers Python numbers, and tuples lists."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
