"""Start the head from a file of class embeddings: zero-shot classification before the first round."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.interfaces.head_start import HeadStart, Sums
from fedgraft.common.tensors import about

EMBEDDINGS, PROJECTION, SCALE = "embeddings", "projection", "scale"


LOG_SCALE = "log_scale"


class Embeddings(HeadStart):
    """Starts ``head=embeddings`` from a file of ``fedgraft embed-classes``. Only the coordinator reads the file.

    Args:
        file: path of the file.
        classes: the plan's classes, in order.
    """

    def __init__(self, file: str, classes: tuple[str, ...]) -> None:
        self.file = file
        self.classes = classes

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, object]) -> str:
        """Why this start does not fit the head; ``""`` if it does."""
        return "" if LOG_SCALE in dict(head.named_parameters()) else "use head=embeddings, which has a place for them"

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The head's tensors.

        Raises:
            PlanError: the file's sizes or classes are not the plan's.
        """
        found = read(Path(self.file), self.classes)
        started = {"weight": found.embeddings, LOG_SCALE: found.scale.log()}
        if found.projection is not None:
            started["projection"] = found.projection
        wrong = sorted(
            name
            for name in {*built, *started}
            if name not in built or name not in started or built[name].shape != started[name].shape
        )
        if wrong:
            sizes = "null" if found.projection is None else str(len(found.projection))
            raise PlanError(
                f"initial.file={self.file} does not fit the head ({', '.join(wrong)}): set head.dims={sizes}, and the "
                "backbone to the image tower that the file was made with"
            )
        return started


@dataclass(frozen=True)
class ClassEmbeddings:
    """One embedding per class, as the file holds them.

    Attributes:
        embeddings: ``(C, D)`` float32.
        projection: from features to the space of the embeddings, ``(D, F)`` float32; ``None`` if features lie in it.
        scale: scalar, the factor of the cosines.
    """

    embeddings: Tensor
    projection: Tensor | None
    scale: Tensor


def read(path: Path, classes: Sequence[str]) -> ClassEmbeddings:
    """Read a file of class embeddings.

    Raises:
        BackboneError: the file is missing, or holds no class embeddings.
        PlanError: its classes are not ``classes`` in this order.
    """
    held, said = tensors.load(path), about(path)
    if EMBEDDINGS not in held or SCALE not in held or "classes" not in said:
        raise BackboneError(f"{path} holds no class embeddings; fedgraft embed-classes writes such files")
    known = json.loads(said["classes"])
    if known != list(classes):
        raise PlanError(f"initial.file={path} is of {', '.join(known)}; data.classes must be the same, in this order")
    return ClassEmbeddings(held[EMBEDDINGS], held.get(PROJECTION), held[SCALE])
