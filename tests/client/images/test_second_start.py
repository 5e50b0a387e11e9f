"""A second start of a site reads none of the cohort's files: in a process that tells of every file it opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.common.plan.plan import Plan

START = """
import json, os, sys
from pathlib import Path

folder, plan_file = sys.argv[1:]
opened = os.open(Path(folder).parent / "opened", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def tell(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        name = os.fsdecode(arguments[0])
        if name.startswith(folder + "/"):
            os.write(opened, (name[len(folder) + 1:] + "\\n").encode())

sys.addaudithook(tell)  # the processes that decode are forked, and have it too

from fedgraft.client.cohort.accepted import accept
from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.features.extraction import FeatureExtractor, load_cohort
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import load_plan

def count(cases):
    global decoded
    decoded += cases

if __name__ == "__main__":
    decoded = 0
    root = Path(folder).parent
    plan, store = load_plan(Path(plan_file)), Store(root / "kept")
    model = build(plan, None)
    inputs = ImageFactory().inputs(InputContext(plan, ("fedgraft",), store, workers=2, decoded=count))
    accepted = accept(read_manifest(root / "manifest.csv"), plan, inputs, root / "state")
    digest = tensors.digest(model.backbone_state())
    cohort = load_cohort(accepted, FeatureExtractor(plan, model, digest, inputs, store, choose("cpu", 1)))
    sums = {name: float(some.inputs.sum()) for name, some in cohort.items()}
    print(json.dumps({"decoded": decoded, "quarantined": accepted.quarantined, "sums": sums}))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """DICOM files, a series, pictures, pages and rows; three files can't be used, and one is not there."""
    rng, folder = np.random.default_rng(0), tmp_path / "cohort"
    (folder / "series").mkdir(parents=True)
    for name in ("CT_small.dcm", "MR_small.dcm"):
        (folder / name).write_bytes(Path(str(get_testdata_file(name))).read_bytes())
    (folder / "series" / "1").write_bytes((folder / "CT_small.dcm").read_bytes())
    for number in range(6):
        Image.fromarray(rng.integers(256, size=(20, 24), dtype=np.uint8)).save(folder / f"{number}.png")
    pages = [Image.fromarray(rng.integers(256, size=(9, 9), dtype=np.uint8)) for _ in range(2)]
    pages[0].save(folder / "stack.tif", save_all=True, append_images=pages[1:])
    np.savez(folder / "scans.npz", images=rng.integers(256, size=(2, 8, 8), dtype=np.uint8))
    (folder / "cut.dcm").write_bytes((folder / "MR_small.dcm").read_bytes()[:2000])
    (folder / "none.dcm").write_bytes(b"nothing")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "black.png")
    names = ["MR_small.dcm", "series", *(f"{number}.png" for number in range(6))]
    names += ["cut.dcm", "none.dcm", "black.png", "away.png"]
    rows = [("stack.tif", 0), ("stack.tif", 1), ("scans.npz::images", 0), ("scans.npz::images", 1)]
    lines: list[tuple[str, int | None]] = [*((name, None) for name in names), *rows]
    cases = [
        Case(str(folder / name), ("clear", "lesion")[place % 2], f"p{place}", row)
        for place, (name, row) in enumerate(lines)
    ]
    write_manifest(tmp_path / "manifest.csv", cases)
    return tmp_path


def started(site: Path, plan: Path) -> dict[str, Any]:
    """What a process that starts on the site says; ``opened``: the files of the cohort that it opened."""
    (site / "opened").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", START, str(site / "cohort"), str(plan)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    opened = set((site / "opened").read_text(encoding="utf-8").splitlines())
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "opened": opened}


@pytest.mark.timeout(120)
def test_a_second_start_opens_no_file_not_even_those_that_can_not_be_used(
    site: Path, compose_plan: Callable[..., Plan]
) -> None:
    plan = site / "plan.json"
    plan.write_text(compose_plan("data.val_fraction=0", "data.test_fraction=0.2").to_json(), encoding="utf-8")
    first = started(site, plan)
    assert first["quarantined"] == {"damaged": 1, "not-dicom": 1, "blank": 1, "missing": 1}
    assert {"MR_small.dcm", "series/1", "0.png", "stack.tif", "scans.npz", "cut.dcm", "black.png"} <= first["opened"]
    assert first["decoded"] == 15
    second = started(site, plan)
    assert second == {**first, "opened": set(), "decoded": 0}
