"""From a site's kept features to the head's inputs (``features.scale``, ``features.keep``), by what the coordinator
gave and by the site's own cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import Cohort
from fedgraft.client.training.evaluation import predict
from fedgraft.common.features.keep import KEPT, Kept, require_places
from fedgraft.common.features.moments import Moments, balanced, moments_of
from fedgraft.common.features.scale import DEVIATION, MEAN, Standardised, own_values
from fedgraft.common.interfaces.roles import KEEP, SCALE
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.feature_sections import FeaturesSection
from fedgraft.common.plan.plan import Plan


@dataclass
class Scaling:
    """What turns a site's kept features into the head's inputs. The values of a run are set by `receive`.

    Attributes:
        section: the plan's.
        model: the plan's model, which sites of one process share.
        train: the site's training cases, whose features are not scaled yet.
        initial: the untrained model's shared and local tensors.
        by_class: whether the site's classes may weigh the same: a site that never trains does not look at its labels.
        device: where the network is.
        values: of the scale.
        kept: places of the features that enter the head, ``(keep,)`` int64; ``None`` for all.
        estimated: moments that are used in the place of `own` (`fedgraft.client.app.prevalence`).
    """

    section: FeaturesSection
    model: Model
    train: Examples
    initial: Mapping[str, Tensor]
    by_class: bool
    device: torch.device
    values: dict[str, Tensor] = field(default_factory=dict)
    kept: Tensor | None = None
    estimated: Moments | None = None

    @cached_property
    def own(self) -> Moments:
        """The moments of the site's own training cases, under the model before any training."""
        features = self.features
        if self.section.scale == "own_balanced" and self.by_class:
            return balanced(features, self.train.labels)
        return moments_of(features)

    @property
    def features(self) -> Tensor:
        """The features of the training cases, ``(N, F)`` float32, as the scale's moments are of them."""
        if self.model.constant.what != FEATURES:
            self.model.load(self.initial)
        return self._prepared(self.as_loaded)

    @property
    def as_loaded(self) -> Tensor:
        """As `features`, with what the network holds now."""
        if self.model.constant.what == FEATURES:
            return replace(self.train, change=None).inputs
        return _before(self.model.network.scale, self.model.constant.trained, self.train, self.device)

    @property
    def scaled(self) -> Tensor:
        """All features of the training cases, ``(N, F)`` float32, scaled, with what the network holds now."""
        if self.model.constant.what == FEATURES:
            return self._scaled(self.as_loaded)
        return _before(self.model.network.keep, self.model.constant.trained, self.train, self.device)

    def receive(self, received: Mapping[str, Tensor]) -> None:
        """Set the scale's values, the given ones and from them the site's own, and which features are kept.

        Raises:
            WireError: those are no places of features.
        """
        roles: Mapping[str, str] = getattr(self.model.network.scale, "roles", {})
        given = {name: received[SCALE + name].float() for name, role in roles.items() if role == "given"}
        local = "local" in roles.values()
        own: dict[str, Tensor] = {}
        if local:
            moments = self.own if self.estimated is None else self.estimated
            own = own_values(self.model.network.scale, moments, given, self.section.shrink)
        self.values = {**given, **own}
        if isinstance(self.model.network.keep, Kept):
            self.kept = received[KEEP + KEPT]
            require_places(self.kept, self.model.width)

    @property
    def local(self) -> dict[str, Tensor]:
        """The site's own values, by name in the model's state."""
        names = (name.removeprefix(SCALE) for name in self.model.names("local") if name.startswith(SCALE))
        return {SCALE + name: self.values[name] for name in names}

    @property
    def same_for(self) -> object:
        """Equal for all scalings that change features in the same way: of one plan's sites, unless each has its own."""
        return id(self if self.model.has_local_scale else self.model)

    def apply(self, features: Tensor) -> Tensor:
        """Kept features ``(B, F)`` float32 -> the head's inputs, scaled, ``(B, F)`` or those that ``features.keep``
        leaves, float32, on the CPU."""
        scaled = self._scaled(features)
        return scaled if self.kept is None else scaled.index_select(1, self.kept)

    def _scaled(self, features: Tensor) -> Tensor:
        scale = self.model.network.scale
        if isinstance(scale, Standardised) and MEAN in self.values:
            return scale.scaled(features, self.values[MEAN], self.values[DEVIATION])
        scaled: Tensor = scale(features)
        return scaled

    def _prepared(self, features: Tensor) -> Tensor:
        scale = self.model.network.scale
        return scale.prepared(features) if isinstance(scale, Standardised) else features


def scaled(
    cohort: Cohort, model: Model, initial: Mapping[str, Tensor], plan: Plan, trains: bool, device: torch.device
) -> tuple[Cohort, Scaling | None]:
    """The cohort with its features scaled whenever they are read, and the scaling; ``None`` if the plan neither
    scales nor leaves features out.

    A network that is not run on kept features scales them itself.

    Args:
        initial: as `Scaling.initial`.
        trains: whether the site trains.
    """
    if plan.features.scale == "none" and plan.features.keep is None:
        return cohort, None
    scaling = Scaling(plan.features, model, cohort["train"], initial, trains, device)
    if model.constant.what != FEATURES:
        return cohort, scaling
    return {name: replace(examples, change=scaling) for name, examples in cohort.items()}, scaling


def _before(module: nn.Module, network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """What enters ``module``, a part of ``network``, for each case."""
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, given: seen.append(given[0].cpu()))
    try:
        predict(network, examples, device)
    finally:
        handle.remove()
    return torch.cat(seen)
