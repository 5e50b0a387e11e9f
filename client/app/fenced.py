"""Note each question of a run at the site before it is answered, and refuse what the fence refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flwr.app import RecordDict

from fedgraft.client.app.answered import Said
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.audit.runs import note_run
from fedgraft.client.fence.asked import (
    Asked,
    Question,
    extended,
    read_asked,
    with_gradient,
    with_plan,
    with_question,
    write_asked,
)
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.plan.plan import from_json
from fedgraft.common.wire import messages
from fedgraft.common.wire.gradient import GRADIENT
from fedgraft.common.wire.run_name import continues_of

NOTED = (messages.PREPARE, messages.BACKBONE, messages.TRAIN, GRADIENT)
"""Kinds of messages that are noted."""


def note(kind: str, content: RecordDict, said: Said, workspace: Workspace, site_file: Path, run: int) -> None:
    """Note a question, so that it is known when the run asks again.

    Args:
        kind: one of `NOTED`.

    Raises:
        FenceError: the run may not ask this.
        WireError: the site was never prepared for the plan.
    """
    site = workspace.site(site_file)
    asked = read_asked(site.state, run)
    if kind in (messages.PREPARE, messages.BACKBONE):
        found = _prepared(asked, content, workspace, site)
    else:
        order = messages.unpack_order(content)
        rounds = workspace.plan(site, order.plan_digest).rounds
        if kind == GRADIENT:
            found = with_gradient(asked, order.plan_digest, order.round, rounds, site.bounds)
        else:
            question = Question(order.plan_digest, order.round, said.content, said.counts)
            found = with_question(asked, question, rounds, site.bounds)
    if found.plan != asked.plan:
        note_run(site.state, run, found.plan)
    if found != asked:
        write_asked(site.state, run, found)


def _prepared(asked: Asked, content: RecordDict, workspace: Workspace, site: SiteFile) -> Asked:
    """With the run's plan; a run that was complete can go on by a plan that is the same but for more rounds."""
    text, digest, _ = messages.unpack_prepare(content)
    if asked.plan not in ("", digest) and continues_of(content):
        held, new = workspace.plan(site, asked.plan), from_json(text)
        if new.rounds > held.rounds and replace(held, rounds=new.rounds).digest == digest:
            return extended(asked, digest)
    return with_plan(asked, digest)
