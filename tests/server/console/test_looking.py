"""How the console reads the federation: at most once a second, and without waiting for a coordinator that is gone."""

from __future__ import annotations

import time

from fedgraft.server.console.looking import Looking

from ..watching.conftest import Watched


def test_a_coordinator_that_does_not_run(run: Watched) -> None:
    looking = Looking(run.folder)
    deadline = time.monotonic() + 60
    while looking().running is not False:
        assert time.monotonic() < deadline
        looking.again()
        time.sleep(0.02)
    assert [one.state for one in looking().hospitals] == ["online", "online", "unknown"], "by when they were heard"


def test_what_was_changed_is_read_again(run: Watched) -> None:
    looking = Looking(run.folder)
    before = looking()
    assert before.run is not None and before.run.left_out == (run.names[2],)
    (run.out / "left-out.json").write_text("{}")
    looking.again()
    after = looking().run
    assert after is not None and after.left_out == ()
