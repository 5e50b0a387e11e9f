"""A hospital that comes while a run goes on is checked as those were that were there before it was submitted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.site_facts import WIRE, SiteFacts, pack_facts
from fedgraft.server.rounds.ready import UNFIT

Composer = Callable[..., Plan]
Federations = Callable[..., Any]


def tells(folder: Path, site: str, kind: Any) -> None:
    """A site's facts, as the gateway keeps them."""
    facts = SiteFacts(version("fedgraft"), WIRE, kind, 120, ("label", "patient"), 10**12, ())
    kept = {"received": time.time(), "facts": pack_facts(facts).decode()}
    (folder / "facts").mkdir(exist_ok=True)
    (folder / "facts" / f"{site}.json").write_text(json.dumps(kept))


def test_what_does_not_fit_is_named_once_and_the_site_is_not_asked(
    federations: Federations, compose_plan: Composer
) -> None:
    """Cedar registers after round 1 with a manifest of rows, and has one of files from round 3 on."""
    plan = compose_plan("rounds=4", "patience.quorum_sites=2")
    one = federations(plan)
    everyone = dict(one.registered)
    one.register({1000: "alder", 1001: "birch"})
    tells(one.folder, "alder", "files")

    def comes() -> None:
        one.register(everyone)
        tells(one.folder, "cedar", "rows")

    one.after = {1: comes, 3: lambda: tells(one.folder, "cedar", "files")}
    one.run(plan)
    assert [line["updated"] for line in one.rounds()[1:]] == [["alder", "birch"]] * 3 + [["alder", "birch", "cedar"]]
    prepared = [
        (line["round"], line["outcome"], line["reason"]) for line in one.ledger("prepare") if line["site"] == "cedar"
    ]
    why = "a case of the plan is an image, of its manifest a row of a table: another plan for this site, or another "
    assert prepared == [(2, UNFIT, f"{why}`manifest` in its site.yaml"), (4, "ok", "")]
    dropped = [(line["round"], line["site"], line["outcome"]) for line in one.summary()["dropped"]]
    assert dropped == [(2, "cedar", UNFIT)]


def test_of_whom_nothing_is_known_is_asked(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan("rounds=1")
    one = federations(plan)
    tells(one.folder, "cedar", "rows")
    path = one.folder / "facts" / "cedar.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "received": time.time() - 181}))
    one.run(plan)
    assert [line["updated"] for line in one.rounds()[1:]] == [["alder", "birch", "cedar"]]
