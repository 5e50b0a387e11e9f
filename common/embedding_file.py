"""Class embeddings as a file: what ``fedgraft embed-classes`` writes and ``initial=embeddings`` reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.backbone_file import about
from fedgraft.common.errors import BackboneError, PlanError

EMBEDDINGS, PROJECTION, SCALE = "embeddings", "projection", "scale"


@dataclass(frozen=True)
class ClassEmbeddings:
    """One direction per class.

    Attributes:
        embeddings: ``(C, D)`` float32.
        projection: of features to that space, ``(D, F)`` float32; ``None`` if features lie there already.
        scale: scalar, the factor of the cosines.
    """

    embeddings: Tensor
    projection: Tensor | None
    scale: Tensor


def read(path: Path, classes: Sequence[str]) -> ClassEmbeddings:
    """Read a file.

    Raises:
        BackboneError: it is missing, or no such file.
        PlanError: it is of other classes, or in another order.
    """
    held, said = tensors.load(path), about(path)
    if EMBEDDINGS not in held or SCALE not in held or "classes" not in said:
        raise BackboneError(f"{path} holds no class embeddings; fedgraft embed-classes writes such files")
    known = json.loads(said["classes"])
    if known != list(classes):
        raise PlanError(f"initial.file={path} is of {', '.join(known)}; data.classes must be the same, in this order")
    return ClassEmbeddings(held[EMBEDDINGS], held.get(PROJECTION), held[SCALE])
