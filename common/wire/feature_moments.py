"""``query.moments``: mean and squares of each feature over a site's training cases; packed and unpacked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.features.moments import Moments
from fedgraft.common.records import config_of, count_of, text_of
from fedgraft.common.wire import messages

MOMENTS = "query.moments"
_SITE, _MOMENTS, _PLAN, _CASES = "site", "moments", "plan", "cases"
_MEAN, _SQUARES = "mean", "squares"


@dataclass(frozen=True)
class SiteMoments:
    """A site's answer; ``moments`` is ``None`` if the site withholds them."""

    site: str
    plan_digest: str
    moments: Moments | None


def pack_moments_question(plan_digest: str) -> RecordDict:
    """The content of a ``query.moments`` message."""
    return RecordDict({_PLAN: ConfigRecord({"digest": plan_digest})})


def unpack_moments_question(content: RecordDict) -> str:
    """The plan's digest.

    Raises:
        WireError: it is missing.
    """
    return text_of(config_of(content, _PLAN), "digest")


def pack_moments(answer: SiteMoments) -> RecordDict:
    """The content of a site's reply to ``query.moments``."""
    config = ConfigRecord({"name": answer.site, "plan": answer.plan_digest})
    record = RecordDict({_SITE: config})
    if answer.moments is not None:
        config[_CASES] = answer.moments.cases
        record[_MOMENTS] = messages.pack_tensors({_MEAN: answer.moments.mean, _SQUARES: answer.moments.squares})
    return record


def unpack_moments(content: RecordDict, width: int, noisy: bool = False) -> SiteMoments:
    """Read a site's answer.

    Args:
        width: number of features.
        noisy: whether they have noise, by which squares can be negative.

    Raises:
        WireError: a key is missing, a shape or dtype is wrong, a number is not finite, or a square is negative.
    """
    site = config_of(content, _SITE)
    name, digest, record = text_of(site, "name"), text_of(site, "plan"), content.get(_MOMENTS)
    if record is None:
        return SiteMoments(name, digest, None)
    if not isinstance(record, ArrayRecord):
        raise WireError("the moments are no tensors")
    spec = messages.Spec((width,), "float64")
    found = messages.unpack_tensors(record, {_MEAN: spec, _SQUARES: spec})
    cases = count_of(site, _CASES)
    if cases == 0 or (not noisy and bool(torch.any(found[_SQUARES] < 0))):
        raise WireError("moments must be of one case or more, and a sum of squares can't be negative")
    return SiteMoments(name, digest, Moments(cases, found[_MEAN], found[_SQUARES]))
