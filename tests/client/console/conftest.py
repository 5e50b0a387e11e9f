"""The console of a site with a table, to which a plan came, and of which something left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.console.app import Console
from fedgraft.client.overview.overview import overview
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file, write_site_file
from fedgraft.common.plan.plan import Plan

from ...conftest import hospitals_with_tables, plan_of_table
from ...serving import served

NOW = 2e9


@dataclass
class Asked:
    """A site, its file, the plan that waits, and the link to its console."""

    file: Path
    plan: Plan
    link: str = ""

    @property
    def site(self) -> SiteFile:
        return read_site_file(self.file)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    (file,) = hospitals_with_tables(tmp_path / "hospitals", 1)
    make_key_pair(tmp_path / "site.key", "x")
    coordinator = Coordinator("fl.example.org:8443", tmp_path / "ca.crt", tmp_path / "site.key")
    write_site_file(file, replace(read_site_file(file), approval="ask", coordinator=coordinator))
    found = Asked(file, plan_of_table("patience.quorum_sites=1"))
    Decisions(found.site).keep_pending(found.plan)
    state = found.site.state
    lines = (
        {"time": "2026-01-02T10:00:00Z", "what": "offer"},
        {"time": "2026-01-02T10:01:00Z", "what": "update", "tensor_bytes": 2_500_000},
        {"time": "2026-01-03T10:01:00Z", "what": "update", "tensor_bytes": 2_500_000},
    )
    (state / "released.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (state / "phases.jsonl").write_text(json.dumps({"what": "train", "seconds": {"train": 61.0}}) + "\n")
    (state / "errors.jsonl").write_text(json.dumps({"code": "disk-full", "time": "2026-01-02T10:02:00Z"}) + "\n")
    with served(state, Console(file, lambda: overview(found.site, NOW)).application) as link:
        found.link = link
        yield found
