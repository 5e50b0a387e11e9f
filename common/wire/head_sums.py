"""``query.sums``: the sums over a site's training cases from which the head starts, or by which features are ranked
(``features.keep``); packed and unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.head_start import COUNTS, Sums
from fedgraft.common.records import config_of, text_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.given import add_given, unpack_given

SUMS = "query.sums"
Purpose = Literal["initial", "ranking"]
_PURPOSES: tuple[Purpose, ...] = ("initial", "ranking")
_SITE, _SUMS, _PLAN, _PURPOSE = "site", "sums", "plan", "purpose"


@dataclass(frozen=True)
class SiteSums:
    """A site's answer; ``sums`` is ``None`` if the site withholds them."""

    site: str
    plan_digest: str
    sums: Sums | None


@dataclass(frozen=True)
class SumsQuestion:
    """What a site is asked for.

    Attributes:
        given: the tensors that scale and choose features, by name; empty if the plan does neither.
        class_counts: training cases by class over all sites, if the sums depend on them.
        purpose: what the sums are for: the head's start, or the ranking of features.
    """

    plan_digest: str
    given: Mapping[str, Tensor]
    class_counts: tuple[int, ...] | None
    purpose: Purpose = "initial"


def pack_sums_question(asked: SumsQuestion) -> RecordDict:
    """The content of a ``query.sums`` message."""
    config = ConfigRecord({"digest": asked.plan_digest, _PURPOSE: asked.purpose})
    if asked.class_counts is not None:
        config["class-counts"] = list(asked.class_counts)
    return add_given(RecordDict({_PLAN: config}), asked.given)


def plan_of_sums_question(content: RecordDict) -> str:
    """The plan's digest.

    Raises:
        WireError: it is missing.
    """
    return text_of(config_of(content, _PLAN), "digest")


def unpack_sums_question(content: RecordDict, given: messages.Specs) -> SumsQuestion:
    """Read what is asked.

    Args:
        given: specs of the tensors that scale features.

    Raises:
        WireError: something is missing or ill-typed.
    """
    counts, tensors = messages.class_counts_of(config_of(content, _PLAN)), unpack_given(content, given)
    if given and tensors is None:
        raise WireError("the message lacks the tensors that scale features")
    return SumsQuestion(plan_of_sums_question(content), tensors or {}, counts, _purpose(content))


def _purpose(content: RecordDict) -> Purpose:
    named = text_of(config_of(content, _PLAN), _PURPOSE)
    for purpose in _PURPOSES:
        if named == purpose:
            return purpose
    raise WireError("sums are asked for a purpose that is unknown here")


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
