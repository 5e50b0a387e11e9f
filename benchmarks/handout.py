"""What the plain contestants are given: the same splits, in the same order, as plain arrays; the same backbone.

Made before anything is measured, from the sites' folders that a simulation wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.splits import split
from fedgraft.common.kinds import lite0_weights

LABELS = {"normal": 0, "pneumonia": 1}


def write(sites: Path, handout: Path, val_fraction: float, seed: int) -> None:
    """``sites/<name>.npz`` with images ``(N, 28, 28)`` uint8 and labels ``(N,)`` int64, ``test.npz``, and the backbone.

    Args:
        sites: the ``sites`` folder of a run over PneumoniaMNIST.
        val_fraction: of each site's cases, as the plan says.
        seed: of the split, as the plan says.
    """
    (handout / "sites").mkdir(parents=True, exist_ok=True)
    file = Path()
    for manifest in sorted(sites.glob("*/manifest.csv")):
        cases = split(read_manifest(manifest), val_fraction=val_fraction, test_fraction=0.0, seed=seed)["train"]
        file = Path(cases[0].path.partition("::")[0])
        labels = np.array([LABELS[case.label] for case in cases])
        np.savez(handout / "sites" / f"{manifest.parent.name}.npz", images=_images(cases), labels=labels)
    with np.load(file) as arrays:
        np.savez(
            handout / "test.npz", images=arrays["test_images"], labels=arrays["test_labels"].reshape(-1).astype(int)
        )
    state = lite0_weights.state_dict(lite0_weights.MODEL)
    backbone = {name: tensor.contiguous() for name, tensor in state.items() if not name.startswith("classifier.")}
    save_file(backbone, handout / "backbone.safetensors")


def _images(cases: Sequence[Case]) -> np.ndarray:
    """The cases' rows, in their order."""
    arrays: dict[str, np.ndarray] = {}
    for case in cases:
        if case.path not in arrays:
            file, _, name = case.path.partition("::")
            arrays[case.path] = np.load(file)[name]
    return np.stack([arrays[case.path][case.row] for case in cases])
