"""Plans that run in seconds: a small random backbone over small phantom hospitals. And which tests run first."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fedgraft.common.kinds.timm_ready  # noqa: F401 - as every command does: before a test imports all that timm can
from fedgraft.client.account.secret import write_seed
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.site.limits import Limits
from fedgraft.client.site.machine import cores, memory_bytes
from fedgraft.common.plan.data_sections import DicomSection
from fedgraft.common.plan.plan import Plan

from .encoders import words_of_encoder, write_encoder
from .plans import plan_of_words

with redirect_stderr(sys.__stderr__):
    # Loaded by dp-accounting and tensorboard. It keeps standard error as it finds it, and closes that with its handler,
    # which Hydra does in whatever test runs then: pytest's own file, if it had been loaded in a test.
    import absl.logging  # noqa: F401

MODEL = (
    "backbone=timm",
    "backbone.name=test_efficientnet",
    "backbone.pretrained=false",
    "data.image_size=32",
    "rounds=2",
    "train.epochs=1",
    "engine.threads=1",
    "engine.workers=0",  # forking a process of tests, which has everything imported, takes a tenth of a second
)
SPLIT = "split: {val_fraction: 0.15, test_fraction: 0.25}\n"
AS_SIMULATED = "release: {min_patients: 1, scores: fine}\n"
HOSPITALS = ("data.sites=3", "data.cases=32", "data.size=64")
Composer = Callable[..., Plan]
DEPLOYED = "tests/deployment/"
WITH_PROCESSES = (
    DEPLOYED,
    *(f"tests/client/{room}/" for room in ("app", "check", "deployment", "features", "images")),
    *(
        f"tests/server/{room}"
        for room in ("deployment/", "exchange/", "features/", "reports/", "rounds/", "test_", "weights/")
    ),
    *(f"tests/simulations/{room}" for room in ("clock/", "commands/", "engine/", "planning/", "study/", "test_")),
)
"""Tests that start processes, or train over a federation: `make quick` leaves them out, as it does those marked so."""


def pytest_collection() -> None:
    """Nothing is searched for garbage while modules are imported and tests collected: nearly all of it stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected stays: no search for garbage looks through it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What mostly waits goes first, so that of the workers one waits while the others compute."""
    for item in items:
        if item.nodeid.startswith(WITH_PROCESSES):
            item.add_marker("processes")
    items.sort(key=lambda item: (not is_deployed(item.nodeid), item.get_closest_marker("processes") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A process for each processor that may be used, and one that mostly waits; each takes up to 3 GB."""
    return max(1, min(cores() + 1, memory_bytes() // (3 * 10**9)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file stay in one worker, so that what they share is made once; those of the deployment all do."""
    from xdist.scheduler import LoadFileScheduling

    class LoadFolderScheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return DEPLOYED if is_deployed(nodeid) else str(super()._split_scope(nodeid))

    return LoadFolderScheduling(config, log)


def is_deployed(nodeid: str) -> bool:
    return nodeid.startswith(DEPLOYED)


@pytest.fixture
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FedGraft's cache folder is `cache`, for this process and those that it starts."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Undrawn:
    """Stands for the process that plots a run, which takes a second of a core for a picture that no test looks at."""

    def draw(self, lines: object, summary: object) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def no_picture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process are not plotted, but for tests that are marked ``draws``."""
    if request.node.get_closest_marker("draws") is None and "fedgraft.server.app" in sys.modules:
        monkeypatch.setattr("fedgraft.server.app.picture", lambda path: nullcontext(Undrawn()))


@pytest.fixture
def compose_plan() -> Composer:
    """``compose_plan("head=cosine")`` -> a checked plan of a small run; with ``data=...`` over that data set."""

    def composed(*overrides: str, small: bool = True) -> Plan:
        own_data = any(override.startswith("data=") for override in overrides)
        base = (*MODEL, *(() if own_data else HOSPITALS)) if small else ()
        return plan_of_words((*base, *overrides))

    return composed


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: phantom hospitals are generated once."""
    return tmp_path_factory.mktemp("cache")


def plan_of_table(*overrides: str) -> Plan:
    """A plan over a table with the columns of `hospitals_with_tables`, statistics federated."""
    table = (
        "{numeric: [age, pressure], categorical: [sex], missing: ['?'], indicate_missing: true, "
        "statistics: federated, min_count: 2}"
    )
    chosen = [] if any(override.startswith("backbone=") for override in overrides) else ["backbone=identity"]
    base = ("data.image_size=null", "rounds=3", "train.lr=0.1", "engine.threads=1", f"+table={table}", *chosen)
    return plan_of_words((*base, *overrides))


@pytest.fixture
def table_plan() -> Composer:
    """``table_plan("backbone=mlp")`` -> `plan_of_table`."""
    return plan_of_table


def hospitals_with_tables(folder: Path, sites: int = 3, rows: int = 40) -> list[Path]:
    """The site files of hospitals below a folder, each with a table of patients in a CSV of its own.

    Of each, one cell is no number, a tenth of the pressures is missing, and the label follows from age and sex.
    """
    return [_hospital(folder / f"site-{number}", number, rows) for number in range(sites)]


@pytest.fixture
def table_sites(tmp_path: Path) -> Callable[..., list[Path]]:
    """``table_sites(3, 40)`` -> the site files of 3 hospitals, each with a table of 40 patients."""

    def made(sites: int = 3, rows: int = 40, folder: str = "hospitals") -> list[Path]:
        return hospitals_with_tables(tmp_path / folder, sites, rows)

    return made


def _hospital(folder: Path, number: int, rows: int) -> Path:
    rng = np.random.default_rng(number)
    age, sex = rng.normal(50 + 5 * number, 10, rows).round(1), rng.choice(["f", "m"], rows)
    pressure = [str(value) for value in rng.integers(90, 180, rows)]
    pressure[::10] = ["?"] * len(pressure[::10])
    pressure[1] = '"1,5"'
    lines = ["age,pressure,sex", *(f"{a},{p},{s}" for a, p, s in zip(age, pressure, sex, strict=True))]
    label = ["lesion" if a + 8 * (s == "m") > 55 else "clear" for a, s in zip(age, sex, strict=True)]
    cases = [f"table.csv,{row},{label[row]},{folder.name}-{row}" for row in range(rows)]
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "manifest.csv").write_text("\n".join(["path,row,label,patient", *cases]) + "\n", encoding="utf-8")
    site = f"name: {folder.name}\nmanifest: manifest.csv\nstate: state\ndevice: cpu\nthreads: 1\n{SPLIT}{AS_SIMULATED}"
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    write_seed(folder / "state", 0)
    return folder / "site.yaml"


@pytest.fixture
def reading() -> Reading:
    """How files are read by default: by the plan (tests/client/images/test_reader.py) and by the site."""
    return Reading(DicomSection(window="file", choice=0, frames="middle", slices=3, neighbours=False), Limits())


@pytest.fixture
def read_case(reading: Reading) -> CaseReader:
    return CaseReader(reading)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny encoder of notes."""
    pytest.importorskip("transformers")
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def of_encoder(encoder: Path) -> Callable[..., tuple[str, ...]]:
    """The words of a plan with `encoder`, and more."""
    return lambda *more: (*words_of_encoder(encoder), *more)
