"""``query.familiarity``: sums over features of a site's training cases; then how far its other cases are from the
Gaussian that they made. Or (``site_distances``) sums over a site's patients, before training and as the final model
sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.familiarity.between_sites import PatientSums
from fedgraft.common.familiarity.distances import BINS, Counts
from fedgraft.common.familiarity.gaussian import Reference, Sums
from fedgraft.common.records import config_of, count_of, is_count, text_of
from fedgraft.common.wire import messages

FAMILIARITY = "query.familiarity"
DISTANCES = "distances"
_REFERENCE, _SUMS, _SITE, _CASES, _BY_PATIENT = "reference", "sums", "site", "cases", "by-patient"
STATES = ("before", "after")
"""Of features: those of the untrained network, unscaled, and those that the final model's head takes."""


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


@dataclass(frozen=True)
class ToldByPatient:
    """A site's answer on its patients: sums by state of the features; empty if it withholds them."""

    site: str
    plan_digest: str
    sums: Mapping[str, PatientSums] = field(default_factory=dict)


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


def pack_by_patient_question(received: Mapping[str, Tensor], plan_digest: str, server_round: int) -> RecordDict:
    """The content of a ``query.familiarity`` message that asks for sums over patients (``site_distances``)."""
    content = messages.pack_evaluate(received, plan_digest, server_round)
    content[_BY_PATIENT] = ConfigRecord({"states": list(STATES)})
    return content


def asks_by_patient(content: RecordDict) -> bool:
    """Whether a question asks for sums over patients."""
    return _BY_PATIENT in content


def pack_by_patient(told: ToldByPatient) -> RecordDict:
    """The content of a site's reply."""
    site = ConfigRecord({"name": told.site, "plan": told.plan_digest})
    record = RecordDict({_SITE: site})
    for state, one in told.sums.items():
        site[f"patients-{state}"], site[f"labels-{state}"] = one.sums.cases, one.labels
        record[state] = messages.pack_tensors({"mean": one.sums.mean, "scatter": one.sums.scatter})
    return record


def unpack_by_patient(content: RecordDict, widths: Mapping[str, int], labels: int) -> ToldByPatient:
    """Read a site's answer.

    Args:
        widths: by state, numbers that features are projected to.
        labels: numbers that labels take, if they are told.

    Raises:
        WireError: as `unpack_told`.
    """
    site = config_of(content, _SITE)
    found = {state: _by_patient(content, site, state, widths[state], labels) for state in STATES if state in content}
    return ToldByPatient(text_of(site, "name"), text_of(site, "plan"), found)


def _by_patient(content: RecordDict, site: ConfigRecord, state: str, width: int, labels: int) -> PatientSums:
    patients, told, record = count_of(site, f"patients-{state}"), count_of(site, f"labels-{state}"), content[state]
    if told not in (0, labels) or not isinstance(record, ArrayRecord):
        raise WireError("sums over patients must be tensors, of the plan's labels or of none")
    wide = told + width
    specs = {"mean": messages.Spec((wide,), "float64"), "scatter": messages.Spec((wide, wide), "float64")}
    sums = messages.unpack_tensors(record, specs)
    if patients == 0 or bool(torch.any(torch.diag(sums["scatter"]) < 0)):
        raise WireError("sums must be of one patient or more, and a sum of squares can't be negative")
    return PatientSums(Sums(patients, sums["mean"], sums["scatter"]), told)
