"""What a console's handlers read of a request that a `Guard` let in, and pages that other programs wrote."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from fedgraft.common.drawing.document import POLICY
from fedgraft.common.web.jobs import Job


def token_of(request: Request) -> str:
    """What the forms of the session's pages carry."""
    found: str = request.scope["token"]
    return found


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form."""
    found: dict[str, str] = request.scope["form"]
    return found


def see(job: Job) -> Response:
    """Go to the page of a command that was started."""
    return RedirectResponse(f"/commands/{job.number}", 303)


def kept_page(path: Path | None) -> Response:
    """A page that is kept as a file, loads nothing and runs nothing; it is kept apart from the console's own."""
    if path is None or not path.is_file():
        return PlainTextResponse("there is no such page\n", 404)
    headers = {"content-security-policy": f"{POLICY}; frame-ancestors 'none'; sandbox"}
    return Response(path.read_bytes(), media_type="text/html", headers=headers)
