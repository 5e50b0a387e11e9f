"""A deployed site with a table, and plans that came to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file, write_site_file
from fedgraft.common.plan.plan import Plan

TableSites = Callable[..., list[Path]]


@pytest.fixture
def asking(table_sites: TableSites, tmp_path: Path) -> Path:
    """The site file of a table, with a key, whose people are asked."""
    (file,) = table_sites(1)
    make_key_pair(tmp_path / "site.key", "x")
    coordinator = Coordinator("localhost:1", tmp_path / "ca.crt", tmp_path / "site.key")
    site = replace(read_site_file(file), approval="ask", coordinator=coordinator)
    write_site_file(file, site)
    return file


@pytest.fixture
def site(asking: Path) -> SiteFile:
    return read_site_file(asking)


@pytest.fixture
def plan(table_plan: Callable[..., Plan]) -> Plan:
    return table_plan("patience.quorum_sites=1")
