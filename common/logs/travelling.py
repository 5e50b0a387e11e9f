"""A statement about logs as a record of a message: it goes along with each instruction and each reply."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import ConfigRecord, Message, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.logs.heads import Statement, statement_from
from fedgraft.common.records import config_of, text_of

_HEADS, _STATEMENT = "log-heads", "statement"


def put_into(content: RecordDict, statement: Statement) -> RecordDict:
    """A content with a statement besides; its other records are shared."""
    return RecordDict({**content, _HEADS: ConfigRecord({_STATEMENT: statement.to_json()})})


def put_into_all(messages: Iterable[Message], statement: Statement) -> None:
    """Put a statement into messages, some of which may share a content."""
    made: dict[int, RecordDict] = {}
    for message in messages:
        content = message.content
        message.content = made.setdefault(id(content), put_into(content, statement))


def taken_from(content: RecordDict) -> Statement | None:
    """Take the statement out of a content that came; ``None`` if an older version of fedgraft sent it.

    Raises:
        WireError: it can't be read.
    """
    if _HEADS not in content:
        return None
    try:
        return statement_from(text_of(config_of(content, _HEADS), _STATEMENT))
    except WireError:
        raise
    finally:
        del content[_HEADS]
