"""Compress a round's tensors as the plan's ``compression`` says, in both directions.

Up, a site encodes its update with the plan's codec. Down, the coordinator rounds the tensors that it sends to nearest,
without error feedback. It keeps its own tensors at full precision and adds the sites' changes to those, not to the
rounded ones: sites train from slightly rounded weights, but the rounding does not add up over the rounds (the master
weights of Micikevicius et al., ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, Protocol

import torch
from torch import Tensor

from fedgraft.common.compression.changes import SMALL, rounded
from fedgraft.common.compression.exact import Exact
from fedgraft.common.compression.float16 import Float16
from fedgraft.common.compression.int8 import Int8
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.codec import Codec, is_lossless
from fedgraft.common.plan import parts
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.sections import CompressionSection
from fedgraft.common.plan.types import OURS

Down = Literal["exact", "float16", "int8"]
_DOWN: Mapping[Down, Codec] = MappingProxyType(
    {"exact": Exact(), "float16": Float16(), "int8": Int8(error_feedback=False)}
)


class ShapeAndType(Protocol):
    """A tensor's shape and torch dtype name (``float32``), as `fedgraft.common.wire.messages.Spec` gives them."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...


def up_codec(section: CompressionSection, allowed: Iterable[str] = OURS) -> Codec:
    """The codec of the sites' updates; `Exact` if the plan names none.

    Args:
        allowed: packages from which a codec may come.

    Raises:
        PlanError: the target is no codec, or an option does not fit it.
    """
    if section.target is None:
        return Exact()
    codec: Codec = parts.build(section.target, "compression", section.options, allowed)
    return codec


def require_effect(section: CompressionSection, tensors: Mapping[str, Tensor], allowed: Iterable[str] = OURS) -> None:
    """Refuse a compression that would send every shared tensor as it is.

    Raises:
        PlanError: no shared tensor would be rounded.
    """
    codec = up_codec(section, allowed)
    if not is_lossless(codec) and not any(rounded(name, tensor) for name, tensor in tensors.items()):
        name = choice_of("compression", str(section.target))
        raise PlanError(
            f"compression={name} has no effect: no shared tensor is rounded (those of fewer than "
            f"{SMALL} numbers, batch norm's statistics and an alignment's moments never are); use compression=none"
        )


def down_encode(tensors: Mapping[str, Tensor], kind: Down) -> dict[str, Tensor]:
    """The payload that the coordinator sends: its tensors (as changes from 0), rounded to nearest.

    Raises:
        WireError: ``kind`` rounds, and a number is not finite.
    """
    return _DOWN[kind].encode(tensors, _zeros(tensors), {}, None).payload


def down_decode(payload: Mapping[str, Tensor], specs: Mapping[str, ShapeAndType], kind: Down) -> dict[str, Tensor]:
    """Decode a payload of `down_encode`.

    Args:
        specs: shapes and dtypes of the tensors that were encoded, by name.

    Raises:
        WireError: the payload does not fit ``specs``, or a number is not finite.
    """
    zeros = {name: torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype)) for name, spec in specs.items()}
    return _DOWN[kind].decode(payload, zeros)


def largest_payload(codec: Codec, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A payload as large as an update of ``tensors`` can be: every number has changed."""
    zeros = _zeros(tensors)
    ones = {name: torch.ones_like(tensor) for name, tensor in tensors.items()}
    return codec.encode(ones, zeros, {}, torch.Generator().manual_seed(0)).payload


def _zeros(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
