"""Named tensors on disk and their digest. Safetensors only: nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from fedgraft.common.errors import BackboneError
from fedgraft.common.runtime.files import replacing

_METADATA, _LENGTH_BYTES = "__metadata__", 8


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, dtypes, shapes and bytes, in the order of the sorted names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, *, durable: bool = False
) -> None:
    """Write a safetensors file; a reader sees the old file or the whole new one.

    Args:
        durable: whether it is on the disk when this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path, private=True, durable=durable) as partial:
        # none, not an empty one: with that and no tensor at all safetensors writes no valid header
        safetensors.torch.save_file(contiguous, partial, metadata=dict(metadata) if metadata else None)
        if metadata:
            _sort_metadata(partial)


def _sort_metadata(path: Path) -> None:
    """Sort the metadata in a file's header, which safetensors writes in a random order; the same tensors then give the
    same bytes. The header stays as long as it is: 8 bytes with its length, then JSON."""
    with path.open("r+b") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        header = json.loads(stream.read(length))
        header[_METADATA] = dict(sorted(header[_METADATA].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length)
        if len(text) == length:
            stream.seek(_LENGTH_BYTES)
            stream.write(text)


def load(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        BackboneError: it is missing or damaged.
    """
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise BackboneError(f"{path} does not exist") from error
    except safetensors.SafetensorError as error:
        raise BackboneError(f"{path} is not a readable safetensors file; delete it and start again") from error


def count_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of the bare numbers, without names or framing."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def about(path: Path) -> dict[str, str]:
    """What a file says of itself; empty if it says nothing.

    Raises:
        BackboneError: it is missing, or no safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            return dict(stream.metadata() or {})
    except FileNotFoundError:
        raise BackboneError(f"{path} does not exist") from None
    except safetensors.SafetensorError as error:
        raise BackboneError(f"{path} is not a readable safetensors file") from error
