"""The classes that a held-out site expects, on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.wire.prevalence import PREVALENCE, pack_prevalence, unpack_prevalence


def test_what_is_packed_is_read() -> None:
    assert unpack_prevalence(pack_prevalence((9, 1)), 2) == (9, 1)
    assert unpack_prevalence(pack_prevalence(None), 2) is None


@pytest.mark.parametrize("counts", [[9], [9, 1, 0], [9, -1], [9.0, 1.0], "9", None])
def test_what_is_not_a_count_for_each_class_is_refused(counts: Any) -> None:
    content = RecordDict({PREVALENCE: ConfigRecord({} if counts is None else {"expected-counts": counts})})
    with pytest.raises(WireError, match="one whole number of cases per class"):
        unpack_prevalence(content, 2)


def test_no_case_is_no_prevalence() -> None:
    with pytest.raises(WireError, match="an estimated prevalence without a case is none"):
        unpack_prevalence(pack_prevalence((0, 0)), 2)
