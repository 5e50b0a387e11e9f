"""What a site tells of itself while it is connected: by which the coordinator knows, before a run, whom a plan fits.

It is posted as JSON (`fedgraft.common.runtime.signed_requests`), since it is asked for outside any run. A site tells
what its own file allows (``announce``), and never what is in a cell.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from fedgraft.common.errors import WireError

WIRE = 3
"""The number of the messages between coordinator and sites: a change that the other side can't read raises it."""
PATH = "/sites/facts"
ASKED = "asked"
"""In the answer, which is JSON: digests of the plans of the runs that go on."""
MOST_APPROVED = 64
MOST_COLUMNS, MOST_NAME, MOST_CLASSES = 4096, 200, 256
"""Of a table: so many columns, each with a name of so many characters; so many classes."""
CASES_FIGURES, ROOM_FIGURES = 2, 1
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

Kind = Literal["rows", "files"]
CALLED: dict[Kind, str] = {"rows": "a row of a table", "files": "a file or an array"}
"""Kinds of a site's cases: given by cells (`fedgraft.common.interfaces.input_kind.InputFacts`), or by files."""


@dataclass(frozen=True)
class SiteFacts:
    """What a site tells.

    Attributes:
        fedgraft: the version that is installed there.
        wire: its `WIRE`.
        kind: of its cases; ``None`` if its manifest can't be read.
        cases: lines of its manifest, to two figures; ``None`` if withheld.
        columns: names of the manifest's and the table's columns; ``None`` if withheld.
        room: bytes that its store could hold in all, what it holds included, to one figure; ``None`` if withheld.
        allow: packages, besides ``fedgraft``, from which a plan may use parts there.
        approval: whether a person there must approve a plan (``ask``), it must be listed (``listed``), or neither.
        approved: digests of plans that are approved there now, the newest at most.
        refused: digests of plans that a person there refused, or whose approval was revoked, the newest at most.
        classes: lines of the manifest by ``label``, to two figures, of those that ``min_count`` lines have; ``None`` if
            withheld (as it is by default).
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    fedgraft: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+!_-]{1,40}$")]
    wire: Annotated[int, Field(ge=1, lt=2**31)]
    kind: Kind | None
    cases: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    columns: (
        Annotated[tuple[Annotated[str, Field(max_length=MOST_NAME)], ...], Field(max_length=MOST_COLUMNS)] | None
    ) = None
    room: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    allow: Annotated[tuple[Annotated[str, Field(max_length=MOST_NAME)], ...], Field(max_length=64)] = ()
    approval: Literal["ask", "listed", "all"] = "all"
    approved: Annotated[
        tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...], Field(max_length=MOST_APPROVED)
    ] = ()
    refused: Annotated[
        tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...], Field(max_length=MOST_APPROVED)
    ] = ()
    classes: (
        Annotated[
            dict[Annotated[str, Field(max_length=MOST_NAME)], Annotated[int, Field(ge=1, lt=2**53)]],
            Field(max_length=MOST_CLASSES),
        ]
        | None
    ) = None


def pack_facts(facts: SiteFacts) -> bytes:
    """The content of a request; without ``classes`` and ``refused`` if there are none, so that an older coordinator
    reads it."""
    told = asdict(facts)
    return to_json({name: value for name, value in told.items() if name not in ("classes", "refused") or value})


def unpack_facts(content: bytes) -> SiteFacts:
    """Read what another machine sent.

    Raises:
        WireError: it is not such a content.
    """
    try:
        facts = _schema().validate_json(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the content"
        raise WireError(f"facts of a site: {where} is not usable") from None
    if not all(_PACKAGE.fullmatch(name) for name in facts.allow):
        raise WireError("facts of a site: allow is not usable")
    return facts


def rounded(number: int, figures: int) -> int:
    """A whole number, 0 or more, rounded down to so many figures: ``rounded(1234, 2) == 1200``."""
    step: int = 10 ** max(0, len(str(number)) - figures)
    return number - number % step


def most_of(told: int, figures: int) -> int:
    """The least number that is larger than all that are `rounded` to ``told``."""
    step: int = 10 ** max(0, len(str(told)) - figures)
    return told + step


@lru_cache(maxsize=1)
def _schema() -> TypeAdapter[SiteFacts]:
    return TypeAdapter(SiteFacts)
