"""A plan that a site was prepared for is on its disk, and is asked for there with each message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import WireError
from fedgraft.common.plan.plan import Plan

BACKBONE = "ab" * 32


def test_a_plan_whose_file_is_gone_is_not_known_any_more(tmp_path: Path, compose_plan: Callable[..., Plan]) -> None:
    plan, site, workspace = compose_plan(), SiteFile("north", tmp_path / "manifest.csv", tmp_path), Workspace()
    with pytest.raises(WireError, match="was not prepared for the plan"):
        workspace.plan(site, plan.digest)
    kept = workspace.accept_plan(site, plan.to_json(), plan.digest, BACKBONE)
    assert workspace.plan(site, plan.digest) is kept
    (file,) = (tmp_path / "plans").iterdir()
    file.rename(tmp_path / "away")
    with pytest.raises(WireError, match="was not prepared for the plan"):
        workspace.plan(site, plan.digest)


def test_another_process_reads_the_plan_and_sees_damage(tmp_path: Path, compose_plan: Callable[..., Plan]) -> None:
    plan, site = compose_plan(), SiteFile("north", tmp_path / "manifest.csv", tmp_path)
    Workspace().accept_plan(site, plan.to_json(), plan.digest, BACKBONE)
    assert Workspace().plan(site, plan.digest) == plan
    (file,) = (tmp_path / "plans").iterdir()
    file.write_text(f"{BACKBONE}\n{compose_plan('rounds=7').to_json()}", encoding="utf-8")
    with pytest.raises(WireError, match="the kept plan is damaged"):
        Workspace().plan(site, plan.digest)


@pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "../" + "ab" * 31, "ab" * 32 + "\n", "g" * 64])
def test_what_is_no_digest_becomes_no_path(tmp_path: Path, digest: str) -> None:
    site = SiteFile("north", tmp_path / "manifest.csv", tmp_path)
    with pytest.raises(WireError, match="64 hexadecimal digits"):
        Workspace().plan(site, digest)
