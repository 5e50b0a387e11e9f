"""Insert layers in parallel to a backbone's modules: a module's output becomes ``output + layer(input)``."""

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
class ParallelLayers:
    """The options that parallel adaptations (LoRA, residual adapters) have in common.

    Attributes:
        role: ``local``, or ``shared``: then only modules with frozen weights get a layer.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` also keeps batch norm local; ``none`` leaves it alone.
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
        """Insert layers in parallel to the modules that fit.

        Args:
            layer: makes a module's layer; ``None`` where its output would have another size than the module's.
            nowhere: the error's text if no module gets a layer.

        Raises:
            PlanError: no module gets a layer.
        """

        def takes(path: str, module: nn.Module) -> bool:
            return fits(module) and (self.role == "local" or not is_trained(module))

        places = find_places(backbone, stages_from(stages, self.stages), spec, takes)
        inserted = [(place, one) for place in places if (one := layer(place)) is not None]
        if not inserted:
            raise PlanError(nowhere)
        for place, one in inserted:
            put_beside(place.module, one)
        adapted = Adapted(layers=named(inserted), role=self.role)
        return with_local_batch_norm(adapted, self.batch_norm, self.stages, backbone, stages, spec)
