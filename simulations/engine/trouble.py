"""What went wrong at a simulated site, in words."""

from __future__ import annotations

import traceback
from pathlib import Path

from fedgraft.common.errors import FedGraftError

_OURS = Path(__file__).resolve().parents[2]
_INSTALLED = ("site-packages", "dist-packages")


def sentence(site_file: Path, error: BaseException) -> str:
    """A sentence on an error at a simulated site; with the error's text, since it stays with whoever simulates."""
    what = str(error) if isinstance(error, FedGraftError) else f"{type(error).__name__}: {error}{_where(error)}"
    return f"  at {site_file.parent.name}: {what}"


def _where(error: BaseException) -> str:
    """The last line of the caller's own code (a part of the plan) that led to it, else the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if not Path(one.filename).resolve().is_relative_to(_OURS)]
    own = [one for one in own if not {*Path(one.filename).parts}.intersection(_INSTALLED) and one.filename[0] != "<"]
    found = next(reversed([*frames[-1:], *own]), None)
    return "" if found is None else f" (in {found.filename}, line {found.lineno}, {found.name})"
