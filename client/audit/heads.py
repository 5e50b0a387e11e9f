"""What a site says of its logs with each reply, signed with its key, and what it keeps of the coordinator's ledger."""

from __future__ import annotations

import time
from pathlib import Path

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError, WireError
from fedgraft.common.logs.heads import Statement, keep_newest
from fedgraft.common.runtime.chained import Chain, Head

LOGS = ("approvals", "errors", "privacy", "released", "runs", "withdrawals")
"""The logs of a site: ``state/NAME.jsonl``."""
HEADS, LEDGERS = "heads.jsonl", "ledgers"
"""In the state folder: the site's own newest statement; and by run, the coordinator's."""
COORDINATOR = "coordinator"
"""Of whom a coordinator's statement says to be."""


def chain_of(state: Path, log: str) -> Chain:
    """A log of a site; those by which something is decided are on the disk before it is done."""
    return Chain(state / f"{log}.jsonl", durable=log not in ("released", "errors"))


def say_heads(site: SiteFile) -> Statement:
    """The heads of all logs that there are, signed if the site has a key; kept in the state folder, too. A log that was
    damaged is left out, and so will be missed by who knows of it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = Statement(site.name, stamp, dict(item for log in LOGS if (item := _head(site.state, log)) is not None))
    key = None if site.coordinator is None else site.coordinator.key
    signed = found.signed(key) if key is not None and key.is_file() else found
    keep_newest(site.state / HEADS, signed)
    return signed


def keep_ledger(site: SiteFile, run: int, statement: Statement) -> None:
    """Keep what the coordinator says of a run's ledger.

    Raises:
        WireError: it has a signature that is not of the coordinator's authority, or is not the coordinator's.
    """
    ca = None if site.coordinator is None else site.coordinator.ca
    forged = statement.signature and ca is not None and ca.is_file() and not statement.is_signed_by_authority(ca)
    if forged or statement.of != COORDINATOR:
        raise WireError("the statement about the ledger is not signed by the coordinator's authority")
    keep_newest(site.state / LEDGERS / f"{run}.jsonl", statement)


def _head(state: Path, log: str) -> tuple[str, Head] | None:
    try:
        head = chain_of(state, log).head()
    except DataError:
        return None
    return (log, head) if head.lines else None
