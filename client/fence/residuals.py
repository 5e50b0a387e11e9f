"""Whether a sum of gradients at weights that came (``strategy=exact``) rests on enough patients.

The gradient of a linear head is ``sum over cases of e * x``, with the residuals ``e = dL/d(outputs)``. At weights that
are sure of all cases but one, that one's inputs are all that is left of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.client.fence.pairs import isolating
from fedgraft.client.fence.patients import Patients
from fedgraft.client.fence.units import effective, holders, rests_on_few
from fedgraft.common.errors import FewCasesError


def require_one_matrix(head: nn.Module) -> None:
    """Check that residuals say all of a head's gradient.

    Raises:
        FewCasesError: it has several trained matrices, of which the first could isolate patients.
    """
    names = [name for name, tensor in head.named_parameters() if tensor.requires_grad]
    if len(holders(head, names)) > 1:
        raise FewCasesError(
            "strategy=exact with a head of several layers: on how many patients each unit rests can't be told; nothing "
            "was sent"
        )


def require_rest_on_many(
    residuals: Tensor, lengths: Tensor, patients: Patients, least: int, before: Tensor | None
) -> Tensor:
    """Check every output's sum, and its difference to those that were told before.

    Args:
        residuals: ``(N, outputs)`` float64.
        lengths: of the inputs, ``(N,)``.
        before: what each patient gave to what was told before, ``(patients, columns)``.

    Returns:
        what each gave now, ``(patients, outputs)``.

    Raises:
        FewCasesError: one rests on fewer than ``least`` patients, or nearly all on one.
    """
    gave = torch.zeros(patients.nobody, residuals.shape[1], dtype=torch.float64)
    gave.index_add_(0, patients.group, residuals * lengths[:, None].double())
    if bool(rests_on_few(gave, least).any()):
        some = effective(gave)
        raise FewCasesError(
            f"at the weights that came, the gradient rests on {float(some[some > 0].min()):.2f} patients, fewer than "
            f"{least}, or nearly all on one: nothing was sent"
        )
    if bool(isolating(gave, before).any()):
        raise FewCasesError(
            "at the weights that came, the gradient differs by one patient from one that was told: nothing was sent"
        )
    return gave
