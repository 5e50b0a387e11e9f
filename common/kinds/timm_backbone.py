"""Image backbones: any timm network without its classifier, and the spec of its input.

Mean, std, input size and interpolation come from timm's ``pretrained_cfg``; the number of features is measured. timm is
imported when it is asked for something: it takes two seconds and 150 MB, which tables and notes need not pay.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from torch import nn

from fedgraft.common.errors import BackboneError, PlanError, first_line
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.kinds.lean_timm import import_timm
from fedgraft.common.plan.sections import BackboneSection


def create(
    plan: BackboneSection, image_size: int | None, source: Mapping[str, Any] | None = None
) -> tuple[nn.Module, ImageSpec]:
    """Build the network.

    Args:
        plan: the plan's ``backbone`` section.
        image_size: side in pixels, or ``None`` for the model's own.
        source: where pretrained weights come from, as an overlay of timm's ``pretrained_cfg``
            (an empty one lets timm download); ``None`` leaves the weights random.

    Returns:
        the network, ``(B, C, H, W) -> (B, F)``, and the spec of its input.

    Raises:
        PlanError: timm has no such model, or the model takes no such image size.
        BackboneError: the weights are not there or do not fit.
    """
    declared, spec = _declared(plan.name), input_spec(plan, image_size)
    arguments: dict[str, Any] = {"num_classes": 0, "in_chans": spec.channels}
    if declared.fixed_input_size and spec.size != declared.input_size[-1]:
        arguments["img_size"] = spec.size
    if source is not None:
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": dict(source)}
    timm = import_timm()
    try:
        network = timm.create_model(plan.name, **arguments)
    except Exception as error:  # timm passes on whatever its hub client, safetensors and load_state_dict raise
        raise BackboneError(_why_not(plan, source, error)) from error
    if source:
        _require_all(network, plan, source, declared)
    return network, spec


def input_spec(plan: BackboneSection, image_size: int | None) -> ImageSpec:
    """The spec of the plan's input images, without building the network.

    Raises:
        PlanError: timm has no such model, or ``backbone.channels`` is not set.
    """
    declared = _declared(plan.name)
    if plan.channels is None:
        raise PlanError("backbone.channels must be 1 or 3 for images")
    return ImageSpec(
        channels=plan.channels,
        size=image_size or declared.input_size[-1],
        mean=_per_channel(declared.mean, plan.channels),
        std=_per_channel(declared.std, plan.channels),
        interpolation=declared.interpolation,
    )


def _declared(name: str) -> Any:
    """timm's ``PretrainedCfg`` of a model."""
    timm = import_timm()
    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5))
        raise PlanError(f"backbone.name={name} is not a timm model; near it: {near or 'see timm.list_models()'}")
    declared = timm.get_pretrained_cfg(name)
    if declared is None:
        raise PlanError(f"backbone.name={name}: timm declares no input size for it; use another model")
    return declared


def _why_not(plan: BackboneSection, source: Mapping[str, Any] | None, error: Exception) -> str:
    if source is None:
        return f"backbone.name={plan.name} could not be built: {first_line(error)[:300]}"
    if not source:
        return (
            f"backbone.weights=timm: the download of {plan.name} failed; without a network name a .safetensors file "
            f"in backbone.weights. {first_line(error)[:300]}"
        )
    return f"backbone.weights={plan.weights} does not fit {plan.name} or is damaged: {first_line(error)[:300]}"


def _require_all(network: nn.Module, plan: BackboneSection, source: Mapping[str, Any], declared: Any) -> None:
    """Check that the source holds the network's tensors, and no others but a classifier's: timm does not check here.

    Raises:
        BackboneError: a tensor is missing, or one belongs to another network.
    """
    held = set(source["state_dict"] if "state_dict" in source else _names_in(source["file"]))
    classifier = declared.classifier or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    needed = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    missing = sorted(needed - held)
    surplus = sorted(name for name in held - set(network.state_dict()) if not name.startswith(heads))
    if missing or surplus:
        first = (missing or surplus)[0]
        raise BackboneError(
            f"backbone.weights={plan.weights} does not fit {plan.name}: {len(missing)} of {len(needed)} tensors are "
            f"missing and {len(surplus)} belong to another network (first: {first})"
        )


def _names_in(file: str) -> list[str]:
    with safetensors.safe_open(file, framework="pt") as stream:
        return list(stream.keys())


def weights_file(path: str) -> dict[str, Any]:
    """The overlay of timm's ``pretrained_cfg`` for weights in a safetensors file.

    Raises:
        BackboneError: not a ``.safetensors`` file, or it does not exist.
    """
    if not path.endswith(".safetensors"):
        raise BackboneError(
            f"backbone.weights={path} must be wheel, timm or a .safetensors file (nothing is unpickled)"
        )
    if not Path(path).is_file():
        raise BackboneError(f"backbone.weights={path}: the file does not exist")
    return {"file": str(Path(path).resolve())}


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return tuple(values) if channels == len(values) else (sum(values) / len(values),) * channels
