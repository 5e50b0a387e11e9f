"""A small image-text model in BiomedCLIP's format, trained on phantom films and sentences that describe them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.reader import CaseReader
from fedgraft.client.images.transforms import resize
from fedgraft.common.interfaces.inputs import ImageSpec

SIZE = 64
HALF = (0.5, 0.5, 0.5)
SENTENCES = {
    "clear": ("a chest film without a finding", "clear lungs", "no lesion"),
    "lesion": ("a chest film with a round lesion", "a nodule in the lung", "lesion present"),
}


def write_model(
    folder: Path,
    tower: str,
    *,
    mean: tuple[float, ...] = HALF,
    std: tuple[float, ...] = HALF,
    proj: str = "linear",
    pool: str = "",
) -> Path:
    """A randomly initialised model; the text tower is open_clip's own, whose vocabulary its package carries."""
    config = {
        "model_cfg": {
            "embed_dim": 32,
            "vision_cfg": {"timm_model_name": tower, "timm_pool": pool, "timm_proj": proj, "image_size": SIZE},
            "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
        },
        "preprocess_cfg": {"mean": mean, "std": std},
    }
    import open_clip  # a second and all of torchvision, in the one process of the tests that needs them

    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def train_model(folder: Path, images: Tensor, labels: Sequence[str], steps: int) -> None:
    """Contrastive training (Radford et al. 2021): each film of a batch beside one sentence for each class.

    Args:
        images: ``(N, 3, SIZE, SIZE)`` float32 in [0, 1].
    """
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    normal = (images - 0.5) / 0.5
    truth = torch.tensor([list(SENTENCES).index(label) for label in labels])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    model.train()
    for step in range(steps):
        some = torch.randint(len(truth), (32,), generator=generator)
        sentences = tokens([choices[step % len(choices)] for choices in SENTENCES.values()])
        shown = functional.normalize(model.encode_image(normal[some]))
        said = functional.normalize(model.encode_text(sentences))
        loss = functional.cross_entropy(model.logit_scale.exp() * shown @ said.T, truth[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")


def films(cases: Sequence[Case], read_case: CaseReader) -> Tensor:
    """``(N, 3, SIZE, SIZE)`` float32 in [0, 1]."""
    spec = ImageSpec(3, SIZE, (0.0,) * 3, (1.0,) * 3, "bicubic")
    return torch.stack([resize(read_case(case).pixels, spec).expand(3, -1, -1) for case in cases])
