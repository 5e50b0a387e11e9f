"""The constant part of a network: what training can't change, so that its output is computed once per case and kept.

It ends behind the backbone (features are kept), behind a stage (the stage's output is kept), or before the first stage
(the inputs are kept). Training runs the rest of the network on the kept outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from fedgraft.common.features.read import collect
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.models.cut import Cut
from fedgraft.common.models.network import Network

FEATURES, INPUTS = "features", "inputs"


@dataclass(frozen=True)
class Computation:
    """The constant part as it is computed: a call gives its output, ``(B, *spec.shape)`` -> ``(B, *shape)``, without
    gradients.

    Attributes:
        module: holds all that it depends on.
        outputs: the output of such a module for a batch; whatever module of equal parts it is given.
        layout: torch's memory format of a batch.
        others: the same computed otherwise, by name, built once for all who share this (`fedgraft.client.features`).
        products: how many a case of a shape needs, counted once.
    """

    module: nn.Module
    outputs: Callable[[nn.Module, Tensor], Tensor]
    layout: torch.memory_format = torch.contiguous_format
    others: dict[str, Callable[[Tensor], Tensor] | None] = field(default_factory=dict, compare=False, repr=False)
    products: dict[torch.Size, int] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.plain(inputs)

    def plain(self, inputs: Tensor) -> Tensor:
        """The same, with gradients if they are on."""
        self.module.eval()
        return self.outputs(self.module, inputs.contiguous(memory_format=self.layout))


@dataclass(frozen=True)
class Piece:
    """What is computed and kept by itself: the features of one of several networks, or all that is kept.

    Attributes:
        said: all that it depends on besides the backbone's weights and the input.
        prefix: of the names of its network's tensors in the backbone's state.
        shape: of one case.
        compute: inputs ``(B, *spec.shape)`` -> ``(B, *shape)``, without gradients.
    """

    said: str
    prefix: str
    shape: tuple[int, ...]
    compute: Computation


@dataclass(frozen=True)
class Constant:
    """Where the constant part ends.

    Attributes:
        what: name of the kept output: `FEATURES`, ``stage <name>`` or `INPUTS`.
        shape: of the kept output of one case.
        compute: the constant part: inputs ``(B, *spec.shape)`` -> ``(B, *shape)``, without gradients.
        trained: the rest of the network: ``(B, *shape) -> (B, outputs)``.
        prefix: of the names of ``trained``'s parameters in the model's state.
        pieces: vectors that make up what is kept of a case, in order; empty if it is one piece.
    """

    what: str
    shape: tuple[int, ...]
    compute: Computation
    trained: nn.Module
    prefix: str = ""
    pieces: tuple[Piece, ...] = ()

    def own_name(self, name: str) -> str:
        """A tensor's name in ``trained``, from its name in the model's state."""
        return name.removeprefix(self.prefix)


class Tail(nn.Module):
    """The network behind a cut; it shares the network's parameters and names.

    What is kept of a case is the output at the cut, ``cut.shape``. If features are also read before the cut, both are
    vectors, one after the other.
    """

    def __init__(self, network: Network, cut: Cut) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.adapters = network.adapters
        self.head = network.head
        self.scale = network.scale
        self.keep = network.keep
        self._whole = (network,)  # in a tuple, so that it is not registered as a submodule
        self._cut = cut

    def forward(self, kept: Tensor) -> Tensor:
        logits: Tensor = self.head(self.keep(self.scale(self._features(kept))))
        return logits

    def _features(self, kept: Tensor) -> Tensor:
        reading, cut = self._whole[0].reading, self._cut
        if reading is None:
            return cut.replay(self.backbone, kept)
        numbers = math.prod(cut.shape)
        output, before = kept.flatten(1).split([numbers, kept[0].numel() - numbers], dim=1)
        behind = [module for module in reading.modules if module not in cut.before]
        stage = output.unflatten(1, cut.shape)
        found = collect(self.backbone, reading, behind, lambda: cut.replay(self.backbone, stage))
        return torch.cat([before, *found], dim=1)

    def train(self, mode: bool = True) -> Tail:
        self._whole[0].train(mode)
        self.training = mode
        return self


def up_to_the_head(
    network: Network, width: int, layout: torch.memory_format, pieces: tuple[Piece, ...] = ()
) -> Constant:
    """The constant part is the whole backbone: features are kept, and the head is trained.

    What is kept is not scaled yet: the same rows serve every ``features.scale``, and each site scales its own.

    Args:
        layout: of a batch of inputs.
        pieces: as `Constant.pieces`.
    """

    return Constant(FEATURES, (width,), Computation(network, _features, layout), network.head, HEAD, pieces)


def up_to_a_stage(network: Network, cut: Cut, layout: torch.memory_format) -> Constant:
    """The constant part ends at the cut: the output there is kept. ``layout``: of a batch of inputs."""

    compute = Computation(network, partial(_kept, cut), layout)
    shape = cut.shape if network.reading is None else tuple(compute(cut.blank).shape[1:])
    return Constant(f"stage {cut.stage}", shape, compute, Tail(network, cut))


def nothing(network: Network, spec: Shaped) -> Constant:
    """There is no constant part, since the first stage can change or ``engine.keep`` is false: the inputs are kept."""
    return Constant(INPUTS, spec.shape, Computation(nn.Identity(), _given), network)


def _features(network: nn.Module, inputs: Tensor) -> Tensor:
    assert isinstance(network, Network)
    return network.features(inputs)


def _kept(cut: Cut, network: nn.Module, inputs: Tensor) -> Tensor:
    """The output at the cut, and with a reading behind it the vectors that are read before the cut."""
    assert isinstance(network, Network)
    reading = network.reading
    if reading is None:
        return cut.keep(network.backbone, inputs)
    before = tuple(module for module in reading.modules if module in cut.before)
    kept: list[Tensor] = []
    vectors = collect(network.backbone, reading, before, lambda: kept.append(cut.keep(network.backbone, inputs)))
    return torch.cat([kept[0].flatten(1), *vectors], dim=1)


def _given(_: nn.Module, inputs: Tensor) -> Tensor:
    return inputs
