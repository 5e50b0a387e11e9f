"""Models that a site fetched from its coordinator, by name: ``models/NAME`` in its state."""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import ModelError

MODELS = "models"
"""The folder of fetched models in the site's state."""


def model_at(asked: Path, site: SiteFile | None) -> Path:
    """The folder that is meant: the path itself, if it is there, else a model that was fetched by this name.

    Args:
        asked: as it was typed.
        site: ``None`` if none was named.

    Raises:
        ModelError: it is one word, no folder, and nothing of that name was fetched.
    """
    if asked.exists() or len(asked.parts) != 1 or asked.name.startswith("."):
        return asked
    if site is None:
        raise ModelError(
            f"{asked} is no folder; name a model's folder, or that of a run that has ended; or name by --site "
            "site.yaml the site that fetched a model of this name"
        )
    folder = site.state / MODELS
    if (folder / asked).is_dir():
        return folder / asked
    names = sorted(path.name for path in folder.glob("[!.]*") if path.is_dir())
    there = f"fetched are: {', '.join(names)}" if names else "none was fetched"
    raise ModelError(
        f"{asked} is no folder, and no model of this name was fetched to {folder} ({there}); `fedgraft site fetch` "
        "lists what there is, `fedgraft site fetch NAME` gets it"
    )
