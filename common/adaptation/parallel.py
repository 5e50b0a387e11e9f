"""Layers beside a backbone's own: of each module that fits, the output becomes ``output + layer(input)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from fedgraft.common.adaptation.batch_norm import BatchNormMode, with_local_batch_norm
from fedgraft.common.adaptation.insertion import Place, find_places, is_trained, named, put_beside, stages_from
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole


@dataclass(frozen=True)
class Beside:
    """What an adaptation's plan says of such layers.

    Attributes:
        role: ``shared`` (then only beside frozen weights), or ``local``.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` makes batch norm local besides.
    """

    role: TrainedRole
    stages: str
    batch_norm: BatchNormMode

    def insert(
        self,
        backbone: nn.Module,
        stages: tuple[Stage, ...],
        spec: Shaped,
        fits: Callable[[nn.Module], bool],
        layer: Callable[[Place], nn.Module | None],
        nowhere: str,
    ) -> Adapted:
        """Put ``layer`` beside each module that fits; it is ``None`` where its output would have another size.

        Raises:
            PlanError: there is no such module; with ``nowhere`` as its text.
        """

        def free(path: str, module: nn.Module) -> bool:
            return fits(module) and (self.role == "local" or not is_trained(module))

        found = [(place, layer(place)) for place in find_places(backbone, stages_from(stages, self.stages), spec, free)]
        inserted = [(place, one) for place, one in found if one is not None]
        if not inserted:
            raise PlanError(nowhere)
        for place, one in inserted:
            put_beside(place.module, one)
        adapted = Adapted(layers=named(inserted), role=self.role)
        return with_local_batch_norm(adapted, self.batch_norm, self.stages, backbone, stages, spec)
