"""The reference work as a bare PyTorch loop: no framework, no messages. `reference.py` runs it as a process of its own.

    python benchmarks/bare_loop.py HANDOUT KEPT ROUNDS OUT.json

HANDOUT is what `handout.py` wrote; KEPT is ``kept`` (features computed once: the floor) or ``whole`` (the frozen
backbone runs for every batch, and for the test set in every round). OUT gets the test AUROC after each round.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import plain
import torch
from torch import nn


def main(handout: Path, kept: bool, rounds: int, out: Path) -> None:
    backbone, head = plain.frozen_backbone(handout), plain.new_head()
    sites = {name: plain.load_site(handout, name) for name in plain.site_names(handout)}
    images, labels = plain.load_test(handout)
    network: nn.Module = plain.Network(backbone, head)
    if kept:
        sites = {name: (plain.through(backbone, x), y) for name, (x, y) in sites.items()}
        images, network = plain.through(backbone, images), head
        torch.set_num_threads(1)  # a head is too small to share among threads
    shared = {name: p.detach().clone() for name, p in head.named_parameters()}
    total = sum(len(y) for _, y in sites.values())
    scores = []
    for number in range(1, rounds + 1):
        mean = {name: torch.zeros_like(tensor) for name, tensor in shared.items()}
        for name, (x, y) in sites.items():
            head.load_state_dict(shared)
            plain.train_epoch(network, head, x, y, plain.batches(name, number, len(y)))
            for key, p in head.named_parameters():
                mean[key] += p.detach() * (len(y) / total)
        shared = mean
        head.load_state_dict(shared)
        scores.append(plain.test_auroc(network, images, labels))
    out.write_text(json.dumps(scores), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "kept", int(sys.argv[3]), Path(sys.argv[4]))
