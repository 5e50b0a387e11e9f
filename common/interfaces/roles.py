"""The roles of tensors, and the prefixes of their names in a model's state."""

from __future__ import annotations

from typing import Literal

Role = Literal["frozen", "shared", "local", "given"]
TrainedRole = Literal["shared", "local"]


BACKBONE, ADAPTERS, HEAD, REFERENCE = "backbone.", "adapters.", "head.", "reference."
SCALE, KEEP = "scale.", "keep."
BEFORE_HEAD = (SCALE, KEEP)
"""What scales and chooses features for the head: set once before the first round, and never trained."""
STATISTICS = ("running_mean", "running_var")
"""The last part of the names of batch norm's running statistics."""
