"""``fedgraft embed-classes``: make a zero-shot head from descriptions of the classes in words."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, DataError
from fedgraft.common.heads.class_embeddings import EMBEDDINGS, PROJECTION, SCALE
from fedgraft.common.runtime.processes import say
from fedgraft.server.weights import image_text

EPILOG = """\
prompts.yaml, in the order of data.classes:
  normal:    [a chest radiograph without findings, clear lungs]
  pneumonia: [a chest radiograph with an opacity, pneumonia]

  fedgraft embed-classes --model hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224 \\
      --prompts prompts.yaml --out classes.safetensors --backbone-out tower.safetensors
It prints what to set in a plan. Round 0 of the run is then zero-shot: evaluated before any training.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fedgraft embed-classes",
        description="Embed classes with the text tower of an image-text model, for head=embeddings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="a folder, hf-hub:owner/model, or MODEL/PRETRAINED"
    )
    parser.add_argument("--prompts", required=True, type=Path, metavar="YAML", help="class: [prompt, ...]")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the embeddings, a .safetensors file")
    parser.add_argument("--backbone-out", type=Path, metavar="FILE", help="the image tower, for backbone.weights")
    given = parser.parse_args(argv)
    for option, path in (("--out", given.out), ("--backbone-out", given.backbone_out)):
        if path is not None and path.suffix != ".safetensors":
            raise BackboneError(f"{option} {path} must end in .safetensors")
    prompts = read_prompts(given.prompts)
    found = image_text.load(given.model)
    say(write(found, prompts, given.model, given.out, given.backbone_out))
    return 0


def read_prompts(path: Path) -> dict[str, list[str]]:
    """Read prompts by class, in the file's order.

    Raises:
        DataError: the file is missing, or does not give two classes or more with one prompt or more each.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"--prompts {path} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"--prompts {path} is not readable YAML") from error
    if isinstance(content, dict) and len(content) > 1:
        listed = {str(name): [some] if isinstance(some, str) else some for name, some in content.items()}
        if all(
            isinstance(some, list) and some and all(isinstance(one, str) and one for one in some)
            for some in listed.values()
        ):
            return listed
    raise DataError(
        f"--prompts {path} must give two classes or more, each with a list of prompts: `normal: [a clear film]`"
    )


def write(
    found: image_text.ImageText, prompts: dict[str, list[str]], model: str, out: Path, backbone: Path | None
) -> str:
    """Write the class embeddings and, if ``backbone`` is given, the image tower; returns what to set in a plan."""
    embeddings, linear = image_text.embed(found, prompts), image_text.projection(found)
    held = {EMBEDDINGS: embeddings, SCALE: embeddings.new_tensor(found.scale)}
    if linear is not None:
        held[PROJECTION] = linear
    tensors.save(out, held, {"classes": json.dumps(list(prompts)), "model": model, "backbone": found.tower})
    dims = "null" if linear is None else str(len(linear))
    lines = [
        f"{out}: {len(prompts)} classes from {sum(map(len, prompts.values()))} prompts. In a plan:",
        f"  backbone=timm backbone.name={found.tower} head=embeddings head.dims={dims}",
        f"  initial=embeddings initial.file={out}",
    ]
    if backbone is not None:
        state = image_text.backbone(found)
        image_text.require_same_features(found, state)
        tensors.save(backbone, state, {"backbone": found.tower})
        lines[1] += f" backbone.weights={backbone}"
    else:
        lines.append("and the weights of the same image tower in backbone.weights: --backbone-out writes them")
    return "\n".join(lines)
