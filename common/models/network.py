"""Backbone, layers and head as one module, and how many features a backbone gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError, first_line
from fedgraft.common.features.read import groups, read
from fedgraft.common.interfaces.features import Group, Reading
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.kinds.several import Several


class Network(nn.Module):
    """Inputs ``(B, *shape)`` float32, for instance images ``(B, C, H, W)``, -> ``(B, outputs)`` float32.

    In training mode the backbone stays in eval mode (a frozen batch norm keeps its statistics), except for the modules
    whose paths are in ``training_modules``. Features are the backbone's output, or what ``reading`` reads of it, and
    ``scale`` scales them for the head, to which ``keep`` passes all or some. ``reference`` holds the statistics that an
    alignment compares features with; the forward pass does not use it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        layers: nn.ModuleDict,
        head: nn.Module,
        training_modules: frozenset[str],
        reference: nn.Module | None = None,
        reading: Reading | None = None,
        scale: nn.Module | None = None,
        keep: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.reading = reading
        self.scale = nn.Identity() if scale is None else scale
        self.keep = nn.Identity() if keep is None else keep
        self.adapters = layers
        self.head = head
        self.reference = nn.Module() if reference is None else reference
        self.training_modules = training_modules

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.keep(self.scale(self.features(inputs))))
        return logits

    def features(self, inputs: Tensor) -> Tensor:
        """The features ``(B, F)``, before they are scaled."""
        if self.reading is None:
            features: Tensor = self.backbone(inputs)
            return features
        return read(self.backbone, self.reading, inputs)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        self.backbone.eval()
        if mode:
            for path in self.training_modules:
                self.backbone.get_submodule(path).train()
        return self


def measure_groups(backbone: nn.Module, spec: Shaped, reading: Reading | None, unfit: str) -> tuple[Group, ...]:
    """Features per case by the module (and, of several, the network) that they come from, measured with one blank case;
    a single group if they are the backbone's own output.

    Args:
        unfit: what to say where the backbone can't take it.

    Raises:
        PlanError: it can't, or does not give one vector per case.
    """
    training = backbone.training
    try:
        with torch.no_grad():
            features: Tensor = backbone.eval()(torch.zeros(1, *spec.shape))
            found = _groups(backbone, spec, reading)
    except (RuntimeError, AssertionError) as error:
        raise PlanError(f"{unfit}: {first_line(error)[:300]}") from error
    finally:
        backbone.train(training)
    if reading is None and features.ndim != 2:
        raise PlanError(f"the backbone gives features of shape {tuple(features.shape)}, not one vector per case")
    return found or (Group("backbone", features.shape[1]),)


def _groups(backbone: nn.Module, spec: Shaped, reading: Reading | None) -> tuple[Group, ...]:
    if isinstance(backbone, Several):
        return backbone.groups()
    return () if reading is None else groups(backbone, reading, torch.zeros(1, *spec.shape))
