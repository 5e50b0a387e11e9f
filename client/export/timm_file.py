"""A model as a safetensors file that `timm.create_model` loads, where it is nothing but a network of timm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from fedgraft.client.export.checked import require_equal
from fedgraft.client.export.whole import OUTPUTS, WholeModel
from fedgraft.common import tensors
from fedgraft.common.errors import ModelError
from fedgraft.common.heads.heads import Linear

_WHAT = "the safetensors file"


def write_timm(path: Path, whole: WholeModel) -> tuple[str, float]:
    """Write the network with its head as timm's classifier, after its outputs were compared with ours.

    Returns:
        the call that loads it, and the largest difference on random cases.

    Raises:
        ModelError: the model is more than a network of timm with a linear layer behind it.
    """
    arguments = _arguments(whole)
    made = _filled(whole, arguments)
    made.eval()

    def run(cases: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode():
            return [made(whole.preparation.ours(cases))]

    difference = require_equal(whole, (OUTPUTS,), run, _WHAT)
    spec, classes = whole.loaded.model.spec, whole.loaded.plan.data.classes
    told = {name: json.dumps(getattr(spec, name)) for name in ("size", "mean", "std", "interpolation")}
    state = {name: tensor.contiguous() for name, tensor in made.state_dict().items()}
    tensors.save(path, state, {"architecture": whole.loaded.model.name, "classes": json.dumps(classes), **told})
    said = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"timm.create_model({whole.loaded.model.name!r}, {said}, checkpoint_path=...)", difference


def _arguments(whole: WholeModel) -> dict[str, Any]:
    """How timm makes such a network.

    Raises:
        ModelError: it makes none; the message says why.
    """
    if why := _more(whole):
        raise ModelError(f"{_WHAT} is not written: {why}, which timm can't load; --format onnx takes the whole model")
    model = whole.loaded.model
    channels, size, _ = model.spec.shape
    declared = timm.get_pretrained_cfg(model.name)
    found: dict[str, Any] = {"num_classes": whole.loaded.plan.data.outputs, "in_chans": channels}
    if declared is not None and declared.fixed_input_size and size != declared.input_size[-1]:
        found["img_size"] = size
    return found


def _more(whole: WholeModel) -> str:
    """What the model is besides a network of timm and a linear layer; empty if nothing."""
    network = whole.loaded.model.network
    head, features = network.head, whole.loaded.plan.features
    if not hasattr(network.backbone, "pretrained_cfg"):
        return f"the backbone {whole.loaded.model.name} is no single network of timm"
    if len(network.adapters):
        return "it has adaptation layers beside the backbone"
    if network.reading is not None:
        return "the head reads features of several depths"
    if not isinstance(network.scale, nn.Identity) or not isinstance(network.keep, nn.Identity):
        return f"features are scaled or left out before the head (features.scale={features.scale})"
    if not isinstance(head, Linear):
        return f"its head ({type(head).__name__}) is not one linear layer"
    return "its head normalises the features of each case" if head.normalise else ""


def _filled(whole: WholeModel, arguments: dict[str, Any]) -> nn.Module:
    """timm's network with our weights.

    Raises:
        ModelError: its classifier is not one linear layer.
    """
    network = whole.loaded.model.network
    head = network.head
    assert isinstance(head, Linear)
    made: nn.Module = timm.create_model(whole.loaded.model.name, pretrained=False, **arguments)
    own = network.backbone.state_dict()
    lacking = set(made.state_dict()) - set(own)
    names = {name.rpartition(".")[0] for name in lacking}
    if len(names) != 1 or not isinstance(made.get_submodule(place := names.pop()), nn.Linear):
        raise ModelError(f"{_WHAT} is not written: the classifier of {whole.loaded.model.name} is not one linear layer")
    with torch.no_grad():
        made.load_state_dict({**own, f"{place}.weight": head.weight, f"{place}.bias": head.bias})
    return made
