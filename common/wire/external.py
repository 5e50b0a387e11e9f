"""What a site found with a published model on all its cases (external validation), as JSON that it posts.

What is unpacked comes from another machine: shapes, counts and finiteness are checked as those of a run's evaluations
are (`Task.unpack`), and nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation

MOST_BYTES = 8 * 1024 * 1024
"""More than evaluations of some hundred thousand cases have."""
_FORMAT, _KEYS, _GROUPED = 1, {"format", "model", "trained", "evaluation"}, "scores-in-groups-of"


@dataclass(frozen=True)
class External:
    """Attributes:
    model: the SHA-256 (hex) of the model's ``digests.json``.
    trained: whether the site's cases were among those that the model was trained on.
    grouped: of how many neighbouring cases or more its scores are told together; 0 if each case's is.
    """

    model: str
    trained: bool
    evaluation: Evaluation
    grouped: int = 0


def pack_external(found: External) -> bytes:
    """As JSON; `unpack_external` reads it."""
    record = {name: _plain(value) for name, value in found.evaluation.pack().items()}
    content = {"format": _FORMAT, "model": found.model, "trained": found.trained, "evaluation": record}
    content |= {_GROUPED: found.grouped} if found.grouped else {}
    return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()


def unpack_external(content: bytes, task: AnyTask) -> External:
    """
    Raises:
        WireError: it is no such JSON, or not an evaluation of this task.
    """
    if len(content) > MOST_BYTES:
        raise WireError("the evaluation is too large")
    try:
        plain = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WireError("the evaluation is not JSON") from None
    if not isinstance(plain, dict) or plain.keys() - {_GROUPED} != _KEYS or plain["format"] != _FORMAT:
        raise WireError("the evaluation is not of a format that is known here")
    model, trained, record, grouped = plain["model"], plain["trained"], plain["evaluation"], plain.get(_GROUPED, 0)
    if not isinstance(grouped, int) or isinstance(grouped, bool) or grouped < 0:
        raise WireError("the evaluation's groups of scores are no number of cases")
    if not isinstance(model, str) or not isinstance(trained, bool) or not isinstance(record, dict):
        raise WireError("the evaluation's model, trained or evaluation is not of its type")
    evaluation = task.unpack(_record(record))
    if evaluation.cases < 1:
        raise WireError("the evaluation is of no case")
    return External(model, trained, evaluation, grouped)


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _record(plain: dict[str, Any]) -> ConfigRecord:
    try:
        return ConfigRecord({name: _value(value) for name, value in plain.items()})
    except (TypeError, ValueError, KeyError, AttributeError, binascii.Error):
        raise WireError("the evaluation holds a value of another type") from None


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"], validate=True) if isinstance(value, dict) else value
