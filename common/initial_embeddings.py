"""A head that starts from a file of class embeddings: zero-shot classification before the first round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from fedgraft.common.embedding_file import read
from fedgraft.common.errors import PlanError
from fedgraft.common.initial import Initial, Sums

LOG_SCALE = "log_scale"


class Embeddings(Initial):
    """What ``fedgraft embed-classes`` wrote, for ``head=embeddings``. Read at the coordinator only.

    Args:
        classes: of the plan.
        file: the path of the file.
    """

    def __init__(self, file: str, classes: tuple[str, ...]) -> None:
        self.file = file
        self.classes = classes

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, object]) -> str:
        """Why it can't start a head; ``""`` if it can."""
        return "" if LOG_SCALE in dict(head.named_parameters()) else "use head=embeddings, which has a place for them"

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        return {}

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
