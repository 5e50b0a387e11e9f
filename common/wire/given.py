"""Given tensors (those that scale features), which travel beside what a message asks."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, RecordDict
from torch import Tensor

from fedgraft.common.wire.messages import Specs, pack_tensors, unpack_tensors

_GIVEN = "given"


def add_given(content: RecordDict, given: Mapping[str, Tensor]) -> RecordDict:
    """The content, with these tensors by name beside it if there are any."""
    if given:
        content[_GIVEN] = pack_tensors(given)
    return content


def unpack_given(content: RecordDict, specs: Specs) -> dict[str, Tensor] | None:
    """The given tensors of a message; ``None`` if it brings none.

    Raises:
        WireError: they are not as ``specs`` says.
    """
    record = content.get(_GIVEN)
    return unpack_tensors(record, specs) if isinstance(record, ArrayRecord) else None
