"""Remove the results of an earlier run from a folder, so that they can't be taken for those of a run that fails.

``plan.yaml`` stays, since it may be what the new run was read from. Folders of sites are deleted when new ones are
written (`fedgraft.simulations.federation.site_folders`), after the check that they are not the new run's data.
"""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.model_folder.folder import FOLDER, remove_model
from fedgraft.server.audit.heads import LOST
from fedgraft.server.checkpoints.folder import Checkpoints

RESULTS = (
    *("summary.json", "rounds.jsonl", "rounds.png", "ledger.jsonl", LOST, "shared.safetensors"),
    *("report.html", "model-card.md", "model-card.json", "rounds.csv", "rounds_sites.csv"),
    *("clock.jsonl", "clock.png", "audit.json", "audit.html"),
    *("study.json", "study.md", "study.png", "rivals.csv", "trained.json"),
    *("curve.json", "curve.md", "curve.png"),
)
"""The files that a simulation or a study writes into its folder, besides ``plan.yaml``, ``model/`` and
``checkpoint/``."""


def remove_earlier_results(out: Path) -> None:
    """Delete the `RESULTS`, the model and the checkpoints of a simulation or a study in its folder, and those of a
    study's runs; nothing else."""
    draws = ("", "*/", "*/*/")  # without, with folds or cases, with both
    runs = (folder for draw in draws for folder in out.glob(f"runs/seed-*/{draw}*/lr-*"))
    for folder in (out, *runs):
        for name in RESULTS:
            (folder / name).unlink(missing_ok=True)
        remove_model(folder / FOLDER)
        Checkpoints(folder).begin()
