"""The number by which sites keep what is theirs in a run. It is Flower's id of the run; a run that is resumed has a new
id there, and its messages bring the first one."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import ConfigRecord, Message, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of, text_of

_RUN, _NUMBER, _CONTINUES = "run", "number", "continues"
_MOST_DIGITS = 20


def name_run(messages: Iterable[Message], run: int, continues: str = "") -> None:
    """Add the number to the messages' contents, which several may share.

    Args:
        continues: digest of the plan with which the run was complete, before it was extended.
    """
    record = ConfigRecord({_NUMBER: str(run), **({_CONTINUES: continues} if continues else {})})
    for content in {id(message.content): message.content for message in messages}.values():
        content[_RUN] = record


def run_of(content: RecordDict, flower: int) -> int:
    """The number that a message brings, or Flower's own.

    Raises:
        WireError: what it brings is no number.
    """
    if _RUN not in content:
        return flower
    text = text_of(config_of(content, _RUN), _NUMBER)
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise WireError("a run's number must be a whole number")
    return int(text)


def continues_of(content: RecordDict) -> str:
    """The digest of the plan that was extended; ``""`` if none was.

    Raises:
        WireError: what the message brings is no digest.
    """
    if _RUN not in content or _CONTINUES not in (record := config_of(content, _RUN)):
        return ""
    text = text_of(record, _CONTINUES)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise WireError("a digest must be 64 hexadecimal digits")
    return text


def unnamed(content: RecordDict) -> RecordDict:
    """A content without the number that `name_run` added."""
    return RecordDict({name: record for name, record in content.items() if name != _RUN})
