"""Release a model: a signed copy in the coordinator's folder, which the gateway gives to registered sites."""

from __future__ import annotations

import shutil
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.model_folder.digests import DIGESTS, EVALUATIONS, verify
from fedgraft.common.model_folder.folder import ALWAYS, FOLDER, ModelFolder, open_model
from fedgraft.common.model_folder.signature import sign
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import private_folder
from fedgraft.server.deployment.folder import Folder


def publish(folder: Folder, run: Path, name: str | None, accepts: bool = False) -> ModelFolder:
    """Sign a copy of a run's model, which registered sites can fetch from now on.

    Args:
        run: the folder of a run, or a model's.
        name: by which sites ask for it; ``None`` for that of the run's folder.
        accepts: whether sites may send what they find with it; also for a model that was published before.

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
    if not target.exists():
        _sign_copy(folder, model, target)
    elif (target / DIGESTS).read_bytes() != (model.path / DIGESTS).read_bytes():
        raise DeploymentError(f"--name {called} is another model's; name this one differently, or remove {target}")
    if accepts:
        private_folder(target / EVALUATIONS)
    return open_model(target)


def _sign_copy(folder: Folder, model: ModelFolder, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in (*verify(model.path, ALWAYS), DIGESTS):
        shutil.copyfile(model.path / file, partial / file)
    verify(partial, ALWAYS)
    sign(partial, folder.authority_key)
    partial.rename(target)
