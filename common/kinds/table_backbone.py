"""Tabular encoders as backbones: rows ``(B, F)`` float32 (see `TableSpec`) -> features ``(B, width)``.

MLP, ResNet and FT-Transformer are those of Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS
2021, from the authors' package ``rtdl_revisiting_models``; the plan's head takes the place of their last layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import rtdl_revisiting_models as rtdl
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.kinds.backbone_file import require_same_table
from fedgraft.common.plan import parts
from fedgraft.common.plan.data_sections import PREFIX, TableSection
from fedgraft.common.plan.sections import BackboneSection
from fedgraft.common.tables.encoding import table_spec


class Columns(nn.Module):
    """Splits a batch into numbers and category codes; has no weights.

    Codes out of range are clamped, so that a network can be probed with blank inputs and noise.
    """

    most: Tensor

    def __init__(self, spec: TableSpec) -> None:
        super().__init__()
        self.spec = spec
        most = torch.tensor([count - 1 for count in spec.cardinalities], dtype=torch.int64)
        self.register_buffer("most", most, persistent=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, F)`` -> ``(B, numeric)`` float32 and ``(B, categorical)`` int64."""
        numbers, codes = inputs[:, : self.spec.numeric], inputs[:, self.spec.numeric :]
        return numbers, torch.minimum(codes.round().long().clamp(min=0), self.most)

    def one_hot(self, inputs: Tensor) -> Tensor:
        """``(B, F)`` -> ``(B, spec.one_hot)``: the numbers, then each categorical column one-hot."""
        numbers, codes = self(inputs)
        hot = [functional.one_hot(codes[:, i], count) for i, count in enumerate(self.spec.cardinalities)]
        return torch.cat([numbers, *(one.to(numbers.dtype) for one in hot)], dim=1)


class Identity(nn.Module):
    """Numbers as they are, codes one-hot, no weights: with a linear head, logistic (or Cox) regression."""

    def __init__(self, spec: TableSpec) -> None:
        super().__init__()
        self.columns = Columns(spec)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.columns.one_hot(inputs)


class Mlp(rtdl.MLP):  # type: ignore[misc]
    """The MLP of section 3.1 on numbers and one-hot codes; stages ``stem`` (the first block), ``blocks.1``, ..."""

    def __init__(self, spec: TableSpec, *, n_blocks: int, d_block: int, dropout: float) -> None:
        super().__init__(d_in=spec.one_hot, d_out=None, n_blocks=n_blocks, d_block=d_block, dropout=dropout)
        self.columns = Columns(spec)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = super().forward(self.columns.one_hot(inputs))
        return features

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Stages, as timm's models declare them (`fedgraft.common.features.stages`)."""
        return {"blocks": r"^blocks\.(\d+)"}


class ResNet(rtdl.ResNet):  # type: ignore[misc]
    """The ResNet of section 3.2 on numbers and one-hot codes; stages ``stem`` (the projection), ``blocks.0``, ..."""

    def __init__(
        self,
        spec: TableSpec,
        *,
        n_blocks: int,
        d_block: int,
        d_hidden_multiplier: float,
        dropout1: float,
        dropout2: float,
    ) -> None:
        super().__init__(
            d_in=spec.one_hot,
            d_out=None,
            n_blocks=n_blocks,
            d_block=d_block,
            d_hidden_multiplier=d_hidden_multiplier,
            dropout1=dropout1,
            dropout2=dropout2,
        )
        self.columns = Columns(spec)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = super().forward(self.columns.one_hot(inputs))
        return features

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Stages, as timm's models declare them."""
        return {"stem": r"^input_projection", "blocks": r"^blocks\.(\d+)"}


class FTTransformer(rtdl.FTTransformer):  # type: ignore[misc]
    """The FT-Transformer of section 3.3: one token per number and code; the features are those of the ``[CLS]`` token.

    Stages: ``stem`` (the embeddings), ``backbone.blocks.0``, ...
    """

    num_prefix_tokens = 1
    """As timm's transformers say how many tokens stand before the others."""

    def __init__(
        self,
        spec: TableSpec,
        *,
        n_blocks: int,
        d_block: int,
        attention_n_heads: int,
        attention_dropout: float,
        ffn_d_hidden_multiplier: float,
        ffn_dropout: float,
        residual_dropout: float,
    ) -> None:
        super().__init__(
            n_cont_features=spec.numeric,
            cat_cardinalities=list(spec.cardinalities),
            d_out=None,
            n_blocks=n_blocks,
            d_block=d_block,
            attention_n_heads=attention_n_heads,
            attention_dropout=attention_dropout,
            ffn_d_hidden=None,
            ffn_d_hidden_multiplier=ffn_d_hidden_multiplier,
            ffn_dropout=ffn_dropout,
            residual_dropout=residual_dropout,
        )
        self.columns = Columns(spec)

    def forward(self, inputs: Tensor) -> Tensor:
        numbers, codes = self.columns(inputs)
        spec = self.columns.spec
        features: Tensor = super().forward(numbers if spec.numeric else None, codes if spec.cardinalities else None)
        return features

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Stages, as timm's models declare them."""
        return {"stem": r"^(?:cls_embedding|cont_embeddings|cat_embeddings)", "blocks": r"^backbone\.blocks\.(\d+)"}


ENCODERS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        f"{PREFIX}identity": Identity,
        f"{PREFIX}mlp": Mlp,
        f"{PREFIX}resnet": ResNet,
        f"{PREFIX}ft_transformer": FTTransformer,
    }
)


def option_problems(plan: BackboneSection) -> list[str]:
    """What is wrong with a tabular encoder's name and options; empty for a timm model, which takes no options."""
    if not plan.name.startswith(PREFIX):
        return []
    found = ENCODERS.get(plan.name)
    if found is None:
        return [f"backbone.name={plan.name} is no tabular encoder; use one of {', '.join(ENCODERS)}"]
    return parts.check_options(found, "backbone", plan.options, {"spec"})


def create_tabular(plan: BackboneSection, table: TableSection, pretrained: bool) -> tuple[nn.Module, TableSpec]:
    """Build the encoder and the spec of its input; random weights are drawn from torch's global generator.

    Args:
        pretrained: whether to load ``backbone.weights``.

    Raises:
        PlanError: an option does not fit, or the table's vocabulary is not known yet.
        BackboneError: the weights are not there, do not fit, or were trained on another table.
    """
    problems = option_problems(plan)
    if problems:
        raise PlanError(problems)
    spec = table_spec(table)
    try:
        network = ENCODERS[plan.name](spec, **plan.options)
    except ValueError as error:
        raise PlanError(f"backbone.name={plan.name} could not be built: {error}") from error
    if pretrained:
        _load(network, plan, table)
    return network, spec


def _load(network: nn.Module, plan: BackboneSection, table: TableSection) -> None:
    if not plan.weights.endswith(".safetensors"):
        raise BackboneError(
            f"backbone.weights={plan.weights}: a tabular encoder's weights are a .safetensors file "
            "(`fedgraft backbone export` writes one); or set backbone.pretrained=false"
        )
    path = Path(plan.weights)
    state = tensors.load(path)
    require_same_table(path, table)
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        detail = str(error).strip().splitlines()[-1].strip()[:300]
        raise BackboneError(f"backbone.weights={plan.weights} does not fit {plan.name}: {detail}") from error
