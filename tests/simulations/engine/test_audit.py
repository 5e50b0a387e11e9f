"""An audit by subgroup in a run over real tables: what the sites tell, and what their own files keep."""

from __future__ import annotations

import json

import pytest

import fedgraft as fg

HEART = ("data=uci_heart_all", "rounds=1", "audit.columns=[sex,{age:[50,60]}]")


def test_sites_tell_of_large_subgroups_only(tmp_path, real) -> None:
    real("uci_heart")
    run = fg.simulate(fg.plan(*HEART), tmp_path / "run", quiet=True)
    found = run.summary["subgroups"]
    assert set(found["age"]["groups"]) <= {"below 50", "50 to below 60", "60 and above", "unknown"}
    told = [site for site in run.summary["sites"] if site not in found["sex"]["without"]]
    assert told
    for site in told:
        cases = sum(group["cases"] for group in found["sex"]["sites"][site].values())
        assert cases == run.summary["sites"][site]["cases"]
        assert min(group["cases"] for group in found["sex"]["sites"][site].values()) >= 5
    log = (tmp_path / "run" / "sites" / told[0] / "state" / "released.jsonl").read_text().splitlines()
    assert any("subgroups" in json.loads(line) for line in log)


def test_a_column_that_no_site_has_is_refused_by_name(tmp_path) -> None:
    with pytest.raises(fg.PlanError, match=r"audit\.columns: no site has a column colour; the columns are:"):
        fg.simulate(fg.plan("data=phantom", "audit.columns=[colour]"), tmp_path / "run", quiet=True)
