"""Limits on a single file, checked before memory is allocated; each site sets its own in ``site.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

Amount = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Limits:
    """The most that one file may have or take.

    ``pixels``: rows times columns of one frame. ``frames``: frames of a file, or files of a series. ``decoded_bytes``:
    bytes decoded at once. ``header_bytes``: of a DICOM file before its pixels. ``seconds``: to read and decode a file.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    pixels: Amount = 64_000_000
    frames: Amount = 10_000
    decoded_bytes: Amount = 1_000_000_000
    header_bytes: Amount = 64_000_000
    seconds: Annotated[float, Field(gt=0)] = 60.0


@dataclass(frozen=True)
class NoteTools:
    """What this site has to vary notes with (`fedgraft.client.notes`).

    ``wordnet``: a folder of WordNet 3.0's files, for synonyms. ``translator``: ``apertium``, or
    ``package.module:function`` of a callable that takes sentences to another language and back; ``None``: none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    wordnet: Path = Path("/usr/share/wordnet")
    translator: str | None = None


@dataclass(frozen=True)
class Rules:
    """The site file's rules for reading files (`fedgraft.client.site.site_file.SiteFile`).

    ``missing``: texts that a plan may count as missing, besides the usual ones; ``None`` for all that it names, where
    there is no site. ``notes``: what copies of notes are made with.
    """

    limits: Limits = field(default_factory=Limits)
    refuse_burned_in: bool = True
    missing: tuple[str, ...] | None = None
    notes: NoteTools = field(default_factory=NoteTools)
