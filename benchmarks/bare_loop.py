"""The reference work as a bare PyTorch loop: no framework, no messages. `reference.py` runs it as a process of its own.

    python benchmarks/bare_loop.py SITES_FOLDER KEPT ROUNDS OUT.json

SITES_FOLDER holds the sites of a simulation; KEPT is ``kept`` (features computed once: the floor) or ``whole`` (the
frozen backbone runs for every batch). Same splits, same order of cases, same loss as the plan's; one head, SGD, FedAvg.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as functional
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from fedgraft.client.manifest import read_manifest
from fedgraft.client.splits import split
from fedgraft.common import lite0_wheel

SIZE, LR, MOMENTUM, BATCH, SEED, VAL = 64, 0.05, 0.9, 32, 0, 0.15
LABELS = {"normal": 0, "pneumonia": 1}


def images(path: str, rows: list[int]) -> Tensor:
    """Rows of an npz array as the backbone wants them: ``(N, 3, 64, 64)`` float32, mean and deviation 0.5."""
    file, _, name = path.partition("::")
    grey = torch.from_numpy(np.load(file)[name][rows]).float()[:, None] / 255
    resized = functional.interpolate(grey, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)
    return ((resized.clamp(0, 1) - 0.5) / 0.5).expand(-1, 3, -1, -1)


def load_site(manifest: Path) -> tuple[Tensor, Tensor]:
    cases = split(read_manifest(manifest), val_fraction=VAL, test_fraction=0.0, seed=SEED)["train"]
    arrays = {case.path for case in cases}
    inputs = torch.empty(len(cases), 3, SIZE, SIZE)
    for path in arrays:
        places = [i for i, case in enumerate(cases) if case.path == path]
        inputs[places] = images(path, [cases[i].row or 0 for i in places])
    return inputs, torch.tensor([LABELS[case.label] for case in cases])


def frozen_backbone() -> nn.Module:
    overlay = {"state_dict": lite0_wheel.state_dict(lite0_wheel.MODEL)}
    network = timm.create_model(lite0_wheel.MODEL, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def through(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(x.to(memory_format=torch.channels_last)) for x in inputs.split(BATCH)])


def order(site: str, server_round: int, cases: int) -> list[Tensor]:
    """The plan's order of cases: drawn from seed, site and round."""
    seed = int.from_bytes(hashlib.sha256(f"{SEED}|{site}|{server_round}".encode()).digest()[:8], "little") >> 1
    shuffled = torch.randperm(cases, generator=torch.Generator().manual_seed(seed))
    batches = list(shuffled.split(BATCH))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def epoch(head: nn.Linear, backbone: nn.Module | None, x: Tensor, y: Tensor, batches: list[Tensor]) -> None:
    counts = torch.bincount(y, minlength=2).float()
    weights = torch.where(counts > 0, len(y) / ((counts > 0).sum() * counts.clamp(min=1)), 0.0)
    optimizer = torch.optim.SGD(head.parameters(), LR, MOMENTUM)
    for batch in batches:
        features = x[batch] if backbone is None else through(backbone, x[batch])
        optimizer.zero_grad()
        (functional.cross_entropy(head(features), y[batch], reduction="none") * weights[y[batch]]).mean().backward()
        optimizer.step()


def main(folder: Path, kept: bool, rounds: int, out: Path) -> None:
    backbone = frozen_backbone()
    sites = {path.parent.name: load_site(path) for path in sorted(folder.glob("*/manifest.csv"))}
    file = read_manifest(next(iter(sorted(folder.glob("*/manifest.csv")))))[0].path.partition("::")[0]
    labels = np.load(file)["test_labels"].reshape(-1)
    test = through(backbone, images(f"{file}::test_images", list(range(len(labels)))))
    if kept:
        torch.set_num_threads(2)
        sites = {name: (through(backbone, x), y) for name, (x, y) in sites.items()}
        torch.set_num_threads(1)
    head = nn.Linear(test.shape[1], 2)
    shared = {name: torch.zeros_like(p) for name, p in head.named_parameters()}
    total = sum(len(y) for _, y in sites.values())
    scores = []
    for number in range(1, rounds + 1):
        mean = {name: torch.zeros_like(p) for name, p in shared.items()}
        for name, (x, y) in sites.items():
            head.load_state_dict(shared)
            epoch(head, None if kept else backbone, x, y, order(name, number, len(y)))
            for key, p in head.named_parameters():
                mean[key] += p.detach() * (len(y) / total)
        shared = mean
        head.load_state_dict(shared)
        with torch.inference_mode():
            logits = head(test)
        scores.append(float(roc_auc_score(labels, (logits[:, 1] - logits[:, 0]).numpy())))
    out.write_text(json.dumps(scores), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "kept", int(sys.argv[3]), Path(sys.argv[4]))
