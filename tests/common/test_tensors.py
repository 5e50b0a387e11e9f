"""Named tensors on disk, and their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import BackboneError
from fedgraft.common.tensors import count_bytes, digest, load, save

SOME = {
    "b.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "a.count": torch.tensor(3),
    "c.flag": torch.tensor([True, False]),
    "d.empty": torch.zeros(0, 3),
}


def test_the_digest_is_a_sha256_over_sorted_names_by_hand() -> None:
    expected = hashlib.sha256()
    expected.update(b"a|torch.int64|()|" + (5).to_bytes(8, "little"))
    expected.update(b"b|torch.float32|(2,)|" + b"\x00\x00\x80\x3f" + b"\x00\x00\x00\xc0")
    assert digest({"b": torch.tensor([1.0, -2.0]), "a": torch.tensor(5)}) == expected.hexdigest()


def test_the_digest_does_not_depend_on_order_or_memory_layout() -> None:
    backwards = dict(reversed(SOME.items()))
    strided = SOME | {"b.weight": SOME["b.weight"].t().contiguous().t()}
    assert not strided["b.weight"].is_contiguous()
    assert digest(SOME) == digest(backwards) == digest(strided)


@pytest.mark.parametrize(
    "changed",
    [
        {"b.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0001]])},
        {"b.weight": torch.tensor([1.0, 2.0, 3.0, 4.0])},
        {"b.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)},
        {"a.count": torch.tensor(4)},
        {"extra": torch.tensor(1.0)},
        {"d.empty": torch.zeros(0, 4)},
    ],
)
def test_the_digest_changes_with_every_value_shape_dtype_and_name(changed: dict[str, Tensor]) -> None:
    assert digest(SOME | changed) != digest(SOME)


def test_the_digest_of_an_empty_tensor_does_not_depend_on_where_it_came_from() -> None:
    assert digest({"e": torch.from_numpy(np.zeros(0, np.float32))}) == digest({"e": torch.zeros(0)})


def test_the_digest_of_a_parameter_is_that_of_its_value() -> None:
    value = torch.randn(3)
    assert digest({"w": torch.nn.Parameter(value)}) == digest({"w": value})


def test_saved_and_loaded_tensors_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "some.safetensors"
    save(path, SOME, {"made": "by hand"})
    loaded = load(path)
    assert digest(loaded) == digest(SOME)
    assert [file.name for file in path.parent.iterdir()] == ["some.safetensors"]


@pytest.mark.parametrize("metadata", [None, {}, {"made": "here"}])
def test_no_tensor_at_all_is_saved_and_loaded(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save(tmp_path / "none.safetensors", {}, metadata)
    assert load(tmp_path / "none.safetensors") == {}


def test_a_strided_tensor_is_saved_by_value(tmp_path: Path) -> None:
    save(tmp_path / "t.safetensors", {"w": torch.arange(6.0).reshape(2, 3).t()})
    assert load(tmp_path / "t.safetensors")["w"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


def test_saving_again_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save(path, SOME)
    save(path, {"only": torch.zeros(1)})
    assert set(load(path)) == {"only"}


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save(path, SOME)
    shared = torch.zeros(4)
    with pytest.raises(RuntimeError):  # safetensors refuses two names for one memory
        save(path, {"a": shared, "b": shared})
    assert digest(load(path)) == digest(SOME)
    assert [file.name for file in tmp_path.iterdir()] == ["t.safetensors"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"none\.safetensors does not exist"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"garbage, not a header", b"\x80\x02}q\x00."], ids=["empty", "text", "pickle"]
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"bad\.safetensors is not a readable safetensors file; delete it"):
        load(path)


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    save(path, {"w": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(BackboneError, match=r"cut\.safetensors is not a readable safetensors file"):
        load(path)


def test_bytes_are_those_of_the_numbers() -> None:
    # 4 float32, 1 int64, 2 bool, nothing
    assert count_bytes(SOME) == 16 + 8 + 2


def test_no_tensors_at_all_are_saved_and_loaded(tmp_path: Path) -> None:
    save(tmp_path / "none.safetensors", {})
    assert load(tmp_path / "none.safetensors") == {}
