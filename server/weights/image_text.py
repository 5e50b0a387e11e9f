"""Load an image-text model: its image tower is used as a backbone, its text tower to embed classes.

`open_clip` (Cherti et al., CVPR 2023) builds the model: by one of its names, from a hub, or from a folder in the format
of BiomedCLIP (Zhang et al., arXiv:2303.00915), with ``open_clip_config.json`` and the weights.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import BackboneError


@dataclass(frozen=True)
class ImageText:
    """An image-text model whose image tower is a timm network.

    Attributes:
        model: open_clip's model, in eval mode.
        tokenizer: prompts -> tokens.
        tower: timm's name of the image tower.
        mean, std: of the normalisation of its images, per channel.
    """

    model: Any
    tokenizer: Callable[[list[str]], Tensor]
    tower: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scale(self) -> float:
        """The factor by which the model multiplies cosines."""
        return float(self.model.logit_scale.detach().exp())


def load(name: str) -> ImageText:
    """Load a model.

    Args:
        name: a folder in BiomedCLIP's format, ``hf-hub:owner/model``, or open_clip's own ``model`` or
            ``model/pretrained``.

    Raises:
        BackboneError: open_clip is not installed, the model can't be loaded, or its image tower is no timm network.
    """
    if importlib.util.find_spec("open_clip") is None:
        raise BackboneError("fedgraft embed-classes needs open_clip: pip install 'fedgraft[clip]'")
    import open_clip  # seconds to import, and only needed here

    identifier, pretrained = _identifier(name)
    try:
        model = open_clip.create_model(identifier, pretrained, require_pretrained=True, weights_only=True)
        tokenizer = open_clip.get_tokenizer(identifier)
    except Exception as error:  # open_clip passes on whatever its hub client, torch or its configuration raise
        raise BackboneError(f"--model {name} can't be loaded: {str(error).splitlines()[0]}") from error
    used = open_clip.get_model_preprocess_cfg(model)
    return ImageText(model.eval(), tokenizer, _tower(model, name), tuple(used["mean"]), tuple(used["std"]))


def embed(found: ImageText, prompts: Mapping[str, Sequence[str]]) -> Tensor:
    """Embed classes: the normalised mean of each class's prompt embeddings (Radford et al. 2021, 3.1.4).

    Returns:
        ``(C, D)`` float32, rows of length 1.
    """
    with torch.inference_mode():
        each = [functional.normalize(found.model.encode_text(found.tokenizer(list(some)))) for some in prompts.values()]
        return functional.normalize(torch.stack([some.mean(dim=0) for some in each])).float().clone()


def projection(found: ImageText) -> Tensor | None:
    """The image tower's linear projection, ``(D, F)`` float32; ``None`` if it has none.

    Raises:
        BackboneError: it has another kind of projection.
    """
    parts = found.model.visual.head.modules()
    layers = [layer for layer in parts if next(layer.parameters(recurse=False), None) is not None]
    if not layers:
        return None
    only = layers[0]
    if len(layers) > 1 or not isinstance(only, nn.Linear) or only.bias is not None:
        raise BackboneError(
            "the image tower's projection is not one linear layer without bias; such a model can't be used"
        )
    return only.weight.detach().float().clone()


def backbone(found: ImageText) -> dict[str, Tensor]:
    """The image tower's weights under timm's names, for images that are normalised as timm declares for that network.

    If the model's own mean ``m'`` and deviation ``s'`` differ from timm's ``m`` and ``s``, the first layer is changed
    so that it gives the same function of the pixels ``p``: ``W' (p - m) / s + b' = W (p - m') / s' + b``.

    Raises:
        BackboneError: the normalisations differ and the first layer is no convolution without padding.
    """
    trunk: nn.Module = found.model.visual.trunk
    state = {name: tensor.detach().float().clone() for name, tensor in trunk.state_dict().items()}
    declared = _declared(trunk)
    mean, std = torch.tensor(declared["mean"]), torch.tensor(declared["std"])
    own_mean, own_std = torch.tensor(found.mean), torch.tensor(found.std)
    if torch.allclose(mean, own_mean, atol=1e-4) and torch.allclose(std, own_std, atol=1e-4):
        return state
    path, first = next(
        (path, layer) for path, layer in trunk.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    )
    if not isinstance(first, nn.Conv2d) or any(first.padding) or first.bias is None:
        raise BackboneError(
            f"{found.tower}: its image-text model normalises by mean {found.mean}, timm by {mean.tolist()}, and its "
            "first layer is padded, so that one can't be folded into the other"
        )
    weight = state[f"{path}.weight"]
    state[f"{path}.bias"] += (weight * ((mean - own_mean) / own_std)[:, None, None]).sum(dim=(1, 2, 3))
    state[f"{path}.weight"] = weight * (std / own_std)[:, None, None]
    return state


def require_same_features(found: ImageText, state: Mapping[str, Tensor]) -> None:
    """Check that timm's network of that name, with these weights, gives the image tower's features.

    Raises:
        BackboneError: it does not, since the tower pools in another way or takes images of another size.
    """
    trunk, tower = found.model.visual.trunk, timm.create_model(found.tower, num_classes=0)
    declared = _declared(trunk)
    pixels = torch.rand(2, *_declared(tower)["input_size"], generator=torch.Generator().manual_seed(0))
    try:
        tower.load_state_dict(dict(state), strict=True)
        with torch.inference_mode():
            ours = tower.eval()(_normalised(pixels, declared["mean"], declared["std"]))
            theirs = trunk(_normalised(pixels, found.mean, found.std))
        same = torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    except (RuntimeError, AssertionError):
        same = False
    if not same:
        raise BackboneError(
            f"the image tower is not {found.tower} as timm builds it (its pooling or image size differs), so that its "
            "features can't be had from backbone.name and a file of weights"
        )


def _normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def _identifier(name: str) -> tuple[str, str | None]:
    if Path(name).is_dir():
        return f"local-dir:{Path(name).resolve()}", None
    if name.startswith("hf-hub:"):
        return name, None
    model, _, pretrained = name.partition("/")
    return model, pretrained or None


def _declared(trunk: object) -> dict[str, Any]:
    """timm's ``pretrained_cfg`` of a network, for instance its ``mean``; empty if it is no timm network."""
    found: dict[str, Any] = getattr(trunk, "pretrained_cfg", None) or {}
    return found


def _tower(model: Any, name: str) -> str:
    declared = _declared(getattr(model.visual, "trunk", None))
    if not declared or not timm.is_model(declared["architecture"]):
        raise BackboneError(
            f"--model {name}: its image tower is not a network of timm; choose one whose is, as BiomedCLIP"
        )
    return str(declared["architecture"])
