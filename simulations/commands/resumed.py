"""``fedgraft simulate resume=RUN``: the words by which a run was begun, from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from fedgraft.common.errors import CheckpointError
from fedgraft.common.model_folder.graft import FILE
from fedgraft.simulations.commands.hydra_main import flags_and_overrides
from fedgraft.simulations.planning.begins import START_FROM
from fedgraft.simulations.planning.choices import name_of

RESUME, EXTEND = "resume=", "extend="
_WORDS, _HYDRA = Path(".hydra") / "overrides.yaml", Path(".hydra") / "hydra.yaml"
_COMMAND_LINE = "command-line"


class Again(NamedTuple):
    """The words that began a run, with its folder, and the number of rounds to add."""

    words: list[str]
    extend: int


def resumed_words(arguments: Sequence[str]) -> Again | None:
    """The words of the command that began the run named by ``resume=RUN``; ``None`` without that word.

    Raises:
        CheckpointError: there are other words, or the folder is not of a run that ``fedgraft simulate`` began.
    """
    flags, overrides = flags_and_overrides(arguments)
    named = [word.removeprefix(RESUME) for word in overrides if word.startswith(RESUME)]
    if not named:
        return None
    others = [word for word in (*flags, *overrides) if not word.startswith((RESUME, EXTEND))]
    if others or len(named) > 1:
        raise CheckpointError(
            f"resume={named[0]} goes on with the plan of that run; leave out {' '.join(others) or 'the other resume'}"
        )
    folder, extend = Path(named[0]), _extension(overrides)
    if not (folder / _WORDS).is_file():
        raise CheckpointError(
            f"resume={named[0]}: no run that `fedgraft simulate` began is there ({_WORDS} is missing); name the "
            "folder that it printed"
        )
    words = yaml.safe_load((folder / _WORDS).read_text(encoding="utf-8"))
    words = [_from_own_folder(str(word), folder) for word in words]
    return Again([*_config_dir(folder), *words, f"hydra.run.dir={_quoted(folder)}"], extend)


def _from_own_folder(word: str, folder: Path) -> str:
    """The word; one that names the run from whose graft this one begins then names the file in this run's folder."""
    is_kept = name_of(word) == START_FROM and (folder / FILE).is_file()
    return f"{START_FROM}={_quoted(folder / FILE)}" if is_kept else word


def _extension(overrides: Sequence[str]) -> int:
    given = [word.removeprefix(EXTEND) for word in overrides if word.startswith(EXTEND)]
    if not given:
        return 0
    if not (given[-1].isascii() and given[-1].isdecimal() and int(given[-1]) > 0):
        raise CheckpointError(f"extend={given[-1]}: give a number of rounds, 1 or more")
    return int(given[-1])


def _config_dir(folder: Path) -> list[str]:
    """The flag that names the user's own groups, if there was one."""
    known = yaml.safe_load((folder / _HYDRA).read_text(encoding="utf-8"))
    sources = known["hydra"]["runtime"]["config_sources"]
    paths = [str(source["path"]) for source in sources if source["provider"] == _COMMAND_LINE]
    return ["--config-dir", paths[0]] if paths else []


def _quoted(folder: Path) -> str:
    text = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
