"""A backbone's weights as a file: what they were trained on goes with them, so that they are not used on another table.

The tensors' shapes alone would let two columns change places, or age in months pass for age in years.
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

KEY = "table"
_SHAPING = ("numeric", "categorical", "indicate_missing", "vocabulary")


def save_backbone(path: Path, state: Mapping[str, Tensor], plan: Plan) -> None:
    """Write a backbone as ``backbone.weights`` wants it, with its name, the plan's digest and the table's section."""
    said = {"backbone": plan.backbone.name, "plan_digest": plan.digest}
    if plan.table is not None:
        said[KEY] = json.dumps(asdict(plan.table))
    tensors.save(path, state, said)


def require_same_table(path: Path, table: TableSection) -> None:
    """Raises:
    BackboneError: the file says that it was trained on other columns or another vocabulary.
    """
    text = about(path).get(KEY)
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
