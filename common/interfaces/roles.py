"""The role of a tensor, and how names of tensors begin."""

from __future__ import annotations

from typing import Literal

Role = Literal["frozen", "shared", "local"]
TrainedRole = Literal["shared", "local"]


BACKBONE, ADAPTERS, HEAD, REFERENCE = "backbone.", "adapters.", "head.", "reference."
STATISTICS = ("running_mean", "running_var")
"""How the names of batch norm's running statistics end."""
