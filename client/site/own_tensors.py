"""Where a site keeps its own part of a model, and which model it belongs to.

A plan may be run several times; each run leaves files of its own. ``models.jsonl`` in the state folder says which run
ended with which shared tensors, so that a model that is handed out later finds the part that was trained beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import ModelError
from fedgraft.common.runtime.files import append_json

MODELS = "models.jsonl"


def local_file(state: Path, plan_digest: str, run: int) -> Path:
    """The file of a run's local tensors."""
    return state / "local" / f"{plan_digest[:16]}-{run}.safetensors"


def copy_file(local: Path) -> Path:
    """The file of the copy that a site trained of the whole model, beside its `local_file`."""
    return local.with_name(f"{local.stem}-own.safetensors")


def run_files(local: Path) -> tuple[Path, Path, Path, Path]:
    """All that a site keeps of a run: local tensors, its own copy, compression errors, and what it was given."""
    apart = (local.with_name(f"{local.stem}-{name}.safetensors") for name in ("residual", "given"))
    return local, copy_file(local), *apart  # type: ignore[return-value]


def carry_over(state: Path, before: str, digest: str, run: int) -> None:
    """Go on with what the site keeps of a run that was complete, under the digest of the plan that extends it."""
    old, new = run_files(local_file(state, before, run)), run_files(local_file(state, digest, run))
    if any(file.exists() for file in new):
        return
    for source, target in zip(old, new, strict=True):
        if source.is_file():
            tensors.save(target, tensors.load(source))


def note_evaluated(state: Path, plan_digest: str, run: int, shared_digest: str) -> None:
    """Note that a run had the site evaluate shared tensors; the last ones are its final model's."""
    append_json(state / MODELS, {"plan": plan_digest, "run": run, "shared": shared_digest})


def last_evaluated(state: Path) -> tuple[str, str] | None:
    """The digests of the plan and of the shared tensors that were evaluated last; ``None`` if there are none yet."""
    path = state / MODELS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    last = json.loads(lines[-1]) if lines else None
    return None if last is None else (str(last["plan"]), str(last["shared"]))


def kept_of(state: Path, plan_digest: str, shared_digest: str) -> dict[str, Tensor]:
    """The site's own tensors of a model: its local ones, and over them the whole copy that it trained.

    Empty if it keeps nothing of the plan.

    Raises:
        ModelError: it keeps something of several runs of the plan, and evaluated this model in none of them.
    """
    run = _run_of(state, plan_digest, shared_digest)
    if run is None:
        return {}
    local = local_file(state, plan_digest, run)
    files = [file for file in (local, copy_file(local)) if file.is_file()]
    return {name: tensor for file in files for name, tensor in tensors.load(file).items()}


def _run_of(state: Path, plan_digest: str, shared_digest: str) -> int | None:
    path = state / MODELS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    noted = [line for line in map(json.loads, lines) if line["plan"] == plan_digest]
    runs = [int(line["run"]) for line in noted if line["shared"] == shared_digest]
    if runs:
        return runs[-1]
    files = (state / "local").glob(f"{plan_digest[:16]}-*.safetensors")
    known = {int(number) for file in files if (number := file.stem.split("-")[1]).isdecimal()}
    if len(known) > 1:
        raise ModelError(
            f"{state} keeps its own part of {len(known)} runs of this plan, and the site evaluated this model in none "
            "of them: which part belongs to it can't be told"
        )
    return next(iter(known), None)
