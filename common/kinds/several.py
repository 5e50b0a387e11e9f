"""Several frozen image networks as one backbone: their features side by side (``features.networks``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.features.read import groups, read
from fedgraft.common.interfaces.features import Group, Reading
from fedgraft.common.interfaces.inputs import ImageSpec


class Member(nn.Module):
    """One of the networks, with what it takes in: resizes and normalises the images that all members share.

    Args:
        backbone: the network without its classifier.
        spec: its input.
        reading: where it is read; ``None`` for its own output.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, spec: ImageSpec, reading: Reading | None) -> None:
        super().__init__()
        self.backbone, self.spec, self.reading = backbone, spec, reading
        self.register_buffer("mean", torch.tensor(spec.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(spec.std)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, C, S, S)`` in [0, 1] of any size S -> features ``(B, F)``."""
        side = self.spec.size
        if images.shape[-1] != side:
            mode = self.spec.interpolation if self.spec.interpolation in ("bilinear", "bicubic") else "bilinear"
            images = functional.interpolate(images, size=(side, side), mode=mode, antialias=True)
        inputs = (images - self.mean) / self.std
        if self.reading is None:
            features: Tensor = self.backbone(inputs)
            return features
        return read(self.backbone, self.reading, inputs)

    def groups(self, name: str) -> tuple[Group, ...]:
        """Its groups of features, each under a name that begins with ``name``."""
        blank = torch.zeros(1, *self.spec.shape)
        if self.reading is None:
            with torch.no_grad():
                return (Group(name, self.backbone.eval()(blank).shape[1]),)
        return tuple(Group(f"{name}.{one.name}", one.width) for one in groups(self.backbone, self.reading, blank))


class Several(nn.Module):
    """The members' features, one after another; its state is ``members.<index>.backbone.*``."""

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, C, S, S)`` in [0, 1] -> ``(B, F)``."""
        return torch.cat([member(images) for member in self.members], dim=1)

    def groups(self) -> tuple[Group, ...]:
        """The groups of features of all members, in order."""
        members = (member for member in self.members if isinstance(member, Member))
        return tuple(group for place, one in enumerate(members) for group in one.groups(f"members.{place}"))


def whole_spec(specs: Sequence[ImageSpec]) -> ImageSpec:
    """The input that all members share: the largest size, not normalised; what is larger than a member's is resized
    for it, with antialiasing."""
    channels = specs[0].channels
    largest = max(specs, key=lambda spec: spec.size)
    return ImageSpec(channels, largest.size, (0.0,) * channels, (1.0,) * channels, largest.interpolation)
