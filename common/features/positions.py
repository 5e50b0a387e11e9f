"""The output of a stage as channels over positions, whatever the network: maps of a CNN, tokens, or plain vectors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fedgraft.common.errors import PlanError


@dataclass(frozen=True)
class Layout:
    """How a network lays out its stages' outputs.

    Attributes:
        channels_last: whether maps are ``(B, H, W, C)``, as timm's Swin has them, and not ``(B, C, H, W)``.
        leading: how many tokens of ``(B, N, C)`` come before those of the image (class token, registers).
    """

    channels_last: bool
    leading: int

    def maps(self, module: str, output: Tensor) -> tuple[Tensor, Tensor]:
        """``(maps, leading)``: channels over positions ``(B, C, *positions)``, positions having one or two dimensions,
        and leading tokens ``(B, leading * C)``. A plain vector ``(B, C)`` is one position.

        Raises:
            PlanError: the output has another number of dimensions.
        """
        if output.ndim == 4:
            return (output.permute(0, 3, 1, 2) if self.channels_last else output), output.new_empty(output.shape[0], 0)
        if output.ndim == 3:
            return output[:, self.leading :].transpose(1, 2), output[:, : self.leading].flatten(1)
        if output.ndim == 2:
            return output[:, :, None], output.new_empty(output.shape[0], 0)
        raise PlanError(
            f"features: the output of {module} has {output.ndim} dimensions, and only maps, tokens and vectors can be "
            "read; leave it out of features.stages"
        )


def layout_of(backbone: nn.Module) -> Layout:
    """The layout that a timm network declares; a tabular encoder's has neither."""
    last = str(getattr(backbone, "output_fmt", "NCHW")).upper().endswith("NHWC")
    return Layout(last, int(getattr(backbone, "num_prefix_tokens", 0) or 0))


def as_square(maps: Tensor) -> Tensor | None:
    """Maps ``(B, C, H, W)``: those given, or patch tokens ``(B, C, N)`` laid out as a square; ``None`` if N is none."""
    if maps.ndim == 4:
        return maps
    side = round(maps.shape[2] ** 0.5)
    return maps.unflatten(2, (side, side)) if side * side == maps.shape[2] else None
