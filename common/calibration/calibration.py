"""A model's calibration: what turns its scores into probabilities, for all sites and for each. Plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fedgraft.common import tasks
from fedgraft.common.calibration.logistic import Floats
from fedgraft.common.calibration.maps import Map
from fedgraft.common.errors import DataError
from fedgraft.common.plan.types import STRICT, Inside

Maps = tuple[Map, ...]


@dataclass(frozen=True)
class Calibration:
    """Maps by scored class (`Task.scored`), pooled and by site.

    Attributes:
        task, classes: as in the plan's ``data``.
        method: ``none``, or the method of the pooled maps.
        pooled: one map for each scored class.
        sites: the maps of sites that have their own; a class for which a site has too few cases keeps the pooled one.
        prevalence: what the plan states for every site, by scored class; ``None``: as in the maps' own cases.
    """

    __pydantic_config__ = STRICT
    task: str
    classes: tuple[str, ...]
    method: str
    pooled: Maps
    sites: Mapping[str, Maps] = field(default_factory=dict)
    prevalence: tuple[Inside, ...] | None = None

    def maps(self, site: str | None = None, prevalence: float | Sequence[float] | None = None) -> Maps:
        """The maps of a site (the pooled ones if it has none of its own, or is ``None``), moved to a prevalence.

        Args:
            prevalence: of each scored class, or of the one; ``None`` for the plan's, or else the maps' own.

        Raises:
            DataError: a prevalence is not one per scored class, does not lie between 0 and 1, or nothing was fitted.
        """
        found = self.pooled if site is None else self.sites.get(site, self.pooled)
        stated = self.prevalence if prevalence is None else prevalence
        if stated is None:
            return found
        shares = (stated,) if isinstance(stated, float | int) else tuple(stated)
        if len(shares) != len(found):
            names = ", ".join(tasks.of(self).scored)
            raise DataError(f"a prevalence must name one share for each of: {names}; it has {len(shares)}")
        return tuple(one.at(share) for one, share in zip(found, shares, strict=True))

    def log_odds(
        self, scores: Floats, site: str | None = None, prevalence: float | Sequence[float] | None = None
    ) -> Floats:
        """Calibrated log odds of the scored classes: ``(N, S)`` -> ``(N, S)``."""
        maps = self.maps(site, prevalence)
        return np.stack([one(scores[:, place]) for place, one in enumerate(maps)], axis=1)

    def probabilities(
        self, scores: Floats, site: str | None = None, prevalence: float | Sequence[float] | None = None
    ) -> Floats:
        """Calibrated probabilities of all classes: log odds ``(N, S)``, as `Task.scores` gives them, -> ``(N, C)``."""
        return tasks.of(self).probabilities(self.log_odds(scores, site, prevalence))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` reads it back."""
        stated = None if self.prevalence is None else list(self.prevalence)
        return {
            "task": self.task,
            "classes": list(self.classes),
            "method": self.method,
            "pooled": _plain(self.pooled),
            "sites": {name: _plain(maps) for name, maps in sorted(self.sites.items())},
            "prevalence": stated,
        }

    def to_json(self) -> str:
        """The same bytes for the same calibration; `from_json` reads it back."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=2, allow_nan=False) + "\n"


def raw(task: str, classes: tuple[str, ...]) -> Calibration:
    """No calibration: the model's own probabilities."""
    found = Calibration(task, classes, "none", ())
    return Calibration(task, classes, "none", (Map(),) * len(tasks.of(found).scored))


def from_dict(plain: Any) -> Calibration:
    """Read plain data.

    Raises:
        DataError: a key is missing, unknown, or not what it must be.
    """
    try:
        found = TypeAdapter(Calibration).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"the calibration can't be read: {where}: {first['msg'].lower()}") from error
    scored = len(tasks.of(found).scored) if found.task in tasks.TASKS else -1
    if any(len(maps) != scored for maps in (found.pooled, *found.sites.values())):
        raise DataError("the calibration can't be read: it needs one map for each scored class of a known task")
    return found


def from_json(text: str) -> Calibration:
    """Read JSON.

    Raises:
        DataError: it is not JSON, or as `from_dict`.
    """
    try:
        return from_dict(json.loads(text))
    except json.JSONDecodeError as error:
        raise DataError(f"the calibration is not valid JSON: {error}") from error


def _plain(maps: Maps) -> list[dict[str, Any]]:
    return [{**asdict(one), "knots": [list(knot) for knot in one.knots]} for one in maps]
