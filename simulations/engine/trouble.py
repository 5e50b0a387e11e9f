"""What went wrong at a simulated site, in words."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import FedGraftError


def sentence(site_file: Path, error: BaseException) -> str:
    """A sentence on an error at a simulated site; with the error's text, since it stays with whoever simulates."""
    what = str(error) if isinstance(error, FedGraftError) else f"{type(error).__name__}: {error}"
    return f"  at {site_file.parent.name}: {what}"
