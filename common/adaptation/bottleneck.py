"""Bottleneck adapters in transformer blocks: in series with the sublayers, or in parallel to the feed-forward one."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.insertion import Place, find_places, named, put_after, put_beside, stages_from
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole
from fedgraft.common.plan.types import Count, Positive

Form = Literal["serial", "parallel"]
ATTENTION = ("attn", "attention")
FEED_FORWARD = ("mlp", "ffn")
BERT = frozenset({"attention", "intermediate", "output"})
"""The parts of a block of BERT and its relatives: both sublayers end with a linear layer, before the residual sum."""
ENDS = ("attention.output.dense", "output.dense")


class Bottlenecks(Adaptation):
    """A network with one hidden layer whose output is added to a sublayer's output; its last layer starts at 0.

    ``serial`` (Houlsby et al., ICML 2019, section 2.1): after the attention and the feed-forward sublayer, before the
    residual sum, a sublayer's output ``h`` becomes ``h + scale * up(gelu(down(h)))``. ``parallel`` (AdaptFormer, Chen
    et al., NeurIPS 2022, section 3.2): the feed-forward sublayer gives ``mlp(x) + scale * up(relu(down(x)))``; ``x`` is
    the output of the block's layer norm, where the paper adds a second norm.

    Args:
        hidden: width of the hidden layer.
        form: ``serial`` or ``parallel``.
        scale: factor of the added output; above 0.
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets layers.
    """

    def __init__(
        self, hidden: Count, form: Form, scale: Positive, role: TrainedRole = "shared", stages: str = "all"
    ) -> None:
        self.hidden, self.form, self.scale = hidden, form, scale
        self.role: TrainedRole = role
        self.stages = stages

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert the layers into every block with attention and a feed-forward network on tokens ``(..., F)``.

        Raises:
            PlanError: the stages have no such block.
        """
        sublayers = _sublayers(backbone, FEED_FORWARD if self.form == "parallel" else ATTENTION + FEED_FORWARD)
        sublayers |= frozenset() if self.form == "parallel" else _ends_in_bert(backbone)
        chosen = stages_from(stages, self.stages)
        found = find_places(backbone, chosen, spec, lambda path, module: path in sublayers)
        inserted = [(place, self._layer(place)) for place in found if _on_tokens(place)]
        if not inserted:
            raise PlanError(
                "adaptation: bottleneck adapters have no effect, there is no transformer block (attention and a "
                "feed-forward network, on tokens) that they can act in; use adaptation=lora, ssf or residual, or "
                "adaptation.stages=all"
            )
        for place, layer in inserted:
            (put_after if self.form == "serial" else put_beside)(place.module, layer)
        return Adapted(layers=named(inserted), role=self.role)

    def _layer(self, place: Place) -> nn.Module:
        inputs = place.output_shape if self.form == "serial" else place.input_shape
        return _Bottleneck(inputs[-1], self.hidden, place.output_shape[-1], self.scale, self.form)


class _Bottleneck(nn.Module):
    """``(..., inputs) -> (..., outputs)``; the serial form includes the residual sum with its input."""

    def __init__(self, inputs: int, hidden: int, outputs: int, scale: float, form: Form) -> None:
        super().__init__()
        self.down = nn.Linear(inputs, hidden)
        self.up = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.scale = scale
        self.form: Form = form

    def forward(self, x: Tensor) -> Tensor:
        activation = functional.gelu if self.form == "serial" else functional.relu
        added: Tensor = self.scale * self.up(activation(self.down(x)))
        return x + added if self.form == "serial" else added


def _sublayers(backbone: nn.Module, wanted: tuple[str, ...]) -> frozenset[str]:
    """Paths of the sublayers of blocks that have both attention and a feed-forward network."""
    paths = set()
    for path, module in backbone.named_modules():
        children = {name for name, _ in module.named_children()}
        if children.intersection(ATTENTION) and children.intersection(FEED_FORWARD):
            paths |= {f"{path}.{name}" if path else name for name in children.intersection(wanted)}
    return frozenset(paths)


def _ends_in_bert(backbone: nn.Module) -> frozenset[str]:
    """Paths of the last linear layers of the sublayers of BERT's blocks."""
    found = (path for path, module in backbone.named_modules() if {name for name, _ in module.named_children()} >= BERT)
    return frozenset(f"{path}.{end}" for path in found for end in ENDS)


def _on_tokens(place: Place) -> bool:
    """Whether features lie along the last axis: a linear layer of the module has outputs of that length."""
    return any(
        isinstance(part, nn.Linear) and part.out_features == place.output_shape[-1] for part in place.module.modules()
    )
