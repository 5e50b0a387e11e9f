"""What a study left in its folder, as Python sees it: the verdict, the figures by method, rivals, the picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fedgraft.client.prediction.frames import as_frame
from fedgraft.common.errors import DataError
from fedgraft.simulations.engine.result import embedded
from fedgraft.simulations.planning.html import html_lines, html_table
from fedgraft.simulations.study.learning_curve.curve import NAME as CURVE
from fedgraft.simulations.study.learning_curve.curve import read_curve
from fedgraft.simulations.study.report import figure_rows, sentences
from fedgraft.simulations.study.rivals.table import COLUMNS, csv_rows, recipe_rows

_OVER_SITES = "mean over sites"


@dataclass(frozen=True, init=False)
class Comparison:
    """A study that has ended.

    Args:
        out: its folder.

    Raises:
        DataError: it holds none.
    """

    out: Path

    def __init__(self, out: str | Path) -> None:
        object.__setattr__(self, "out", Path(out))
        if not (self.out / "study.json").is_file():
            raise DataError(f"{out} holds no study (no study.json); name the `out` of a study that has ended")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All figures; `fedgraft.simulations.study.study` lists the keys."""
        found: dict[str, Any] = json.loads((self.out / "study.json").read_text(encoding="utf-8"))
        return found

    @property
    def verdict(self) -> str | None:
        """Whether the federation helps, in words; ``None`` if ``local`` is not among the baselines."""
        found: str | None = self.summary.get("verdict")
        return found

    @property
    def table(self) -> Any:
        """A row for each site and one for their mean, a column a method: the headline figure's mean over seeds.

        A pandas frame where pandas is installed, else a list of dictionaries.
        """
        found, methods = self.summary, self.summary["methods"]
        rows: list[dict[str, Any]] = [
            {"site": site, **{method: found["by_site"][site][method]["mean"] for method in methods}}
            for site in found["sites"]
        ]
        whole = {method: found["mean_over_sites"][method]["mean"] for method in methods}
        return as_frame([*rows, {"site": _OVER_SITES, **whole}])

    @property
    def rivals(self) -> Any:
        """The recipes beside each other: of each a row for the mean over sites, and one for each site, with the columns
        of ``rivals.csv`` (`fedgraft.simulations.study.rivals.table`). A frame or a list, as `table`.

        Raises:
            DataError: the study did not ask for ``against``.
        """
        if "rivals" not in self.summary:
            raise DataError(f"{self.out} holds no rivals; give the study against=['strategy=fedprox']")
        empty = dict.fromkeys(COLUMNS)
        return as_frame([{**empty, **row} for row in csv_rows(self.summary)])

    @property
    def rival_sentences(self) -> tuple[str, ...]:
        """What the rivals show, a sentence each, and which recipe validation cases choose; none without rivals."""
        return tuple(self.summary.get("rivals", {}).get("sentences", ()))

    @property
    def picture(self) -> Path | None:
        """All methods by site; ``None`` if it could not be drawn."""
        path = self.out / "study.png"
        return path if path.is_file() else None

    @property
    def curve(self) -> Any:
        """A row for each number of training cases: ``cases`` (per class and site, or ``all``), ``trained_on`` (their
        mean), and for each method the headline figure's mean over sites and seeds, and its deviation over seeds
        (``federated``, ``federated_sd``). A frame or a list, as `table`.

        Raises:
            DataError: the study did not ask for ``cases``.
        """
        if not (self.out / CURVE).is_file():
            raise DataError(f"{self.out} holds no curve; give the study cases=[10, 50, 'all']")
        rows = []
        for point in read_curve(self.out)["points"]:
            row = {"cases": point["cases"], "trained_on": point["mean_cases"]}
            for method, one in point["mean_over_sites"].items():
                row |= {method: one["mean"], f"{method}_sd": one["sd"]}
            rows.append(row)
        return as_frame(rows)

    @property
    def curve_picture(self) -> Path | None:
        """The curve, drawn; ``None`` if the study did not ask for ``cases``."""
        path = self.out / "curve.png"
        return path if path.is_file() else None

    def __repr__(self) -> str:
        names = self.summary.get("rivals", {}).get("names", {})
        methods = ", ".join(names.get(method, method) for method in self.summary["methods"])
        said = self.verdict or " ".join(self.rival_sentences) or "no local baseline"
        return f"<study {self.out}: {methods}; {said}>"

    def _repr_html_(self) -> str:
        scored = (
            "test cases"
            if self.summary.get("folds") is None
            else f"all cases, each out of {self.summary['folds']} folds"
        )
        title = f"{self.out}: {self.summary['heading']} on {scored}"
        said = html_table(title, *figure_rows(self.summary))
        if "rivals" in self.summary:
            said = html_table("Recipes beside each other", *recipe_rows(self.summary)) + said
        said += html_lines(sentences(self.summary))
        return said + embedded(self.picture) + embedded(self.curve_picture)
