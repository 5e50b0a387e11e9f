"""What is familiar to a model, as a run found it, and as it goes with the model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fedgraft.common.errors import DataError
from fedgraft.common.familiarity.distances import BINS, Counts, limit_of
from fedgraft.common.familiarity.gaussian import Reference


@dataclass(frozen=True)
class Familiar:
    """Goes with a model.

    Attributes:
        limit: the distance (`Reference.distances`) from which on a case is unfamiliar; infinite if there were too few
            cases to say.
    """

    reference: Reference
    limit: float

    def is_strange(self, features: Tensor) -> Tensor:
        """Whether cases are unlike those that the model was trained on: features ``(N, F)``, as the head takes them,
        -> ``(N,)`` bool."""
        return self.reference.distances(features) >= self.limit

    def to_json(self) -> str:
        """The same bytes for the same content; `from_json` reads it back."""
        plain = {
            "mean": self.reference.mean.tolist(),
            "precision": self.reference.precision.tolist(),
            "limit": None if math.isinf(self.limit) else self.limit,
        }
        return json.dumps(plain, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Familiarity:
    """What a run found.

    Attributes:
        counts: distances in bins, by site and split.
        trained: the sites that train, whose validation cases make the limit.
    """

    reference: Reference
    counts: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    trained: frozenset[str] = frozenset()

    def familiar(self, share: float) -> Familiar:
        """With the limit beyond which at most ``share`` of validation cases lie."""
        told = [
            splits["val"] for site, splits in sorted(self.counts.items()) if site in self.trained and "val" in splits
        ]
        pooled = [sum(column) for column in zip(*told, strict=True)] if told else [0] * BINS
        return Familiar(self.reference, limit_of(pooled, share))


def from_json(text: str) -> Familiar:
    """Read what `Familiar.to_json` wrote.

    Raises:
        DataError: it is something else.
    """
    try:
        plain = json.loads(text)
        mean, precision = (torch.tensor(plain[name], dtype=torch.float64) for name in ("mean", "precision"))
        limit = math.inf if plain["limit"] is None else float(plain["limit"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("what is familiar to the model can't be read: it was not written by FedGraft") from error
    if mean.ndim != 1 or precision.shape != (len(mean), len(mean)):
        raise DataError("what is familiar to the model can't be read: its numbers don't fit each other")
    return Familiar(Reference(mean, precision), limit)
