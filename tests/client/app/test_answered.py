"""Asked the same again, a site says the same again, without training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.run_name import name_run
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import admit, distributed
from fedgraft.simulations.engine.grid import RUN_ID, InProcessGrid
from fedgraft.simulations.federation.sites import lay_out

Ask = Callable[..., RecordDict]


@pytest.fixture
def site(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Ask]:
    """A prepared site's file, and what asks it to train in a round."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan("patience.quorum_sites=1")
    path = next(iter(lay_out(plan, tmp_path, os.environ).sites.values()))
    handler = client_app.MessageHandler(Workspace(), [path], keep_answers=True)
    app = client_app.build(handler)
    grid = InProcessGrid(app, [{"site-file": str(path)}], {})
    model = build(plan, None)
    (node,) = admit(Delivery(grid), plan, distributed(model), grid.get_node_ids(), 1, Ledger(None))

    def ask(number: int, again: bool = False) -> RecordDict:
        config = wire.pack_config(plan.digest, (10, 10))
        config["server-round"] = number
        content = RecordDict({wire.ARRAYS: wire.pack_tensors(model.tensors(model.received)), wire.CONFIG: config})
        message = Message(content, node, wire.TRAIN)
        if again:
            name_run([message], RUN_ID)
        context = Context(RUN_ID + again, node, {"site-file": str(path)}, RecordDict(), {})
        return app(message, context).content

    return path, ask


def released(path: Path) -> list[str]:
    lines = (path.parent / "state" / "released.jsonl").read_text().splitlines()
    return [json.loads(line)["what"] for line in lines]


def same(one: RecordDict, other: RecordDict) -> bool:
    arrays = [[(name, array.data) for name, array in some["arrays"].items()] for some in (one, other)]
    return arrays[0] == arrays[1] and dict(one["metrics"]) == dict(other["metrics"])


def test_the_same_message_gets_the_kept_answer(site: tuple[Path, Ask]) -> None:
    path, ask = site
    first = ask(1)
    again = ask(1, again=True)
    assert same(first, again)
    assert released(path) == ["offer", "update", "update again"]
    ask(2)
    assert released(path)[-1] == "update"


def test_what_the_site_no_longer_releases_is_not_said_again(site: tuple[Path, Ask]) -> None:
    path, ask = site
    ask(1)
    path.write_text(path.read_text() + "# another word\n")
    ask(1, again=True)
    assert released(path) == ["offer", "update", "update"]


def test_a_damaged_answer_is_made_anew(site: tuple[Path, Ask]) -> None:
    path, ask = site
    first = ask(1)
    (file,) = (path.parent / "state" / "answers").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    assert same(first, ask(1, again=True))
    assert released(path)[-1] == "update"
