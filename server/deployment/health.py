"""Whether a coordinator answers."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

from fedgraft.server.deployment.folder import Folder


def is_healthy(folder: Folder, port: int) -> bool:
    """Whether ``GET /health`` on loopback answers with the coordinator's own certificate."""
    context = ssl.create_default_context(cafile=str(folder.authority))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"https://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
