"""What `site start` says of plans and runs, from the site's own folder."""

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.approval.asked import keep_asked
from fedgraft.client.approval.decisions import FROM, Decisions
from fedgraft.client.deployment.news import News, said_of
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.files import append_json

PLAN, FOLLOWS = "ab12cd34" * 8, "99887766" * 8


class Site:
    """A site's folder, and the sentences that a look at each second gives."""

    def __init__(self, site: SiteFile) -> None:
        self.file, self.now, self.busy = site, 1000.0, False
        self.news = self.started()

    def started(self) -> News:
        return News(self.file, lambda: self.busy, lambda: self.now, lambda: self.now)

    def coordinator_says(self, *plans: str, at: float = float("nan")) -> None:
        when = self.now if at != at else at
        self.file.state.mkdir(parents=True, exist_ok=True)
        keep_asked(self.file.state, json.dumps({"asked": plans}).encode(), when)

    def after(self, seconds: float = 1.0) -> list[str]:
        self.now += seconds
        return list(self.news.look())

    def comes(self, plan: str) -> None:
        (self.file.state / "pending").mkdir(parents=True, exist_ok=True)
        (self.file.state / "pending" / f"{plan}.json").write_text('{"backbone": {"name": "resnet"}, "rounds": 12}')

    def answers(self, what: str, run: int = 7, **about: Any) -> None:
        Chain(self.file.state / "released.jsonl", durable=False).append(
            {"time": "x", "what": what, "run": run, "plan": PLAN, **about}
        )

    def answers_as_it_is(self, line: str) -> None:
        with (self.file.state / "released.jsonl").open("a") as stream:
            stream.write(f"{line}\n")

    def keeps(self, plan: str) -> None:
        (self.file.state / "plans").mkdir(parents=True)
        (self.file.state / "plans" / f"{plan}.json").write_text('digest\n{"rounds": 12}')


@pytest.fixture
def here(site: SiteFile) -> Site:
    return Site(site)


def test_a_plan_waits_and_is_decided_about(here: Site) -> None:
    here.comes(PLAN)
    assert here.after() == [], "one that follows from an approved plan waits for a moment only"
    assert here.after() == [
        "plan ab12cd34 (resnet, 12 rounds) waits for a person here: fedgraft site review ab12cd34, then approve or "
        "refuse; nothing is done for it until then"
    ]
    assert here.after() == [], "once"
    decisions = Decisions(here.file)
    decisions.write("approved", PLAN, "Dr A", {"receipt": {"until": str(date.today())}})
    here.comes(FOLLOWS)
    assert here.after() == [
        f"plan ab12cd34 was approved by Dr A, to the end of {date.today()}; the coordinator is told"
    ]
    decisions.write("approved", FOLLOWS, "Dr A", {FROM: PLAN})
    assert [*here.after(), *here.after()] == []
    decisions.write("revoked", PLAN, "Dr B", {"why": "secret"})
    decisions.write("refused", PLAN, "Dr B", {"why": "secret"})
    assert here.after() == [
        "the approval of plan ab12cd34 was revoked by Dr B; no further message of it is answered",
        "plan ab12cd34 was refused by Dr B; the coordinator learns that, not why",
    ]


def test_a_plan_that_waited_before_the_start_is_said(here: Site) -> None:
    """So is one whose last day is over, when it is asked for again; what was decided before is not said again."""
    here.comes(PLAN)
    Decisions(here.file).write("approved", PLAN, "Dr A", {})
    here.comes(FOLLOWS)
    here.news = here.started()
    assert [line[:13] for line in here.after() + here.after()] == ["plan 99887766"]


def test_a_log_of_decisions_that_was_changed_is_said_once(here: Site) -> None:
    Decisions(here.file).write("refused", PLAN, "Dr A", {})
    path = here.file.state / "approvals.jsonl"
    path.write_text(path.read_text().replace("refused", "approved"))
    assert "approvals.jsonl was changed: line 1" in "".join(here.after())
    assert here.after() == []


def test_a_run_of_twelve_rounds(here: Site) -> None:
    here.keeps(PLAN)
    here.answers("facts", run=0)
    here.answers("offer")
    assert here.after() == ["run 7 began: plan ab12cd34, 12 rounds"]
    here.answers("update", round=1)
    assert here.after() == ["run 7: round 1 of 12 trained"]
    for number in (2, 3, 4):
        here.answers("update", round=number)
    assert here.after(0.5) == [], "it is looked once a second"
    assert here.after(0.5) == ["run 7: round 4 of 12 trained"], "rounds faster than that share a line"
    here.answers("update again")
    here.answers("update", round=12)
    assert here.after() == ["run 7: round 12 of 12 trained"]
    here.busy = True
    assert here.after(61.0) == [], "a message is being answered"
    here.answers("evaluation", round=12)
    here.answers("evaluation", round=12)
    here.busy = False
    assert here.after() == ["run 7: its model was tested on the cases here"]
    assert here.after(59.0) == []
    assert here.after() == ["run 7 is over after round 12 of 12: nothing more came of it for 60 s"]
    assert here.after(1000.0) == []


