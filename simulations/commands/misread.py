"""What is wrong with words that Hydra can't compose, said as in Python, and what may have been meant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from fedgraft.common.errors import FedGraftError, PlanError, first_line
from fedgraft.simulations.planning.choices import name_of
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

_RAISES = "HYDRA_FULL_ERROR"
_OWN_CHOICES = ("-cd", "--config-dir")


@contextmanager
def raising() -> Iterator[None]:
    """Let Hydra raise what it can't compose, instead of printing it with an advice of its own."""
    before = os.environ.get(_RAISES)
    os.environ[_RAISES] = "1"
    try:
        yield
    finally:
        os.environ.pop(_RAISES)
        if before is not None:
            os.environ[_RAISES] = before


def misread(flags: Sequence[str], overrides: Sequence[str], error: Exception) -> PlanError:
    """What is wrong with the words, said as in Python; what Hydra says of them, if they are wrong for it alone."""
    folder = next((after for flag, after in pairwise(flags) if flag in _OWN_CHOICES), None)
    plain = [word for word in overrides if not name_of(word).startswith("hydra")]
    try:
        for words in _points(plain):
            composed(Words(words, config_dir=None if folder is None else Path(folder).resolve()))
    except PlanError as said:
        return said
    except FedGraftError:
        pass
    return PlanError(first_line(error))


def _points(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The words of one point of a sweep after another, such that each value of each word is in one of them."""
    parser, fixed, values = OverridesParser.create(), [], []
    for word in words:
        try:
            override = parser.parse_override(word)
        except HydraException:
            fixed.append(word)
            continue
        if override.is_sweep_override():
            values.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            fixed.append(word)
    for place in range(max(map(len, values), default=1)):
        yield (*fixed, *(several[place % len(several)] for several in values))
