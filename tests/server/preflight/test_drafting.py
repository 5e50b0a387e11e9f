"""A first plan from what sites tell: it is the default plan for such data, and what can't be known is named."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

import fedgraft as fg
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan, from_dict, load_plan
from fedgraft.common.wire.site_facts import SiteFacts, pack_facts
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.preflight.drafting import draft

FILES = SiteFacts("1", 1, "files", 1200, ("age", "label", "path", "patient", "sex"), classes={"sick": 400, "well": 800})
ROWS = SiteFacts("1", 1, "rows", None, ("age", "label", "patient", "sex"), classes={"no": 60, "yes": 50})
CHOSEN = ("data", "audit", "patience")


def plan_of(text: str) -> Plan:
    return from_dict(yaml.safe_load(text))


def test_for_images_it_is_the_default_plan() -> None:
    made = draft({"north": FILES, "south": replace(FILES, columns=("label", "path", "patient", "sex"), classes=None)})
    found, default = plan_of(made.text), fg.plan("data=phantom").plan
    assert made.to_fill == () and found.data.classes == ("sick", "well") and found.data.image_size is None
    for name, section in asdict(default.for_hospitals()).items():
        if name not in (*CHOSEN, "rounds", "clock", "engine", "tracking", "bounds", "backbone"):
            assert asdict(found)[name] == section, name
    assert found.backbone == default.backbone
    assert '#   north: a file or an array; about 1200 cases; "sick" 400, "well" 800' in made.text
    assert 'figures by subgroup; all sites have: "sex"' in made.text, "age only north has"


def test_for_a_table_all_columns_that_every_site_has_are_numbers() -> None:
    more = replace(ROWS, columns=("age", "label", "patient", "sex", "weight"))
    made = draft({"north": ROWS, "south": more}, ["west"])
    found = plan_of(made.text)
    assert found.table is not None and found.table.numeric == ("age", "sex") and found.table.categorical == ()
    like = fg.plan("data=uci_heart").plan
    for name in ("backbone", "head", "train", "strategy", "loss", "rounds"):
        assert getattr(found, name) == getattr(like, name), name
    assert "#   west: told nothing yet" in made.text and "number of cases withheld, or too few" in made.text
    assert found.patience.quorum_sites == 2


def test_what_can_not_be_known_is_left_to_fill_in_and_named() -> None:
    assert draft({"north": replace(FILES, classes=None)}).to_fill == ("data.classes",)
    made = draft({"north": replace(ROWS, columns=None)})
    assert made.to_fill == ("table.numeric",) and "# to fill in: columns of numbers" in made.text
    with pytest.raises(DeploymentError, match="no site has told what its cases are"):
        draft({"north": replace(FILES, kind=None)})
    with pytest.raises(DeploymentError, match=r"these have two \(north: a file or an array; south: a row of a table\)"):
        draft({"north": FILES, "south": ROWS})


def test_no_text_of_a_site_gets_out_of_its_place() -> None:
    bad = "x\nrounds: 7 #\u2028\u0085 ]"
    made = draft({"north": replace(ROWS, columns=(bad, "label"), classes={bad: 5, "y": 6})})
    found = plan_of(made.text)
    assert found.rounds == 50 and set(found.data.classes) == {bad, "y"}
    assert found.table is not None and found.table.numeric == (bad,)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = create(tmp_path / "coordinator", Settings(("localhost",)))
    write_sites(made, tuple(RegisteredSite(name, name[0], name) for name in ("north", "south")))
    made.facts.mkdir()
    kept = {"received": 1e9, "facts": pack_facts(FILES).decode()}
    (made.facts / "north.json").write_text(json.dumps(kept))
    return made


def test_the_command_writes_it(folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["coordinator", "draft", str(folder.root), "--out", str(tmp_path / "plan.yaml")]
    assert main([*ask, "--sites", "west"]) == 2
    assert "--sites west: not registered; registered: north, south" in capsys.readouterr().err
    assert main(ask) == 0
    said = capsys.readouterr().out
    assert "plan.yaml, for north" in said and "to fill in" not in said
    assert load_plan(tmp_path / "plan.yaml").data.classes == ("sick", "well")
    assert main(ask) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err
    (tmp_path / "plan.yaml").unlink()
    (folder.facts / "north.json").write_text(
        json.dumps({"received": 1, "facts": pack_facts(replace(FILES, classes=None)).decode()})
    )
    assert main(ask) == 0
    assert "to fill in before it can run: data.classes" in capsys.readouterr().out
    (tmp_path / "plan.yaml").unlink()
    assert main([*ask, "--sites", "south"]) == 2
    assert "no site has told what its cases are" in capsys.readouterr().err
