"""``fedgraft site privacy``: the account in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.cli import main
from fedgraft.client.privacy.command import account_lines
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.privacy.accountant import Release

RUN = (Release(6.0), Release(30.0, 100, shared=True))


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    return SiteFile("north", tmp_path / "m.csv", tmp_path / "state", privacy=PrivacyBudget(8.0, 1e-5, "year"))


def test_runs_and_what_is_left_are_said(site: SiteFile) -> None:
    account = PrivacyAccount(site.state)
    account.charge(1, "a" * 64, RUN, site.privacy, now=0.0)
    account.charge(2, "b" * 64, RUN[:1], site.privacy, now=400 * 86400.0)
    lines = list(account_lines(site, now=401 * 86400.0))
    assert lines[0].startswith("1970-01-01  plan aaaaaaaaaaaa  101 noisy sums (shared in secure sums): epsilon 1.")
    assert lines[1].startswith("1971-02-05  plan bbbbbbbbbbbb  1 noisy sums: epsilon 0.59")
    assert lines[2].startswith("all runs together: epsilon 1.")
    assert lines[3].startswith("budget: epsilon 8 per year; 0.59"), "the first run is more than a year ago"


def test_an_empty_account_and_no_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_site_file(tmp_path / "site.yaml", SiteFile("north", tmp_path / "m.csv", tmp_path / "state"))
    assert main(["privacy", "--site", str(tmp_path / "site.yaml")]) == 0
    said = capsys.readouterr().out
    assert "north: no run was charged" in said and "no budget: plans without differential privacy" in said
