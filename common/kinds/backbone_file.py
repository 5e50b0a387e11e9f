"""A backbone's weights as a file that also records the table they were trained on, so that they fit no other table.

Shapes alone would not show that two columns are swapped, or that ages are in months instead of years.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tensors import about

TABLE = "table"
_SHAPING = ("numeric", "categorical", "indicate_missing", "vocabulary")


def save_backbone(path: Path, state: Mapping[str, Tensor], plan: Plan, notes: Mapping[str, str]) -> None:
    """Write a safetensors file for ``backbone.weights``; its metadata are backbone name, plan digest, and notes of the
    kind of input."""
    tensors.save(path, state, {"backbone": plan.backbone.name, "plan_digest": plan.digest, **notes})


def require_same_table(path: Path, table: TableSection) -> None:
    """Check the table that a backbone's file records; a file without a record passes.

    Raises:
        BackboneError: it was trained on other columns or another vocabulary, or the record can't be read.
    """
    text = about(path).get(TABLE)
    if text is None:
        return
    try:
        trained = json.loads(text)
        now = json.loads(json.dumps(asdict(table)))
        differing = [f"table.{name}" for name in _SHAPING if trained[name] != now[name]]
    except (ValueError, TypeError, KeyError):
        raise BackboneError(f"{path}: what it says of its table can't be read; export it again") from None
    if differing:
        raise BackboneError(
            f"{path} was trained on a table with other {', '.join(differing)}; take the table section that "
            "`fedgraft backbone show` prints of it, with table.statistics=plan"
        )
