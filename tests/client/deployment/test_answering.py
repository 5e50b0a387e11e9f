"""A message that was taken is answered: with Flower's own memory of a SuperNode, and what is kept on disk."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, Error, Message, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

from fedgraft.client.deployment import answering
from fedgraft.client.deployment.answering import Answering
from fedgraft.client.deployment.kept_answer import Answer, KeptAnswer
from fedgraft.client.deployment.open_message import OpenMessage
from fedgraft.client.deployment.supernode import Parts, require_supernode
from fedgraft.common.errors import DeploymentError

RUN = 1


@pytest.fixture
def parts() -> Iterator[Parts]:
    """Flower's modules, put back as they were afterwards."""
    found = require_supernode()
    memory = found.state.InMemoryNodeState
    before = [
        (found.loop, "_pull_and_store_message"),
        (found.loop, "_push_messages"),
        (memory, "finish_task"),
        (memory, "_on_task_tokens_expired"),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name in before]
    yield found
    for owner, name, value in kept:
        setattr(owner, name, value)


class Site:
    """A SuperNode's memory, what it would send, and what is on disk."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        from flwr.supercore.object_store import ObjectStoreFactory

        self.store = ObjectStoreFactory().store()
        self.state = parts.state.InMemoryNodeState(self.store)
        self.state.set_node_id(7)
        self.kept, self.answers = OpenMessage(folder / "open-message"), KeptAnswer(folder / "answer")
        self.kept.prepare()
        self.answering = Answering(parts.loop, parts.state, self.kept, self.answers)
        self.answering.replace()
        self.sent: list[Message] = []
        self.pushed: list[tuple[str, str]] = []
        self.missing = True

    def take(self, message: Message | None = None) -> None:
        received = None if message is None else (message, get_object_tree(message))
        context = SimpleNamespace(fab_hash="00", primary_task_type="flwr-serverapp", run_id=RUN, series_id=1)
        self.state.store_run(context)
        self.answering.take(
            state=self.state,
            object_store=self.store,
            receive=lambda: received,
            node_config={},
            get_run=None,
            get_fab=None,
            pull_object=lambda _, name: get_all_nested_objects(message)[name].deflate() if message else b"",
            confirm_message_received=lambda *_: None,
            trusted_entities=None,
        )

    def send(self) -> None:
        def head(message: Message, tree: Any, _: float) -> tuple[set[str], str]:
            self.sent.append(message)
            return ({tree.object_id} if self.missing else set()), "session"

        self.answering.send(state=self.state, object_store=self.store, send=head, push_object=self.push)

    def push(self, run: int, session: str, name: str, content: bytes) -> None:
        self.pushed.append((session, name))

    def claim(self) -> int:
        (task,) = self.state.get_tasks(statuses=["pending"])
        assert self.state.claim_task(task.task_id)
        return int(task.task_id)


def question() -> Message:
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN, 1
    message = Message(RecordDict(), 7, "train")
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ("fedgraft:out-of-memory", "fedgraft:out-of-memory"),
        ("ClientApp task failed due to unknown reason", "fedgraft:process-ended"),
        ("/data/mueller.dcm", "fedgraft:process-ended"),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
def test_a_task_that_failed_is_answered_with_its_code(
    parts: Parts, tmp_path: Path, details: str, said: str, asked: bool
) -> None:
    site = Site(parts, tmp_path)
    site.take(question())
    task = site.claim()
    if asked:
        assert site.state.activate_task(task)
        assert len(site.state.get_messages_legacy(run_ids=[RUN], is_reply=False, limit=1)) == 1
    assert site.state.finish_task(task, "failed", details)
    site.send()
    assert [(one.error.code, one.error.reason) for one in site.sent] == [(8, said)]
    assert site.kept.left() is None and not site.answers.path.exists()


def test_an_answer_in_part_is_dropped(parts: Parts, tmp_path: Path) -> None:
    site = Site(parts, tmp_path)
    asked = question()
    site.take(asked)
    task = site.claim()
    assert site.state.activate_task(task)
    site.state.get_messages_legacy(run_ids=[RUN], is_reply=False, limit=1)
    reply = Message(RecordDict({"a": ArrayRecord([np.ones(3)])}), reply_to=asked)
    reply.metadata.__dict__["_message_id"] = reply.object_id
    site.state.store_message_and_object_tree(reply, get_object_tree(reply), site.state.start_session(RUN))
    assert site.answering._complete(site.state, site.store) is None, "its objects have not come"
    site.state.finish_task(task, "failed", "fedgraft:killed")
    site.send()
    assert [one.error.reason for one in site.sent] == ["fedgraft:killed"]


def test_a_message_that_nobody_works_on_is_answered(parts: Parts, tmp_path: Path) -> None:
    site = Site(parts, tmp_path)
    site.take(question())
    site.claim()
    site.answering.nobody_works.set()
    site.send()
    assert site.sent[0].error.reason == "fedgraft:process-ended"


def test_a_message_of_before_the_restart_is_answered(parts: Parts, tmp_path: Path) -> None:
    asked = question()
    Site(parts, tmp_path).take(asked)
    site = Site(parts, tmp_path)
    site.take()
    site.send()
    (reply,) = site.sent
    assert reply.error.reason == "fedgraft:process-ended"
    assert reply.metadata.reply_to_message_id == asked.metadata.message_id
    site.kept.keep(question())
    left = site.kept.left()
    assert left is not None and left.metadata.message_type == "train"
    site.kept.path.write_bytes(b"damaged")
    assert site.kept.left() is None


def test_an_answer_whose_sending_was_cut_off_is_sent_whole(parts: Parts, tmp_path: Path) -> None:
    site, asked = Site(parts, tmp_path), question()
    site.kept.keep(asked)
    reply = Message(RecordDict({"a": ArrayRecord([np.ones(3)])}), reply_to=asked)
    reply.metadata.__dict__["_message_id"] = reply.object_id
    objects = {name: one.deflate() for name, one in get_all_nested_objects(reply).items()}
    site.answers.keep(Answer(reply, get_object_tree(reply), objects))
    site.missing = False  # the coordinator has the head already, and takes no other
    site.take()
    site.send()
    assert [one.metadata.message_id for one in site.sent] == [reply.metadata.message_id]
    assert sorted(site.pushed) == sorted(("", name) for name in objects)
    assert site.kept.left() is None and site.answers.to(asked.metadata.message_id) is None


def test_an_answer_that_is_not_whole_or_of_another_message_is_not_sent(tmp_path: Path) -> None:
    answers, asked = KeptAnswer(tmp_path / "answer"), question()
    reply = Message(Error(2, "fedgraft:wire"), reply_to=asked)
    objects = {name: one.deflate() for name, one in get_all_nested_objects(reply).items()}
    answers.keep(Answer(reply, get_object_tree(reply), objects))
    assert answers.to(asked.metadata.message_id) is not None
    assert answers.to("another") is None
    content = answers.path.read_bytes()
    for damaged in (content[:-1], content[:-1] + b"x", content[:-1] + b"xx", b"\1"):
        answers.path.write_bytes(damaged)
        assert answers.to(asked.metadata.message_id) is None


def test_after_an_answer_messages_are_asked_for_more_often(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, pauses = Site(parts, tmp_path), list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            monkeypatch.setattr(answering, "ACTIVE_SECONDS", -1.0)

    site.answering.pause = pause
    site.take()
    assert pauses == [], "no run goes on: Flower itself waits"
    site.take(question())
    site.answering.nobody_works.set()
    site.claim()
    site.send()
    site.take()
    assert pauses == [1.0] * 3


def test_a_message_that_nobody_waits_for_any_more_is_forgotten(tmp_path: Path) -> None:
    kept, asked = OpenMessage(tmp_path / "open-message"), question()
    asked.metadata.__dict__["_created_at"] = time.time() - asked.metadata.ttl - 1
    kept.keep(asked)
    assert kept.path.stat().st_size == 4096 and kept.left() is None


def test_a_supernode_that_works_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(require_supernode().loop, "_insert_message")
    with pytest.raises(DeploymentError, match=r"made to answer every message: .* has no _insert_message"):
        require_supernode()
