"""``fedgraft site fetch``: get a model that the coordinator published, and verify its signature and every digest."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedgraft.client.deployment.connection import SECONDS, connection_to, reach, split_address
from fedgraft.client.deployment.proxy import proxy_to
from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.site.fetched import MODELS
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file
from fedgraft.common.errors import DeploymentError, ModelError
from fedgraft.common.model_folder.digests import DIGESTS, SIGNATURE, read_digests
from fedgraft.common.model_folder.folder import ModelFolder, open_model
from fedgraft.common.model_folder.signature import check_signature
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import private_folder
from fedgraft.common.runtime.signed_requests import signed_headers

_PIECE = 1024 * 1024
_SMALL = 1024 * 1024  # more than a list of names, digests or a signature can have
_PATH = "/models"


def fetch(site_file: Path, name: str) -> ModelFolder:
    """Fetch a model into the site's state, if it is not there already.

    Raises:
        SiteFileError: the site's file names no coordinator.
        DeploymentError: the coordinator can't be reached, or gives nothing of that name to this site.
        ModelError: the signature is not the coordinator's, a file is not as it was signed, or another model of that
            name was fetched before.
    """
    site = read_site_file(site_file)
    coordinator = require_coordinator(site, site_file)
    if not SITE_NAME.fullmatch(name):
        raise DeploymentError(
            f"{name!r} is no name of a model: letters, digits, - and _; without a name they are listed"
        )
    target = private_folder(site.state / MODELS) / name
    partial = target.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        with asking(coordinator) as connection:
            _receive_all(connection, coordinator, name, partial)
        if target.exists():
            return _known(target, partial)
        open_model(partial)
        partial.rename(target)
        return open_model(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def published(site_file: Path) -> tuple[SiteFile, list[str]]:
    """The site, and the names of the models that it can fetch.

    Raises:
        DeploymentError: as `fetch`.
    """
    site = read_site_file(site_file)
    coordinator = require_coordinator(site, site_file)
    with asking(coordinator) as connection:
        answer = get(connection, coordinator, _PATH)
        content = json.loads(answer.read(_SMALL))
    return site, [str(name) for name in content]


def _receive_all(connection: http.client.HTTPSConnection, coordinator: Coordinator, name: str, folder: Path) -> None:
    """The signature first: nothing is asked for by a name that the coordinator did not sign."""
    for file in (DIGESTS, SIGNATURE):
        (folder / file).write_bytes(get(connection, coordinator, f"{_PATH}/{name}/{file}").read(_SMALL))
    check_signature(folder, coordinator.ca)
    for file in read_digests(folder / DIGESTS):
        answer = get(connection, coordinator, f"{_PATH}/{name}/{file}")
        with (folder / file).open("wb") as stream:
            while piece := answer.read(_PIECE):
                stream.write(piece)


def _known(target: Path, fetched: Path) -> ModelFolder:
    """
    Raises:
        ModelError: what was fetched before is another model, or was changed since.
    """
    if (target / DIGESTS).read_bytes() != (fetched / DIGESTS).read_bytes():
        raise ModelError(f"{target} is another model of that name, fetched before; remove it to fetch this one")
    return open_model(target)


@contextmanager
def asking(coordinator: Coordinator) -> Iterator[http.client.HTTPSConnection]:
    """A connection to the coordinator, which trusts the site's CA file only.

    Raises:
        DeploymentError: it can't be reached; the sentence says what to do.
    """
    found = reach(coordinator)
    parts = split_address(coordinator.address)
    if not found.ok or parts is None:
        raise DeploymentError(found.sentence)
    context = ssl.create_default_context(cafile=str(coordinator.ca))
    connection = connection_to(parts, context, proxy_to(coordinator))
    try:
        connection.connect()
        connection.sock.settimeout(SECONDS)
        yield connection
    except (OSError, http.client.HTTPException) as error:
        raise DeploymentError(f"the connection to {coordinator.address} broke ({type(error).__name__})") from error
    finally:
        connection.close()


def get(connection: http.client.HTTPSConnection, coordinator: Coordinator, path: str) -> http.client.HTTPResponse:
    """The answer to a signed ``GET``.

    Raises:
        DeploymentError: the coordinator does not give it.
    """
    connection.request("GET", path, headers=signed_headers(coordinator.key, path, time.time()))
    answer = connection.getresponse()
    if answer.status != 200:
        raise DeploymentError(f"the coordinator at {coordinator.address} gives no {path}: {refusal_of(answer)}")
    return answer


def refusal_of(answer: http.client.HTTPResponse) -> str:
    """What the coordinator says of a request that it refused."""
    return answer.read(_PIECE).decode("utf-8", "replace").strip()
