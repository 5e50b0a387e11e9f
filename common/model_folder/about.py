"""``about.json``: what a model takes and gives, and the digests by which its origin and a site's own part are known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedgraft.common import tensors
from fedgraft.common.errors import ModelError
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class About:
    """What a model folder says of its model.

    Attributes:
        format: of the folder.
        fedgraft: the version that wrote it.
        task, classes: as in the plan.
        input: a case in a word (``image``), and the declaration of its input: ``shape``, and what else the kind of
            input says (size, mean and deviation of pixels; numbers of columns).
        plan_digest: of the plan that was run, under which a site keeps its own part of the model. A simulation's plan
            also names its data set, which the folder's ``plan.yaml`` leaves out.
        backbone, backbone_digests: the name of the backbone, and a digest for each network that it consists of.
        shared_digest: of the tensors that every site received in the last evaluation.
        needs_its_site: whether a part of the model stays at the sites.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    format: Literal[1]
    fedgraft: str
    task: str
    classes: tuple[str, ...]
    input: dict[str, Any]
    plan_digest: str
    backbone: str
    backbone_digests: tuple[str, ...]
    shared_digest: str
    needs_its_site: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def about_of(plan: Plan, model: Model) -> About:
    """What to say of a trained model.

    Args:
        plan: the plan that was run.
        model: holds the final tensors.
    """
    spec = model.spec
    declared: dict[str, Any] = asdict(spec) if is_dataclass(spec) and not isinstance(spec, type) else {}
    return About(
        format=1,
        fedgraft=version("fedgraft"),
        task=plan.data.task,
        classes=plan.data.classes,
        input={"case": model.facts.one, "shape": list(spec.shape), **declared},
        plan_digest=plan.digest,
        backbone=model.name,
        backbone_digests=tuple(digest for digest, _ in model.backbone_pieces()),
        shared_digest=tensors.digest(model.tensors(model.received)),
        needs_its_site=model.needs_its_site,
    )


def read_about(text: str) -> About:
    """Read ``about.json``.

    Raises:
        ModelError: it is of another format, or no such file.
    """
    try:
        return TypeAdapter(About).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"about.json: {where}: {first['msg']}; was it written by a newer FedGraft?") from None
