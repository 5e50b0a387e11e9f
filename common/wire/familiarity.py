"""``query.familiarity``: sums over features of a site's training cases; then how far its other cases are from the
Gaussian that they made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.familiarity.distances import BINS, Counts
from fedgraft.common.familiarity.gaussian import Reference, Sums
from fedgraft.common.records import config_of, count_of, is_count, text_of
from fedgraft.common.wire import messages

FAMILIARITY = "query.familiarity"
DISTANCES = "distances"
_REFERENCE, _SUMS, _SITE, _CASES = "reference", "sums", "site", "cases"


@dataclass(frozen=True)
class Told:
    """A site's answer.

    Attributes:
        sums: over its training cases; ``None`` if they were not asked for, or the site withholds them.
        counts: of distances by split; empty if they were not asked for, and without splits that it withholds.
    """

    site: str
    plan_digest: str
    sums: Sums | None = None
    counts: Mapping[str, Counts] = field(default_factory=dict)


def pack_familiarity_question(
    received: Mapping[str, Tensor], plan_digest: str, server_round: int, reference: Reference | None
) -> RecordDict:
    """The content of a ``query.familiarity`` message.

    Args:
        received: the final model's tensors that travel.
        reference: asks how far the site's cases are from it; ``None`` asks for sums.
    """
    content = messages.pack_evaluate(received, plan_digest, server_round)
    if reference is not None:
        content[_REFERENCE] = messages.pack_tensors({"mean": reference.mean, "precision": reference.precision})
    return content


def asks_distances(content: RecordDict) -> bool:
    """Whether a question asks for distances, and not for sums."""
    return _REFERENCE in content


def unpack_reference(content: RecordDict, width: int) -> Reference | None:
    """The reference; ``None`` if sums are asked for.

    Args:
        width: numbers that features are projected to.

    Raises:
        WireError: it is of another shape or type, or not finite.
    """
    record = content.get(_REFERENCE)
    if not isinstance(record, ArrayRecord):
        return None
    specs = {"mean": messages.Spec((width,), "float64"), "precision": messages.Spec((width, width), "float64")}
    found = messages.unpack_tensors(record, specs)
    return Reference(found["mean"], found["precision"])


def pack_told(told: Told) -> RecordDict:
    """The content of a site's reply to ``query.familiarity``."""
    site = ConfigRecord({"name": told.site, "plan": told.plan_digest})
    record = RecordDict({_SITE: site})
    if told.sums is not None:
        site[_CASES] = told.sums.cases
        record[_SUMS] = messages.pack_tensors({"mean": told.sums.mean, "scatter": told.sums.scatter})
    if told.counts:
        record[DISTANCES] = ConfigRecord({split: list(counts) for split, counts in told.counts.items()})
    return record


def unpack_told(content: RecordDict, width: int) -> Told:
    """Read a site's answer.

    Raises:
        WireError: a key is missing, a shape, type or number of bins is wrong, a number is not finite, or sums are those
            of no cases.
    """
    site = config_of(content, _SITE)
    name, digest, record = text_of(site, "name"), text_of(site, "plan"), content.get(_SUMS)
    sums = None
    if isinstance(record, ArrayRecord):
        specs = {"mean": messages.Spec((width,), "float64"), "scatter": messages.Spec((width, width), "float64")}
        found, cases = messages.unpack_tensors(record, specs), count_of(site, _CASES)
        if cases == 0 or bool(torch.any(torch.diag(found["scatter"]) < 0)):
            raise WireError("sums must be of one case or more, and a sum of squares can't be negative")
        sums = Sums(cases, found["mean"], found["scatter"])
    counts = {split: _counts(content, split) for split in messages.SPLITS if split in content.get(DISTANCES, {})}
    return Told(name, digest, sums, counts)


def _counts(content: RecordDict, split: str) -> Counts:
    found = config_of(content, DISTANCES)[split]
    if not (isinstance(found, list) and len(found) == BINS and all(is_count(count) for count in found)):
        raise WireError(f"distances must be counted in {BINS} bins, by whole numbers")
    return tuple(int(count) for count in found)
