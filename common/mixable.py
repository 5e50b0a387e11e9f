"""Whether what a network is trained on can be mixed as ``augment.mixup`` and ``augment.cutmix`` say."""

from __future__ import annotations

from torch import nn

from fedgraft.common.constant import IMAGES, Constant
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import Plan


def require_mixable(plan: Plan, constant: Constant, backbone: nn.Module) -> None:
    """Check what is kept of a case against the plan's mixing.

    Raises:
        PlanError: ``augment.cutmix`` needs rows and columns of pixels or of a stage's output, and there are none; or
            ``augment.mixup`` would mix the numbers of categories.
    """
    if plan.augment.cutmix and not _has_places(plan, constant, backbone):
        shape = " x ".join(map(str, constant.shape))
        what = "a row of the table" if plan.table is not None and constant.what == IMAGES else f"the {constant.what}"
        raise PlanError(
            f"augment.cutmix cuts rectangles out of what is trained on, and {what} ({shape}) has no places; free an "
            "earlier stage of a CNN (backbone.freeze), or use augment.mixup"
        )
    if plan.augment.mixup and plan.table is not None and plan.table.categorical and constant.what == IMAGES:
        raise PlanError(
            "augment.mixup has no meaning for the rows of a table with categories (table.categorical): between two "
            "categories there is nothing; set it to 0, or freeze the backbone and mix its features"
        )


def _has_places(plan: Plan, constant: Constant, backbone: nn.Module) -> bool:
    """Whether what is kept is ``(C, H, W)``: images, or a CNN's stage; tokens and channels-last stages are not."""
    if plan.table is not None or len(constant.shape) != 3:
        return False
    _, height, width = constant.shape
    last = str(getattr(backbone, "output_fmt", "NCHW")).upper().endswith("NHWC")  # timm: Swin and its relatives
    return height == width > 1 and (constant.what == IMAGES or not last)
