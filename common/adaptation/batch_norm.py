"""Batch norm kept local to each site: FedBN and SiloBN."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedgraft.common.adaptation.insertion import stage_of, stages_from
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import Role

BatchNormMode = Literal["none", "fedbn", "silobn"]


class LocalBatchNorm(Adaptation):
    """Batch norm's statistics stay at the site. Its affine parameters stay too (FedBN, Li et al., ICLR 2021), or are
    averaged over the sites (SiloBN, Andreux et al., DART 2020).

    Args:
        affine: role of the affine parameters: ``local`` for FedBN, ``shared`` for SiloBN.
        stages: ``all``, or the first stage to which this applies; it applies to all later ones too.
    """

    def __init__(self, affine: Role, stages: str = "all") -> None:
        if affine not in ("local", "shared"):
            raise PlanError(f"adaptation.affine={affine} must be local (FedBN) or shared (SiloBN)")
        self.affine: Role = affine
        self.stages = stages

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Set the roles of the tensors of every batch norm in the stages; no layer is added.

        Raises:
            PlanError: the stages have no batch norm.
        """
        norms = batch_norms(backbone)
        if not norms:
            raise PlanError(
                "adaptation: local batch norm has no effect, the backbone has no batch norm; use adaptation=ssf"
            )
        if self.stages != "all":
            chosen = stages_from(stages, self.stages)
            norms = {path: module for path, module in norms.items() if stage_of(path, chosen) is not None}
        if not norms:
            raise PlanError(
                f"adaptation: local batch norm has no effect, stage {self.stages} and those behind it have no batch "
                "norm; use adaptation.stages=all"
            )
        claims: dict[str, Role] = {}
        for path, module in norms.items():
            claims |= {f"{path}.{name}": "local" for name, _ in module.named_buffers()}
            claims |= {f"{path}.{name}": self.affine for name, _ in module.named_parameters()}
        return Adapted(claims=claims, training_modules=frozenset(norms))


def with_local_batch_norm(
    adapted: Adapted, kind: BatchNormMode, first: str, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped
) -> Adapted:
    """Add local batch norm, from stage ``first`` on, to inserted layers (as in Rebuffi et al., CVPR 2018).

    Raises:
        PlanError: the stages have no batch norm.
    """
    if kind == "none":
        return adapted
    norms = LocalBatchNorm("local" if kind == "fedbn" else "shared", first)(backbone, stages, spec)
    return replace(adapted, claims=norms.claims, training_modules=norms.training_modules)


def batch_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Every batch norm with running statistics, by module path."""
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }
