"""Release a model: a signed copy in the coordinator's folder, which the gateway gives to registered sites."""

from __future__ import annotations

import shutil
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.model_folder.digests import DIGESTS, verify
from fedgraft.common.model_folder.folder import ALWAYS, FOLDER, ModelFolder, open_model
from fedgraft.common.model_folder.signature import sign
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.server.deployment.folder import Folder


def publish(folder: Folder, run: Path, name: str | None) -> ModelFolder:
    """Sign a copy of a run's model, which registered sites can fetch from now on.

    Args:
        run: the folder of a run, or a model's.
        name: by which sites ask for it; ``None`` for that of the run's folder.

    Raises:
        ModelError: there is no model, or it is not as it was written.
        DeploymentError: the name is unusable, or another model has it.
    """
    folder.settings()  # is a coordinator's
    model = open_model(run)
    called = (model.path.parent.name if model.path.name == FOLDER else model.path.name) if name is None else name
    if not SITE_NAME.fullmatch(called):
        raise DeploymentError(f"--name {called!r} must be letters, digits, - and _ (at most 64)")
    target = folder.published / called
    if target.exists():
        if (target / DIGESTS).read_bytes() == (model.path / DIGESTS).read_bytes():
            return open_model(target)
        raise DeploymentError(f"--name {called} is another model's; name this one differently, or remove {target}")
    partial = folder.published / f".{called}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in (*verify(model.path, ALWAYS), DIGESTS):
        shutil.copyfile(model.path / file, partial / file)
    verify(partial, ALWAYS)
    sign(partial, folder.authority_key)
    partial.rename(target)
    return open_model(target)
