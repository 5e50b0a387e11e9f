"""The site's Flower ClientApp. An exception leaves the site as a short code; its text stays at the site."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp

from fedgraft.client.app import handlers
from fedgraft.client.app.answered import Said, digest_of, keep_answer, kept_answer, said_by
from fedgraft.client.app.familiarity import tell_familiarity
from fedgraft.client.app.feature_moments import tell_moments
from fedgraft.client.app.fenced import NOTED, note
from fedgraft.client.app.gradient import tell_gradient
from fedgraft.client.app.head_sums import tell_sums
from fedgraft.client.app.many_sites import carry_out_all
from fedgraft.client.app.statistics import describe as describe_table
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.audit.heads import keep_ledger, say_heads
from fedgraft.client.privacy.updates import noisy_update
from fedgraft.client.secure.way import is_summed, is_unmasking, require_way, sealed, take_step, unsealed
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.release import append_line
from fedgraft.client.site.site_file import read_site_file, schema
from fedgraft.client.site.timing import since_process_start, write_phases
from fedgraft.common.errors import (
    CLIENT_APP_RAISED_EXCEPTION,
    FedGraftError,
    FenceError,
    SiteFileError,
    code_of,
    reason_of,
)
from fedgraft.common.logs.travelling import put_into, taken_from
from fedgraft.common.plan.plan import read
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.wire.messages import TRAIN
from fedgraft.common.wire.run_name import run_of

Handler = Callable[[RecordDict, Workspace, Path, int], RecordDict]
Witness = Callable[[Path, BaseException], None]
T = TypeVar("T")


@dataclass(frozen=True)
class MessageHandler:
    """Answers messages; an exception's text never gets into an answer.

    Attributes:
        workspace: holds what is kept between messages.
        site_files: the site files of a simulation, by Flower's partition id; a deployed site is named by its
            ``--node-config site-file=...`` instead.
        witness: called with each exception before it is reduced to a code; by default it is written, without its text,
            to ``errors.jsonl`` in the site's state folder.
        keep_phases: whether to log, at the site, how long the phases of each message took
            (`fedgraft.client.site.timing`).
        keep_answers: whether to note at the site what each run asks (`fedgraft.client.app.fenced`), and to keep the
            last answer to ``train`` or into a secure sum, for a coordinator that asks again; and to tell, with each
            answer, where the site's logs stand (`fedgraft.client.audit`).
    """

    workspace: Workspace
    site_files: Sequence[Path] = ()
    witness: Witness | None = None
    keep_phases: bool = False
    keep_answers: bool = False

    def answer(self, handler: Handler, message: Message, context: Context) -> Message:
        """Answer one message by a handler; an exception becomes an error reply with a short code."""
        before = since_process_start() if self.keep_phases else None

        def handled(site_file: Path) -> RecordDict:
            run = run_of(message.content, context.run_id)
            if self.keep_answers and (ledger := taken_from(message.content)) is not None:
                keep_ledger(self.workspace.site(site_file), run, ledger)
            answer = self._answer(handler, message, site_file, run)
            if self.keep_phases:
                state = self.workspace.site(site_file).state
                write_phases(state, message.metadata.message_type, before, self.workspace.phases)
            return put_into(answer, say_heads(self.workspace.site(site_file))) if self.keep_answers else answer

        return Message(self._attempt(handled, context), reply_to=message)

    def _answer(self, handler: Handler, message: Message, site_file: Path, run: int) -> RecordDict:
        kind = message.metadata.message_type
        if not self.keep_answers:
            return self._carried_out(handler, message, site_file, run)
        if kind in NOTED:
            said = said_by(unsealed(message.content)) if kind == TRAIN else Said()
            note(kind, message.content, said, self.workspace, site_file, run)
        of = kept_as(kind, message.content)
        if of is None:
            return self._carried_out(handler, message, site_file, run)
        state, asked = self.workspace.site(site_file).state, digest_of(said_by(message.content), site_file)
        known = kept_answer(state, run, asked, of)
        if known is not None:
            append_line(state / RELEASED, "update again" if kind == TRAIN else f"{kind} again", run, asked=asked)
            return known
        found = self._carried_out(handler, message, site_file, run)
        keep_answer(state, run, asked, found, of)
        return found

    def _carried_out(self, handler: Handler, message: Message, site_file: Path, run: int) -> RecordDict:
        kind = message.metadata.message_type
        require_way(kind, message.content, self.workspace, site_file)
        answer = handler(message.content, self.workspace, site_file, run)
        return sealed(kind, message.content, answer, self.workspace, site_file, run, noisy_update)

    def train_all(self, asked: Sequence[tuple[Message, Context]]) -> list[Message]:
        """Answer ``train`` messages to several sites of this process; they are trained together where that is possible.

        Content that was sent to several sites is unpacked once.
        """
        received: dict[int, handlers.Tensors] = {}

        def assign(message: Message, context: Context) -> handlers.Assignment | Error:
            def read(site_file: Path) -> handlers.Assignment:
                content = message.content
                require_way(TRAIN, content, self.workspace, site_file)
                known = received.get(id(content))
                run = run_of(content, context.run_id)
                given = handlers.assign(content, self.workspace, site_file, run, known)
                received[id(content)] = given.received
                return given

            return self._attempt(read, context)

        found = [assign(message, context) for message, context in asked]
        given = {place: one for place, one in enumerate(found) if isinstance(one, handlers.Assignment)}
        with self.workspace.lock:
            answers = dict(zip(given, carry_out_all(list(given.values())), strict=True))
        return [
            Message(self._outcome(answers.get(place, one), message, context), reply_to=message)
            for place, ((message, context), one) in enumerate(zip(asked, found, strict=True))
        ]

    def _outcome(self, answer: object, message: Message, context: Context) -> RecordDict | Error:
        if isinstance(answer, Exception):
            return self._reduced(answer, _site_file(context, self.site_files))
        assert isinstance(answer, RecordDict | Error)
        if isinstance(answer, Error):
            return answer
        given, content = answer, message.content

        def leave(site_file: Path) -> RecordDict:
            run = run_of(content, context.run_id)
            return sealed(TRAIN, content, given, self.workspace, site_file, run, noisy_update)

        return self._attempt(leave, context)

    def _attempt(self, work: Callable[[Path], T], context: Context) -> T | Error:
        site_file = Path()
        try:
            site_file = _site_file(context, self.site_files)
            with self.workspace.lock:
                return work(site_file)
        except Exception as error:  # whatever it is, its text must not leave
            return self._reduced(error, site_file)

    def _reduced(self, error: Exception, site_file: Path) -> Error:
        _show(self.witness or write_error, site_file, error)
        return Error(CLIENT_APP_RAISED_EXCEPTION, reason_of(error))


def kept_as(kind: str, content: RecordDict) -> str | None:
    """Beside which others an answer is kept, for a coordinator that asks again; ``None`` if it is not.

    Shares are those of a sum by its number, told once. Keys are not kept: asked again, a site makes new ones.
    """
    if is_unmasking(kind, content):
        return "-shares"
    return "" if kind == TRAIN or is_summed(kind, content) else None


def build(handler: MessageHandler) -> ClientApp:
    """A ClientApp that passes every message to a message handler."""
    app = ClientApp()

    @app.query("prepare")
    def prepare(message: Message, context: Context) -> Message:
        return handler.answer(handlers.prepare, message, context)

    @app.query("backbone")
    def backbone(message: Message, context: Context) -> Message:
        return handler.answer(handlers.receive_backbone, message, context)

    @app.query("describe")
    def describe(message: Message, context: Context) -> Message:
        return handler.answer(describe_table, message, context)

    @app.query("moments")
    def moments(message: Message, context: Context) -> Message:
        return handler.answer(tell_moments, message, context)

    @app.query("familiarity")
    def familiarity(message: Message, context: Context) -> Message:
        return handler.answer(tell_familiarity, message, context)

    @app.query("sums")
    def sums(message: Message, context: Context) -> Message:
        return handler.answer(tell_sums, message, context)

    @app.query("gradient")
    def gradient(message: Message, context: Context) -> Message:
        return handler.answer(tell_gradient, message, context)

    @app.query("secure")
    def secure(message: Message, context: Context) -> Message:
        return handler.answer(take_step, message, context)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return handler.answer(handlers.train, message, context)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        return handler.answer(handlers.evaluate, message, context)

    return app


def _show(see: Witness, site_file: Path, error: BaseException) -> None:
    """Call the witness; if it fails itself, no exception's text gets out either."""
    try:
        see(site_file, error)
    except Exception as second:
        with suppress(OSError):  # the log's disk may be full
            print(f"the error could not be written down: {type(second).__name__}", file=sys.stderr)


def write_error(site_file: Path, error: BaseException) -> None:
    """Append an error's class, code and traceback to ``errors.jsonl``, but not its text, which can name a patient;
    that of a `FenceError` can't."""
    try:
        folder = read_site_file(site_file).state
    except FedGraftError:
        folder = site_file.parent
    frames = traceback.extract_tb(error.__traceback__)
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kind": type(error).__name__,
        "code": code_of(error),
        "where": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
        "see": "fedgraft site check",
        **({"said": str(error)} if isinstance(error, FenceError) else {}),
    }
    Chain(folder / "errors.jsonl", durable=False).append(line)


def _site_file(context: Context, site_files: Sequence[Path]) -> Path:
    if "site-file" in context.node_config:
        return Path(str(context.node_config["site-file"]))
    partition = context.node_config.get("partition-id")
    if isinstance(partition, int) and partition < len(site_files):
        return site_files[partition]
    raise SiteFileError("the SuperNode was started without --node-config 'site-file=...'; use fedgraft site start")


app = build(MessageHandler(Workspace(asks=True), keep_phases=True, keep_answers=True))

# What reads a plan and a site file takes 0.2 s to make: here, once, as each message's process is forked from one that
# has imported this.
read({})
schema()