def test_a_run_is_over_when_the_coordinator_says_so(here: Site) -> None:
    """Not as long as one of its plans is asked for, a message is answered, or one came after the word."""
    here.keeps(PLAN)
    here.answers("statistics", plan=FOLLOWS)
    here.answers("update", round=3)
    assert len(here.after()) == 2
    here.coordinator_says(at=here.now - 5.0)
    assert here.after() == [], "that was said before"
    here.coordinator_says(FOLLOWS)
    assert here.after() == [], "it is the plan of the statistics"
    here.busy = True
    here.coordinator_says()
    assert here.after() == []
    here.busy = False
    here.coordinator_says(FOLLOWS)
    assert here.after(590.0) == []
    here.coordinator_says(FOLLOWS)
    assert here.after(10.0) == [
        "run 7: nothing came for 10 minutes, after round 3 of 12; the run goes on, as the coordinator says"
    ]
    here.coordinator_says()
    assert here.after() == ["run 7 is over after round 3 of 12, as the coordinator says"]
    here.answers("update", round=4)
    assert here.after() == ["run 7 goes on (plan ab12cd34)", "run 7: round 4 of 12 trained"], "a run that was resumed"


def test_a_plan_whose_run_is_over_waits_no_more(here: Site) -> None:
    here.comes(PLAN)
    assert len(here.after() + here.after()) == 1
    here.coordinator_says(at=time.time() + 10.0)
    assert here.after() == ["plan ab12cd34 waits no more: the run that asked for it is over"]
    assert here.after() == []


def test_a_run_that_falls_silent_and_goes_on(here: Site) -> None:
    here.answers("offer")
    assert here.after() == ["run 7 began: plan ab12cd34"], "its plan is not kept here"
    (line,) = here.after(600.0)
    assert line.startswith(
        "run 7: nothing came for 10 minutes, before its first round; the coordinator waits for other"
    )
    here.answers("gradient", round=3)
    assert here.after() == ["run 7: round 3 trained"]
    assert here.after(600.0)[0].startswith("run 7: nothing came for 10 minutes, after round 3; ")
    here.news = here.started()
    here.answers("update", round=4)
    assert here.after() == ["run 7 goes on (plan ab12cd34)", "run 7: round 4 trained"]


def test_half_a_line_and_a_log_that_was_put_aside(here: Site) -> None:
    here.answers("offer")
    path = here.file.state / "released.jsonl"
    whole = path.read_text()
    path.write_text(whole[:20])
    here.news = here.started()
    path.write_text(whole[:30])
    assert here.after() == []
    path.write_text(whole)
    assert here.after() == ["run 7 began: plan ab12cd34"], "now that it is whole"
    path.rename(path.with_name("released-0001.jsonl"))
    here.comes(PLAN)
    here.answers("statistics", run=8)
    assert here.after() == ["run 8 began: plan ab12cd34, 12 rounds"], "as the plan that came says"


def test_files_that_were_changed_end_no_site(here: Site) -> None:
    here.keeps(PLAN)
    (here.file.state / "plans" / f"{PLAN}.json").write_text("cut")
    (here.file.state / "released.jsonl").write_text("no line\n[]\n")
    here.news = here.started()
    here.answers_as_it_is(json.dumps({"what": "offer", "run": 7, "plan": PLAN}))
    here.comes(PLAN)
    (here.file.state / "pending" / f"{FOLLOWS}.json").write_text("cut")
    said = here.after() + here.after()
    assert said[-1] == "run 7 began: plan ab12cd34"
    (broken,) = said[:-1]
    assert broken == f"a plan in {here.file.state}/pending can't be read, and what waits is not said; remove the file"


def test_what_a_failure_says_beside_its_code(tmp_path: Path) -> None:
    assert said_of(tmp_path, "bounds") == ""
    line = {"code": "bounds", "said": "train.lr=50 is above bounds.rate=10"}
    append_json(tmp_path / "errors.jsonl", {"code": "fence", "said": "other"}, line)
    assert (said_of(tmp_path, "bounds"), said_of(tmp_path, "fence")) == ("train.lr=50 is above bounds.rate=10", "")
    (tmp_path / "errors.jsonl").write_text(json.dumps({"code": "unexpected"}) + "\n")
    assert said_of(tmp_path, "unexpected") == ""
