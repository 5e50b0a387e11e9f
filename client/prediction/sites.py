"""Find the site that is meant: by its ``site.yaml``, by the folder of that, or by its name in a simulation."""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import ModelError
from fedgraft.common.model_folder.folder import ModelFolder

SITE_FILE = "site.yaml"


def simulated(folder: ModelFolder) -> list[str]:
    """The names of the sites of the simulation whose model this is; empty for a model that lies elsewhere."""
    return sorted(path.parent.name for path in (folder.path.parent / "sites").glob(f"*/{SITE_FILE}"))


def find_site(asked: str | Path, folder: ModelFolder, text: str) -> SiteFile:
    """The file of a site.

    Args:
        asked: a path, or the name of a site of the model's simulation.
        text: what was asked, for messages.

    Raises:
        ModelError: there is no such site.
        SiteFileError: its file is wrong.
    """
    names = simulated(folder)
    if str(asked) in names:
        return read_site_file(folder.path.parent / "sites" / str(asked) / SITE_FILE)
    path = Path(asked).expanduser()
    file = path / SITE_FILE if path.is_dir() else path
    if file.is_file():
        return read_site_file(file)
    known = f"the run's sites are {', '.join(names)}" if names else "there is no such site file"
    raise ModelError(f"{text}: {known}")
