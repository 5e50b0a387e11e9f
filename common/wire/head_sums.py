"""``query.sums``: the sums over a site's training cases from which the head starts; packed and unpacked."""

from __future__ import annotations

from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.head_start import COUNTS, Sums
from fedgraft.common.records import config_of, text_of
from fedgraft.common.wire import messages

SUMS = "query.sums"
_SITE, _SUMS, _PLAN = "site", "sums", "plan"


@dataclass(frozen=True)
class SiteSums:
    """A site's answer; ``sums`` is ``None`` if the site withholds them."""

    site: str
    plan_digest: str
    sums: Sums | None


def pack_sums_question(plan_digest: str) -> RecordDict:
    """The content of a ``query.sums`` message."""
    return RecordDict({_PLAN: ConfigRecord({"digest": plan_digest})})


def unpack_sums_question(content: RecordDict) -> str:
    """The plan's digest.

    Raises:
        WireError: it is missing.
    """
    return text_of(config_of(content, _PLAN), "digest")


def pack_sums(answer: SiteSums) -> RecordDict:
    """The content of a site's reply to ``query.sums``."""
    record = RecordDict({_SITE: ConfigRecord({"name": answer.site, "plan": answer.plan_digest})})
    if answer.sums is not None:
        record[_SUMS] = messages.pack_tensors(answer.sums)
    return record


def unpack_sums(content: RecordDict, specs: messages.Specs) -> SiteSums:
    """Read a site's answer.

    Raises:
        WireError: a key is missing, names differ from ``specs``, a shape or dtype is wrong, a number is not finite, or
            a count is no whole number.
    """
    site = config_of(content, _SITE)
    name, digest, record = text_of(site, "name"), text_of(site, "plan"), content.get(_SUMS)
    if record is None:
        return SiteSums(name, digest, None)
    if not isinstance(record, ArrayRecord):
        raise WireError("the sums are no tensors")
    sums = messages.unpack_tensors(record, specs)
    counts = sums.get(COUNTS)
    if counts is not None and not bool(((counts >= 0) & (counts == counts.round())).all()):
        raise WireError("the counts of the sums must be whole numbers, 0 or more")
    return SiteSums(name, digest, sums)
