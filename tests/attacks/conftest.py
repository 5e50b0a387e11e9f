"""A hospital with a table, and plans that a coordinator would write for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgraft.common.plan.plan import Plan

from .coordinator import Curious

COLUMNS = tuple(f"c{number}" for number in range(40))
Rows = NDArray[np.float32]


@pytest.fixture
def hospital(tmp_path: Path) -> Callable[..., tuple[Path, Rows]]:
    """``hospital(patients)``: its site file, and its training rows, as the network sees them."""

    def made(patients: int) -> tuple[Path, Rows]:
        rng = np.random.default_rng(patients)
        rows = rng.normal(size=(patients, len(COLUMNS))).astype(np.float32)
        labels = ["lesion" if row[0] + row[1] > 0 else "clear" for row in rows]
        folder = tmp_path / f"hospital-{patients}"
        folder.mkdir()
        lines = [",".join((f"p{at}", labels[at], "train", *map(repr, row.tolist()))) for at, row in enumerate(rows)]
        header = ",".join(("patient", "label", "split", *COLUMNS))
        (folder / "manifest.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        site = "name: north\nmanifest: manifest.csv\nstate: state\ndevice: cpu\nthreads: 1\n"
        (folder / "site.yaml").write_text(site, encoding="utf-8")
        return folder / "site.yaml", rows

    return made


@pytest.fixture
def curious(compose_plan: Callable[..., Plan]) -> Callable[..., Curious]:
    """``curious(site, "head=mlp")``: a coordinator with a plan over the table."""

    def made(site: Path, *overrides: str) -> Curious:
        numbers = (f"{{{', '.join(f'{name}: {value}' for name in COLUMNS)}}}" for value in (0.0, 1.0))
        means, deviations = numbers
        table = (
            f"{{numeric: [{', '.join(COLUMNS)}], categorical: [], missing: [], indicate_missing: false, "
            f"statistics: plan, min_count: 1, means: {means}, deviations: {deviations}}}"
        )
        base = ("backbone=identity", "data.image_size=null", "data.test=given", "data.val_fraction=0")
        more = ("data.test_fraction=0", "engine.threads=1", "rounds=50", "loss.weights=none", f"+table={table}")
        more += ("head=plain",) * all(not one.startswith("head=") for one in overrides)
        return Curious(site, compose_plan(*base, *more, *overrides, small=False))

    return made
