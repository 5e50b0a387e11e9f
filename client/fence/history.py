"""What each group of patients gave to what was sent before in a run, on the site's disk.

Two answers that each rest on many patients can differ by one of them: the same unit, or the same head, with its
boundary moved past one patient. What is new is therefore compared with what a run has sent before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError

_MOST = 4096
"""Columns that are kept by module; the oldest go first."""


def sent_before(state: Path, run: int, groups: int) -> dict[str, Tensor]:
    """By path of a module, ``(groups, columns)``; empty if nothing was sent, or of other patients.

    Args:
        groups: of the patients now.
    """
    path = _file(state, run)
    try:
        held = tensors.load(path) if path.is_file() else {}
    except BackboneError:
        held = {}
    return {name.removesuffix(_END): some for name, some in held.items() if len(some) == groups}


def keep_sent(state: Path, run: int, before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> None:
    """Keep what was sent before and now; columns without any gradient are left out."""
    joined = dict(before)
    for name, columns in now.items():
        some = columns.detach().cpu()
        some = some[:, (some != 0).any(dim=0)]
        joined[name] = torch.cat([joined[name], some], dim=1)[:, -_MOST:] if name in joined else some
    tensors.save(_file(state, run), {name + _END: some.contiguous() for name, some in joined.items()})


_END = "."  # a name must not be empty


def _file(state: Path, run: int) -> Path:
    return state / "asked" / f"{run}.safetensors"
