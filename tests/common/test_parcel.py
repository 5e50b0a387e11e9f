"""Contents in parcels: the same content afterwards, in few pieces; hostile parcels are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.task_identity import TaskIdentity

from fedgraft.common import parcel
from fedgraft.common.errors import WireError
from fedgraft.common.parcel import LARGE, PARCEL, SMALL, Packing, in_parcels, is_packed, unpack
from fedgraft.common.wire.arrays import record_of


@pytest.fixture(autouse=True)
def identity() -> None:
    """Flower's messages name the process that makes them."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def head() -> RecordDict:
    tensors = [("weight", torch.arange(6.0).reshape(2, 3)), ("bias", torch.tensor([0.5, -1.0]).half())]
    return RecordDict(
        {
            "arrays": record_of(tensors),
            "config": ConfigRecord({"round": 3, "names": ["a", "b"], "none": [], "text": "x", "yes": True, "b": b"\0"}),
            "metrics": MetricRecord({"loss": 0.1, "counts": [1, 2]}),
        }
    )


def stage(tensors: int = 300) -> ArrayRecord:
    drawn = torch.Generator().manual_seed(0)
    return record_of((f"t{n}", torch.randn(500, generator=drawn)) for n in range(tensors))


def pieces(content: RecordDict) -> int:
    return len(get_all_nested_objects(Message(content, 7, "train")))


def same(left: RecordDict, right: RecordDict) -> None:
    assert set(left) == set(right)
    for name, record in left.items():
        other = right[name]
        assert type(record) is type(other) and list(record) == list(other)
        for key, value in record.items():
            if isinstance(record, ArrayRecord):
                found = other[key].numpy()
                assert found.dtype == value.numpy().dtype
                np.testing.assert_array_equal(found, value.numpy())
            else:
                assert other[key] == value and type(other[key]) is type(value)


def test_a_small_message_is_three_pieces() -> None:
    content = head()
    packed = Packing().pack(content)
    assert list(packed) == [PARCEL] and is_packed(packed) and not is_packed(content)
    # message, record dict, record; before: message, record dict, three records, twice two for arrays
    assert (pieces(content), pieces(packed)) == (9, 3)
    same(unpack(packed), content)


def test_a_record_of_many_arrays_is_one_array_and_equal_for_all_sites() -> None:
    shared = stage()
    contents = [RecordDict({"arrays": shared, "config": ConfigRecord({"site": site})}) for site in ("a", "b")]
    packing = Packing()
    packed = [packing.pack(content) for content in contents]
    assert pieces(contents[0]) == 604 and pieces(packed[0]) == 6
    first, second = (one[LARGE]["0"].data for one in packed)  # type: ignore[call-overload,index]
    assert first == second, "the coordinator gets it once"
    for content, one in zip(contents, packed, strict=True):
        same(unpack(one), content)


def test_a_backbone_stays_the_one_array_that_it_is() -> None:
    content = RecordDict({"backbone": record_of([("digest", torch.zeros(2 * SMALL, dtype=torch.uint8))]), **head()})
    packed = Packing().pack(content)
    assert list(packed) == [PARCEL, "backbone"] and packed["backbone"] is content["backbone"]
    same(unpack(packed), content)


def test_what_would_not_have_fewer_pieces_stays() -> None:
    for content in (RecordDict(), RecordDict({"config": ConfigRecord({"a": 1})})):
        assert Packing().pack(content) is content and unpack(content) is content


def test_small_records_that_are_many_stay_alone_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is sent in one call, which on a slow line must not take too long."""
    content = RecordDict({"first": stage(100), "second": stage(90), "config": ConfigRecord({"a": 1})})
    monkeypatch.setattr(parcel, "TOGETHER", SMALL)
    packed = Packing().pack(content)
    assert list(packed) == [LARGE, "config"] and list(packed[LARGE]) == ["0", "1"]
    same(unpack(packed), RecordDict({"config": content["config"], "first": stage(100), "second": stage(90)}))


def test_what_is_too_large_for_an_array_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "LARGEST", SMALL)
    content = RecordDict({"arrays": stage()})
    assert Packing().pack(content) is content


def test_messages_have_their_own_contents_back_after_the_block() -> None:
    contents = [head(), RecordDict({"config": ConfigRecord({"a": 1})})]
    messages = [Message(content, 7, "train") for content in contents]
    with pytest.raises(RuntimeError), in_parcels(messages):
        assert [is_packed(message.content) for message in messages] == [True, False]
        raise RuntimeError
    assert [message.content for message in messages] == contents


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (RecordDict({PARCEL: ConfigRecord({"a": 1})}), "parcel is not made of bytes"),
        (RecordDict({PARCEL: ConfigRecord({"bytes": "text"})}), "parcel is not made of bytes"),
        (RecordDict({PARCEL: record_of([("a", torch.ones(3))])}), "parcel is not made of bytes"),
        (RecordDict({PARCEL: ConfigRecord({"bytes": b"\xff" * 9})}), "can't be read"),
        (RecordDict({LARGE: ConfigRecord({"a": 1})}), "parcel is not made of arrays"),
        (RecordDict({LARGE: record_of([("a", torch.ones(3))])}), "parcel is not made of bytes"),
        (RecordDict({LARGE: record_of([("a", torch.full((9,), 255, dtype=torch.uint8))])}), "can't be read"),
        (RecordDict({PARCEL: Packing().pack(head())[PARCEL], "config": ConfigRecord()}), "names a record twice"),
        (Packing()._packed(RecordDict({**Packing().pack(head()), "more": record_of([])})), "holds a parcel"),
    ],
)
def test_a_parcel_that_is_none_is_refused(content: RecordDict, said: str) -> None:
    with pytest.raises(WireError, match=said):
        unpack(content)


def test_bytes_that_were_changed_are_a_wire_error_or_another_content() -> None:
    packed = Packing().pack(head())
    values = np.frombuffer(packed[PARCEL]["bytes"], np.uint8)  # type: ignore[call-overload,index,arg-type]
    drawn = np.random.default_rng(0)
    for _ in range(300):
        damaged = values.copy()
        places = drawn.integers(0, len(damaged), 3)
        damaged[places] = drawn.integers(0, 256, 3)
        try:
            unpack(RecordDict({PARCEL: ConfigRecord({"bytes": damaged.tobytes()})}))
        except WireError:
            continue
