"""Ask the coordinator for something about this site's membership, signed by the site's key."""

from __future__ import annotations

import time
from pathlib import Path

from fedgraft.client.deployment.fetching import asking, refusal_of
from fedgraft.client.site.site_file import Coordinator
from fedgraft.common.errors import DeploymentError
from fedgraft.common.membership import PATH
from fedgraft.common.runtime.signed_requests import signed_headers

ANSWER_SECONDS = 120.0
"""A coordinator starts Flower's commands to change a registration: seconds, on a busy machine a minute."""


def ask(coordinator: Coordinator, content: bytes, key: Path) -> bool:
    """Ask it; false if the key that signs is not registered.

    Raises:
        DeploymentError: the coordinator can't be reached, or does not do it.
    """
    with asking(coordinator) as connection:
        connection.sock.settimeout(ANSWER_SECONDS)
        headers = {**signed_headers(key, PATH, time.time(), content), "content-type": "application/json"}
        connection.request("POST", PATH, body=content, headers=headers)
        answer = connection.getresponse()
        if answer.status == 401:
            return False
        if answer.status != 200:
            raise DeploymentError(f"the coordinator at {coordinator.address} does not do it: {refusal_of(answer)}")
    return True
