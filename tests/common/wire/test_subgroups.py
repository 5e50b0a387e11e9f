import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.tasks import TASKS
from fedgraft.common.wire.subgroups import pack_subgroups, unpack_subgroups

TASK = TASKS["classification"](("healthy", "sick"))


def cases(sick: int):
    outputs, labels = np.tile([0.0, 1.0], (4, 1)), np.arange(4) < sick
    return TASK.evaluate_parts(outputs, labels.astype(int), [4])[0]


def packed() -> RecordDict:
    return pack_subgroups({"sex": {"F": cases(1), "M": cases(3)}, "view": {"AP": cases(2)}})


def test_there_and_back():
    found = unpack_subgroups(packed(), TASK, ("sex", "view"))
    assert {column: sorted(groups) for column, groups in found.items()} == {"sex": ["F", "M"], "view": ["AP"]}
    assert found["sex"]["M"].confusion.tolist() == [[0, 1], [0, 3]]
    assert unpack_subgroups(pack_subgroups({}), TASK, ("sex",)) == {}


def spoilt(**columns: object) -> RecordDict:
    content = packed()
    content["subgroups"] = ConfigRecord({"columns": ["sex", "sex"], "groups": ["F", "M"], **columns})
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (spoilt(columns=["sex", "iban"]), "of a column that the plan does not ask for"),
        (spoilt(groups=["F", "F"]), "a short printable name of its own"),
        (spoilt(groups=["F", "M\n"]), "a short printable name of its own"),
        (spoilt(groups=["F", "x" * 61]), "a short printable name of its own"),
        (spoilt(groups=["F"]), "need a column and a name each"),
        (spoilt(columns=["sex"] * 31, groups=[f"g{n}" for n in range(31)]), "30 subgroups|lacks"),
    ],
)
def test_what_no_site_would_send_is_refused(content, message):
    with pytest.raises(WireError, match=message):
        unpack_subgroups(content, TASK, ("sex", "view"))
