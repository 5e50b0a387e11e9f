"""What was told with noise, on the site's disk: asked the same again, a site tells the same again and pays nothing.

Fresh noise for the same question would tell more with each answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.runtime.files import private_folder

FOLDER = "told"
_KEY = "key"
Told = Mapping[str, Tensor]


def told_before(state: Path, run: int, what: str, key: str, make: Callable[[], Told], durable: bool) -> Told:
    """The last answer of this kind in a run if it was to the same question, else one that is made, and kept.

    Args:
        key: of the question.
        make: makes the answer; charges it first.
        durable: whether the answer is on the disk before it leaves.
    """
    path = state / FOLDER / f"{run}-{what}.safetensors"
    if path.is_file() and tensors.about(path).get(_KEY) == key:
        return tensors.load(path)
    found = make()
    private_folder(path.parent)
    tensors.save(path, found, {_KEY: key}, durable=durable)
    return found


def key_of(*parts: str) -> str:
    """Of a question, from all that it holds."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
