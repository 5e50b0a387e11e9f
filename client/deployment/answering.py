"""Every message that a SuperNode took is answered, whatever ends meanwhile; functions in the place of Flower's own.

`fedgraft.client.deployment.supernode` says which of Flower's ways leave a message without an answer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flwr.app import Error, Message

from fedgraft.client.deployment.kept_answer import Answer, KeptAnswer
from fedgraft.client.deployment.open_message import OpenMessage
from fedgraft.common.causes import PROCESS_ENDED
from fedgraft.common.errors import PREFIX, known_codes, safe_reason
from fedgraft.common.runtime.processes import tell

_PAUSE_SECONDS = 0.2
ACTIVE_SECONDS, ACTIVE_PAUSE_SECONDS = 30.0, 1.0
"""For so long after an answer a message is asked for so often; afterwards as often as Flower does, every 3 s."""
_CRASHED = 8  # flwr.common.constant.ErrorCode.CLIENT_APP_CRASHED


@dataclass
class Answering:
    """What takes messages and sends answers in this process.

    Attributes:
        loop, state: Flower's modules of the SuperNode's loop and of what it holds in memory.
        kept, answers: what is on disk of the present message and of its answer.
        nobody_works: set when whoever worked on the present message is gone.
        beat: is called again and again while messages are taken and answers awaited.
        pause: waits for so many seconds.
    """

    loop: Any
    state: Any
    kept: OpenMessage
    answers: KeptAnswer
    nobody_works: threading.Event = field(default_factory=threading.Event)
    beat: Callable[[], None] = lambda: None
    pause: Callable[[float], None] = time.sleep
    _again: bool = False
    _answered: float | None = None

    def replace(self) -> None:
        """Put these functions in the place of Flower's."""
        memory = self.state.InMemoryNodeState
        self._take, self._send, finish = self.loop._pull_and_store_message, self.loop._push_messages, memory.finish_task
        self.loop._pull_and_store_message = self.take
        self.loop._push_messages = self.send

        def finish_task(state: Any, task_id: int, sub_status: str, details: str) -> bool:
            finished: bool = finish(state, task_id, sub_status, details)
            if finished and sub_status == self.state.SubStatus.FAILED:
                self._answer_failed(state, state.get_tasks(task_ids=[task_id]), details)
            return finished

        def tokens_expired(state: Any, tasks: Sequence[Any]) -> None:
            self._answer_failed(state, tasks, PROCESS_ENDED)

        memory.finish_task = finish_task
        memory._on_task_tokens_expired = tokens_expired

    def take(self, **given: Any) -> int | None:
        """Take a message, or put the answer to one that was left where `send` finds it; returns its run's number."""
        while (taken := self._take_one(**given)) is None and self._is_active:
            self.pause(ACTIVE_PAUSE_SECONDS)
        return taken

    @property
    def _is_active(self) -> bool:
        return self._answered is not None and time.monotonic() - self._answered < ACTIVE_SECONDS

    def _take_one(self, *, state: Any, object_store: Any, receive: Callable[[], Any], **others: Any) -> int | None:

        def noted() -> Any:
            received = receive()
            if received is not None:
                self.kept.keep(received[0])
            return received

        self.beat()
        self.nobody_works.clear()
        left = self.kept.left()
        if left is None:
            taken: int | None = self._take(state=state, object_store=object_store, receive=noted, **others)
            return taken
        run: int = left.metadata.run_id
        answer = self.answers.to(left.metadata.message_id)
        if answer is None:
            self.loop._insert_message(Message(_error(PROCESS_ENDED), reply_to=left), state, object_store)
        else:
            self._again = True
            state.store_message(answer.reply)
            object_store.preregister(run, answer.tree)
            for name, content in answer.objects.items():
                object_store.put(name, content)
        return run

    def send(self, *, state: Any, object_store: Any, push_object: Callable[..., None], **others: Any) -> None:
        """Wait for the answer, until all of it is there, and send it."""
        while (reply := self._complete(state, object_store)) is None:
            self.beat()
            if self.nobody_works.is_set():
                self.nobody_works.clear()
                for task in state.get_tasks():
                    state.finish_task(task.task_id, self.state.SubStatus.FAILED, PROCESS_ENDED)
            time.sleep(_PAUSE_SECONDS)
        if reply.has_error():
            tell({"failed": safe_reason(reply.error.reason).removeprefix(PREFIX), "what": reply.metadata.message_type})
        tree = object_store.get_object_tree(reply.metadata.message_id)
        names = [node.object_id for node in self.loop.iterate_object_tree(tree)]
        answer = Answer(reply, tree, {name: object_store.get(name) for name in names})
        self.answers.keep(answer)
        self._send(state=state, object_store=object_store, push_object=push_object, **others)
        if self._again:
            self._send_rest(answer, push_object)
        self.kept.forget()
        self._answered = time.monotonic()
        self.answers.forget()

    def _send_rest(self, answer: Answer, push_object: Callable[..., None]) -> None:
        """Send what is missing of an answer whose sending was cut off.

        Whoever waits for the answer may have its head already. The coordinator then takes no new head, but still waits
        for the objects, which need no number of a session.
        """
        self._again = False
        for name, content in answer.objects.items():
            with contextlib.suppress(Exception):  # it is there already
                push_object(answer.reply.metadata.run_id, "", name, content)

    def _complete(self, state: Any, object_store: Any) -> Message | None:
        """The answer that waits to be sent, if all of its objects are there."""
        with state.lock_task_store:
            state._cleanup_expired_task_tokens_locked()  # a process that nobody saw end: Flower's own deadline
        with state.lock_msg_store:
            waiting = [entry.message for entry in state.msg_store.values() if not entry.is_retrieved]
        for message in waiting:
            if message.metadata.reply_to_message_id and self._all_there(object_store, message):
                return message  # type: ignore[no-any-return]
        return None

    def _all_there(self, object_store: Any, message: Any) -> bool:
        tree = object_store.get_object_tree(message.metadata.message_id)
        return all(object_store.get(node.object_id) for node in self.loop.iterate_object_tree(tree))

    def _answer_failed(self, state: Any, tasks: Sequence[Any], details: str) -> None:
        """Answer the messages of tasks that failed with a code; an answer that arrived in part is dropped."""
        code = details.removeprefix(PREFIX)
        error = _error(code if code in known_codes() else PROCESS_ENDED)
        for task in tasks:
            if task.type != self.state.TaskType.CLIENT_APP:
                error = self.state.AGENT_APP_FAILED_ERROR
            with state.lock_msg_store:
                for key, entry in list(state.msg_store.items()):
                    if entry.message.metadata.run_id != task.run_id or entry.is_retrieved:
                        continue
                    if not entry.message.metadata.reply_to_message_id:
                        entry.is_retrieved = True  # by the task that failed before it asked for it
                    elif not self._all_there(state.object_store, entry.message):
                        del state.msg_store[key]
                        state.object_store.delete(key)
            state._store_error_replies({task.run_id}, error)


def _error(code: str) -> Error:
    return Error(_CRASHED, PREFIX + code)
