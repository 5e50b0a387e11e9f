"""What `plain_nvflare.py` runs at a site: NVFLARE's Client API around the plain training epoch.

(started by NVFLARE) plain_nvflare_site.py HANDOUT SITE
"""

from __future__ import annotations

import sys
from pathlib import Path

import nvflare.client as flare
import plain
import torch


def main(handout: Path, name: str) -> None:
    torch.set_num_threads(1)  # the sites run at the same time
    flare.init()
    network = plain.Network(plain.frozen_backbone(handout), plain.new_head())
    x, y = plain.load_site(handout, name)
    while flare.is_running():
        received = flare.receive()
        network.head.load_state_dict({key: torch.as_tensor(array) for key, array in received.params.items()})
        server_round = int(received.current_round) + 1
        plain.train_epoch(network, network.head, x, y, plain.batches(name, server_round, len(y)))
        params = {key: tensor.clone() for key, tensor in network.head.state_dict().items()}
        flare.send(flare.FLModel(params=params, meta={"NUM_STEPS_CURRENT_ROUND": len(y)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
