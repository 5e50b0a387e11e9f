"""Open a finished run's folder from Python: figures, rounds, ledger, plot and model."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fedgraft.client.prediction.frames import as_frame
from fedgraft.client.prediction.trained_model import TrainedModel
from fedgraft.common.errors import DataError
from fedgraft.common.plan import notebook
from fedgraft.simulations.engine.display import site_cells, site_title
from fedgraft.simulations.engine.frames import read_lines, round_lines, site_lines
from fedgraft.simulations.engine.sureness import sureness
from fedgraft.simulations.engine.trained import load_trained
from fedgraft.simulations.planning.begins import planned_file
from fedgraft.simulations.planning.html import html_lines, html_table
from fedgraft.simulations.planning.own_parts import Given
from fedgraft.simulations.planning.planned import Planned

_STUDY = "study.json"


@dataclass(frozen=True, init=False)
class Run:
    """A finished run.

    Args:
        out: the run's folder.
        parts: the notebook's classes that the plan names, by section: ``{"loss": MyLoss}``.

    Raises:
        DataError: the folder holds no finished run.
    """

    out: Path
    parts: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False, compare=False)

    def __init__(self, out: str | Path, parts: Mapping[str, Given] | None = None) -> None:
        object.__setattr__(self, "out", Path(out))
        classes = {name: given[0] if isinstance(given, tuple) else given for name, given in (parts or {}).items()}
        object.__setattr__(self, "parts", classes)
        if (self.out / "summary.json").is_file() and (self.out / "plan.yaml").is_file():
            return
        if (self.out / _STUDY).is_file():
            raise DataError(f"{out} is the folder of a study: open it with Comparison, or one of its runs/ with Run")
        there = "holds no ended run (no summary.json)" if self.out.is_dir() else "is no folder"
        raise DataError(f"{out} {there}; name the `out` of a simulation that has ended")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All figures of the final model; `fedgraft.server.reports.summary` lists the keys."""
        found: dict[str, Any] = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def plan(self) -> Planned:
        """The plan that was run. It includes the statistics of tables and images that were computed from the sites."""
        return planned_file(self.out / "plan.yaml")

    @property
    def rounds(self) -> Any:
        """A row for each round (0: untrained): loss, seconds, bytes, and figures over all sites.

        A pandas frame where pandas is installed, else a list of dictionaries; so are `sites` and `ledger`.
        """
        return as_frame(round_lines(read_lines(self.out / "rounds.jsonl")))

    @property
    def sites(self) -> Any:
        """A row for each round, site and split, with its figures."""
        return as_frame(site_lines(read_lines(self.out / "rounds.jsonl")))

    @property
    def ledger(self) -> Any:
        """A row for each message to a site: its kind, its outcome, and its bytes."""
        return as_frame(read_lines(self.out / "ledger.jsonl"))

    @property
    def picture(self) -> Path | None:
        """The path of the plot of the rounds; ``None`` if there is none."""
        path = self.out / "rounds.png"
        return path if path.is_file() else None

    def model(self, site: str | None = None) -> TrainedModel:
        """The final model, ready to predict.

        Args:
            site: whose local layers, head or copy to use; needed if the plan keeps tensors at the sites.

        Raises:
            ModelError: ``site`` is needed, or has no effect, or there is no such site, or it keeps no model of its own
                though its figures are of one (``personal=finetune``, ``adapt=adabn``).
        """
        parts = {notebook.target_of(name, part): part for name, part in self.parts.items()}
        return load_trained(self.out, site, parts)

    def __repr__(self) -> str:
        found, headline = self.summary, self.summary["headline"]
        title = f"{found['columns'][headline]} {found['test'][headline]}"
        return f"<run {self.out}: {len(found['sites'])} sites, {found['rounds']} rounds, test {title}>"

    def _repr_html_(self) -> str:
        headings, rows, worst = site_cells(self.summary)
        table = html_table(f"{self.out}: {site_title(self.summary)}", headings, rows, worst)
        said = [*sureness(self.summary), *(f"warning: {one}" for one in self.summary.get("warnings", ()))]
        return table + html_lines(said) + embedded(self.picture)


def embedded(picture: Path | None) -> str:
    """An HTML image that contains the PNG itself; ``""`` for ``None``."""
    if picture is None:
        return ""
    data = base64.b64encode(picture.read_bytes()).decode()
    return f'<img alt="{picture.stem}" style="max-width:100%" src="data:image/png;base64,{data}">'
