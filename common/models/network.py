"""Backbone, layers and head as one module."""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """Images ``(B, C, H, W)``, or rows of a table ``(B, F)``, float32 -> ``(B, outputs)`` float32.

    In training mode the backbone stays in eval mode (a frozen batch norm keeps its statistics), except for the modules
    whose paths are in ``training_modules``. ``reference`` holds the statistics that an alignment compares features
    with; the forward pass does not use it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        layers: nn.ModuleDict,
        head: nn.Module,
        training_modules: frozenset[str],
        reference: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapters = layers
        self.head = head
        self.reference = nn.Module() if reference is None else reference
        self.training_modules = training_modules

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        self.backbone.eval()
        if mode:
            for path in self.training_modules:
                self.backbone.get_submodule(path).train()
        return self
