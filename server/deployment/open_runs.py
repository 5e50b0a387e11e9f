"""The runs that a coordinator has begun and that have not ended: a file for each, until it is known how it ended; and
what was ever submitted: a line each, by which a number of Flower's leads to a run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import tomli_w

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import append_json, replacing, whole_lines
from fedgraft.common.runtime.run_lock import LOCK, is_free
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.bundle import write_bundle
from fedgraft.server.deployment.folder import CHECKPOINTS, COMPLETE, Folder

OPEN, PLAN, ENDED = "open", "submitted.json", "ended.json"
"""The folder of open runs in a coordinator's; and in a run's folder the plan as sites get it, and why the run ended
before it was complete."""
SUBMITTED = "submitted.jsonl"
"""In a coordinator's folder: ``run_id``, ``name`` and ``out`` of each submission; several of a run that was cut off."""
HEADLINE = "headline.json"
"""In a run's folder, from before sites are asked: what is shown of it, with the digest of its plan
(`fedgraft.server.reports.headline`)."""
OPEN_RUNS = "FEDGRAFT_OPEN_RUNS"
"""The variable in a ServerApp's environment that names the folder of open runs: a run's configuration, which Flower
gives to its nodes, too, names the run only."""
_COMPLETE = Path(CHECKPOINTS) / COMPLETE
_PLACE = ".folder"


@dataclass(frozen=True)
class Launched:
    """A submitted run. ``out`` is where the ServerApp writes its results."""

    run_id: str
    out: Path


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended.

    Attributes:
        name: of its file; stays, also if Flower gives it another id.
        run_id: Flower's id of it now.
        out: its folder.
        tries: how often it was submitted again without another round in between.
        round: the last checkpoint's when it was submitted.
    """

    name: str
    run_id: str
    out: str
    tries: int = 0
    round: int = -1

    @property
    def folder(self) -> Path:
        return Path(self.out)

    @property
    def has_ended(self) -> bool:
        return is_complete(self.folder) or (self.folder / ENDED).is_file()

    @property
    def was_cut_off(self) -> bool:
        """Whether its process began, and is there no more."""
        return (self.folder / LOCK).is_file() and is_free(self.folder) and not self.has_ended


def is_complete(out: Path) -> bool:
    """Whether all rounds of a folder's run are done and all its files written."""
    return (out / _COMPLETE).is_file()


@contextmanager
def reopened(out: Path) -> Iterator[None]:
    """A folder's run is no longer complete, unless the block fails."""
    was = is_complete(out)
    (out / _COMPLETE).unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        if was:
            (out / _COMPLETE).touch()
        raise


def open_runs(folder: Folder) -> Iterator[OpenRun]:
    """All open runs of a coordinator, oldest first."""
    files = (folder.root / OPEN).glob("*.json") if (folder.root / OPEN).is_dir() else ()
    for path in sorted(files):
        yield OpenRun(**json.loads(path.read_text(encoding="utf-8")))


def of_folder(folder: Folder, out: Path) -> OpenRun | None:
    """The open run of a folder; ``None`` if there is none."""
    return next((run for run in open_runs(folder) if run.folder == out), None)


@dataclass(frozen=True)
class Submission:
    """One of Flower's runs. ``name``: as of `OpenRun`; ``out``: the folder of the run, of which it is the whole or a
    piece."""

    run_id: str
    name: str
    out: str


def submissions(folder: Folder) -> list[Submission]:
    """All that a coordinator submitted, the oldest first."""
    return [Submission(**json.loads(line)) for line in whole_lines(folder.root / SUBMITTED)]


def numbers_of(folder: Folder) -> dict[Path, list[str]]:
    """Flower's numbers of each run, by its folder, the last one last."""
    found: dict[Path, list[str]] = {}
    for one in submissions(folder):
        found.setdefault(Path(one.out), []).append(one.run_id)
    return found


def named_run(folder: Folder, named: str) -> Path | None:
    """The folder of a run by any of its numbers, its name (that of its folder) or its path; ``None`` if there is none.
    Of several with the same name the last one that was submitted."""
    known = [*submissions(folder), *(Submission(run.run_id, run.name, run.out) for run in open_runs(folder))]
    by_number = [Path(one.out) for one in reversed(known) if named in (one.run_id, one.name)]
    by_name = [Path(one.out) for one in reversed(known) if named == Path(one.out).name]
    found = (*by_number, folder.runs / named, *by_name, Path(named))
    return next((out.resolve() for out in found if out.is_dir()), None)


