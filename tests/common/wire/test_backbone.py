"""A backbone travels as one array for each of its networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, RecordDict

from fedgraft.common import tensors
from fedgraft.common.errors import WireError
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import pack_backbone, unpack_backbone

STATE = {
    "conv.weight": torch.randn(8, 3, 5, 5).to(memory_format=torch.channels_last),
    "bn.num_batches_tracked": torch.tensor(7),
}


DIGEST = tensors.digest(STATE)


def test_it_makes_a_round_trip_with_its_digest_in_one_array() -> None:
    record = pack_backbone({DIGEST: STATE})
    assert list(record) == [DIGEST]
    assert tensors.digest(unpack_backbone(record)[DIGEST]) == DIGEST


def test_several_networks_are_an_array_each() -> None:
    other = {"w": torch.ones(3)}
    found = unpack_backbone(pack_backbone({DIGEST: STATE, "ab": other}))
    assert sorted(found) == sorted([DIGEST, "ab"])
    assert torch.equal(found["ab"]["w"], other["w"])


def test_bytes_count_the_numbers_and_little_more() -> None:
    counted = messages.count_bytes(RecordDict({messages.FROZEN: pack_backbone({DIGEST: {"w": torch.zeros(100, 100)}})}))
    assert 40_000 <= counted < 40_500


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (ArrayRecord(), "lacks the backbone"),
        (ArrayRecord({DIGEST: Array(np.ones(3, np.float32))}), "lacks the backbone"),
        (ArrayRecord({DIGEST: Array(np.ones(3, np.uint8))}), "no safetensors file"),
        (
            ArrayRecord(
                {DIGEST: Array(np.frombuffer(pack_backbone({DIGEST: STATE})[DIGEST].numpy().tobytes()[:-9], np.uint8))}
            ),
            "no saf",
        ),
        (ArrayRecord({DIGEST: Array("uint8", (1,), "numpy.ndarray", b"no array")}), "the backbone can't be decoded"),
    ],
)
def test_what_is_no_backbone_is_refused(record: ArrayRecord, words: str) -> None:
    with pytest.raises(WireError, match=words):
        unpack_backbone(record)
