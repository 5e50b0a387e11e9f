"""There and back: sentences through a translator that the site names.

A translator is any callable ``list of sentences -> list of sentences`` that goes to another language and back, for
instance `Programs`: two programs that read lines and write lines. Nothing is sent anywhere by FedGraft itself; a
translator that asks a server would send patients' notes out of the house.
"""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shutil import which

from fedgraft.common.errors import DataError

Translate = Callable[[Sequence[str]], Sequence[str]]
"""Sentences to another language and back, in their order."""
APERTIUM = (("apertium", "-u", "eng-spa"), ("apertium", "-u", "spa-eng"))
"""Debian's ``apertium-eng-spa`` (GPL-2.0; Forcada et al. 2011), offline; ``-u``: unknown words without a sign."""
_BETWEEN = "\n\n"
_LONGEST_WAIT = 600  # seconds, for a batch


@dataclass(frozen=True)
class Programs:
    """Two programs, each a command with its options: into another language, and back.

    They read sentences with an empty line between them from standard input, and write as many.
    """

    there: tuple[str, ...] = APERTIUM[0]
    back: tuple[str, ...] = APERTIUM[1]

    def __call__(self, sentences: Sequence[str]) -> Sequence[str]:
        """
        Raises:
            DataError: a program is missing, fails, or writes another number of sentences than it read.
        """
        lines = [" ".join(sentence.split()) for sentence in sentences]
        return _through(self.back, _through(self.there, lines))


def named(path: str) -> Translate:
    """The callable of a dotted path such as ``package.module:function``; ``apertium`` is `Programs`.

    Raises:
        DataError: there is none.
    """
    if path == "apertium":
        return Programs()
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not callable(found):
        raise DataError(
            f"{path!r} is no translator: write `apertium`, or package.module:function of one that is installed"
        )
    translate: Translate = found
    return translate


def remembered(translate: Translate) -> Translate:
    """The same, asked only once for each sentence."""
    known: dict[str, str] = {}

    def ask(sentences: Sequence[str]) -> Sequence[str]:
        new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in known]
        if new:
            known.update(zip(new, translated(translate, new), strict=True))
        return [known[sentence] for sentence in sentences]

    return ask


def translated(translate: Translate, sentences: Sequence[str]) -> list[str]:
    """
    Raises:
        DataError: the translator gives another number of texts than it was given, or something else than texts.
    """
    found = list(translate(sentences))
    if len(found) != len(sentences) or not all(isinstance(text, str) for text in found):
        raise DataError(f"the translator was given {len(sentences)} sentences and did not give as many texts back")
    return found


def _through(command: Sequence[str], lines: Sequence[str]) -> list[str]:
    if which(command[0]) is None:
        raise DataError(
            f"the translator's program {command[0]} is not installed (Debian: apt-get install apertium-eng-spa)"
        )
    try:
        done = subprocess.run(
            command, input=_BETWEEN.join(lines), capture_output=True, text=True, encoding="utf-8", timeout=_LONGEST_WAIT
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"the translator {' '.join(command)} took more than {_LONGEST_WAIT} seconds") from None
    found = [" ".join(text.split()) for text in done.stdout.split(_BETWEEN)]
    if done.returncode != 0 or len(found) != len(lines):
        raise DataError(
            f"the translator {' '.join(command)} was given {len(lines)} sentences and wrote {len(found)}, exit code "
            f"{done.returncode}; its words are not shown, as they may be of a note"
        )
    return found