def open_run(folder: Folder, named: str) -> OpenRun | None:
    """The open run of any of its numbers, its name or its path; ``None`` if there is none."""
    out = named_run(folder, named)
    return next((run for run in open_runs(folder) if named in (run.run_id, run.name) or run.folder == out), None)


def plans_asked(folder: Folder) -> list[str]:
    """Digests of the plans of the runs that go on, as sites are asked to approve them, sorted."""
    found = (run.folder / HEADLINE for run in open_runs(folder) if not run.has_ended)
    digests = (json.loads(path.read_text(encoding="utf-8")).get("plan") for path in found if path.is_file())
    return sorted({digest for digest in digests if digest})


def submit(
    folder: Folder, name: str, out: Path, resume: bool, before: OpenRun | None = None, extend: int = 0
) -> OpenRun:
    """Submit the plan that lies in a run's folder, and note that the run is open.

    Args:
        name: for the run's file and configuration.
        resume: go on with what is there.
        before: the run as it was submitted last.
        extend: so many rounds more than the plan says.

    Raises:
        DeploymentError: the coordinator refused.
    """
    (out / LOCK).unlink(missing_ok=True)
    (out / ENDED).unlink(missing_ok=True)
    folder.cli_home.mkdir(exist_ok=True)
    (folder.root / OPEN).mkdir(exist_ok=True)
    with replacing(folder.root / OPEN / f"{name}{_PLACE}") as partial:
        partial.write_text(str(out), encoding="utf-8")
    config = folder.cli_home / f"run-{name}.toml"
    told = (out / PLAN).read_text(encoding="utf-8")
    more = {"resume": "yes" if resume else "", "extend": str(extend or "")}
    config.write_text(tomli_w.dumps({"plan": told, "run": name, **more}), encoding="utf-8")
    try:
        run_id = orders.submit(folder, write_bundle(folder.cli_home), config)
    finally:
        config.unlink()
    number = last_round(out)
    tries = 0 if before is None or before.round != number else before.tries + 1
    run = OpenRun(name, run_id, str(out), tries, number)
    with replacing(_file(folder, run)) as partial:
        partial.write_text(json.dumps(asdict(run)) + "\n", encoding="utf-8")
    append_json(folder.root / SUBMITTED, asdict(Submission(run_id, name, str(out))))
    return run


def forget(folder: Folder, run: OpenRun) -> None:
    """Note that a run has ended."""
    for path in (_file(folder, run), folder.root / OPEN / f"{run.name}{_PLACE}"):
        path.unlink(missing_ok=True)


def place_of(config: Mapping[str, object], environment: Mapping[str, str]) -> Path:
    """The folder of the run that a configuration names: by its ``run``, or in a simulation by its ``out``.

    Raises:
        DeploymentError: it names none, or none that this coordinator has submitted.
    """
    out, name = str(config.get("out", "")), str(config.get("run", ""))
    if out:
        return Path(out)
    file = Path(environment.get(OPEN_RUNS, "")) / f"{name}{_PLACE}"
    if not (name and environment.get(OPEN_RUNS) and file.is_file()):
        raise DeploymentError(
            "the run's configuration names no run of this coordinator; start it with fedgraft coordinator run"
        )
    return Path(file.read_text(encoding="utf-8"))


def end(out: Path, reason: str) -> None:
    """Write down why a run ends before it is complete; it is not begun again by itself."""
    with replacing(out / ENDED) as partial:
        partial.write_text(json.dumps({"reason": reason}) + "\n", encoding="utf-8")


def why_ended(out: Path) -> str | None:
    """Why a run ended before it was complete; ``None`` if it did not."""
    path = out / ENDED
    return str(json.loads(path.read_text(encoding="utf-8"))["reason"]) if path.is_file() else None


def last_round(out: Path) -> int:
    """The round of the last checkpoint; -1 if there is none."""
    files = (out / CHECKPOINTS).glob("[0-9]*.safetensors")
    return max((int(file.stem) for file in files if file.stem.isdecimal()), default=-1)


def _file(folder: Folder, run: OpenRun) -> Path:
    return folder.root / OPEN / f"{run.name}.json"
