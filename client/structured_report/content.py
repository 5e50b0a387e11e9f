"""The content of a report: TID 1500 Measurement Report (PS3.16), of one group (TID 1501) with all that was predicted.

The codes are private ones (scheme `SCHEME`): classes are a plan's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom.sr as sr
from highdicom.uid import UID
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

SCHEME = "99FEDGRAFT"
UNVERIFIED = "AI result, not verified: it was computed by a program, and no person has looked at it"
_LONGEST = 64
"""Letters of a Code Meaning: a LO (PS3.5 section 6.2)."""
_PROCEDURE = sr.CodedConcept("363679005", "SCT", "Imaging procedure")
_PROBABILITY, _HAZARD, _PREDICTED, _SET, _FLAG, _ANSWER = "prob", "hazard", "called", "set", "flag", "answer"


@dataclass(frozen=True)
class Author:
    """The model that predicted.

    Attributes:
        name: in words.
        version: the digest of its tensors.
        parameters: further facts, a sentence each.
    """

    name: str
    version: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What a model says about a case.

    Attributes:
        probabilities: of each class or finding.
        calibrated: whether they can be taken at their word.
        log_hazard: of a survival model; ``None`` otherwise.
        predicted: the answers by the operating point; empty without decisions.
        answers: the set of answers, likewise.
        why: why a person must look at the case; empty if nobody must; ``None`` if the model can't tell.
    """

    probabilities: dict[str, float] = field(default_factory=dict)
    calibrated: bool = False
    log_hazard: float | None = None
    predicted: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    why: tuple[str, ...] | None = None

    def sentences(self) -> list[str]:
        """All of it in words, which have no limit of letters."""
        kind = "calibrated" if self.calibrated else "uncalibrated"
        found = [f"{kind} probability of {name}: {value:.4f}" for name, value in self.probabilities.items()]
        if self.log_hazard is not None:
            found.append(f"log hazard: {self.log_hazard:.4f}")
        if self.predicted:
            found.append(f"predicted: {', '.join(self.predicted)}")
        if self.answers:
            found.append(f"answers that may be true: {', '.join(self.answers)}")
        if self.why is not None:
            found.append(f"a person must look at it: {'; '.join(self.why)}" if self.why else "no flag")
        return found


def measurement_report(
    findings: Findings, author: Author, images: Sequence[tuple[Dataset, tuple[int, ...]]]
) -> Dataset:
    """The report's content.

    Args:
        images: the headers of the evaluated instances, and which frames (from 0), if a file has several.
    """
    device = sr.DeviceObserverIdentifyingAttributes(
        UID.from_uuid(_uuid_of(author.version)), _short(author.name), "FedGraft", _short(author.name)
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        sr.TrackingIdentifier(UID(), "prediction"),
        algorithm_id=sr.AlgorithmIdentification(author.name, author.version, author.parameters or None),
        measurements=_numbers(findings),
        qualitative_evaluations=_words(findings),
        source_images=[
            sr.SourceImageForMeasurementGroup(
                image.SOPClassUID, image.SOPInstanceUID, [frame + 1 for frame in frames] or None
            )
            for image, frames in images
        ],
    )
    comment = codes.DCM.Comment
    for text in (UNVERIFIED, *findings.sentences()):
        item = sr.TextContentItem(comment, text, sr.RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(item)
    report: Dataset = sr.MeasurementReport(
        sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device)),
        _PROCEDURE,
        [group],
        title=codes.DCM.ImagingMeasurementReport,
    )[0]
    return report


def _numbers(findings: Findings) -> list[sr.Measurement]:
    kind = "Calibrated probability" if findings.calibrated else "Uncalibrated probability"
    named = [
        (_code(f"{_PROBABILITY}-{place}", f"{kind} of {name}"), value)
        for place, (name, value) in enumerate(findings.probabilities.items())
    ]
    if findings.log_hazard is not None:
        named.append((_code(_HAZARD, "Log hazard"), findings.log_hazard))
    return [sr.Measurement(name, float(f"{value:.6g}"), codes.UCUM.NoUnits) for name, value in named]


def _words(findings: Findings) -> list[sr.QualitativeEvaluation]:
    known: dict[str, int] = {}
    found = []
    for code, name, answers in (
        (_PREDICTED, "Predicted", findings.predicted),
        (_SET, "Answer that may be true", findings.answers),
        (_FLAG, "A person must look at it", () if findings.why is None else findings.why or ("no",)),
    ):
        for answer in answers:
            place = known.setdefault(answer, len(known))
            found.append(sr.QualitativeEvaluation(_code(code, name), _code(f"{_ANSWER}-{place}", answer)))
    return found


def _code(value: str, meaning: str) -> sr.CodedConcept:
    return sr.CodedConcept(value, SCHEME, _short(meaning))


def _short(text: str) -> str:
    """As a LO may be; the whole stands in a comment."""
    plain = text.replace("\\", "/")
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


def _uuid_of(digest: str) -> str:
    """The same for the same model."""
    text = digest[:32]
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
