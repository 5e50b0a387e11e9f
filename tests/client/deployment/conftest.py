"""A site and its coordinator, for the tests of a site's processes."""

from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    make_key_pair(tmp_path / "north.key", "north")
    (tmp_path / "ca.crt").write_text("no certificate")
    return Coordinator("localhost:1", tmp_path / "ca.crt", tmp_path / "north.key")


@pytest.fixture
def site(tmp_path: Path, coordinator: Coordinator) -> SiteFile:
    return SiteFile("north", tmp_path / "m.csv", tmp_path / "state", coordinator=coordinator)
