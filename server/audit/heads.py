"""What a coordinator says of a run's ledger with each instruction, and what it keeps of the sites' logs."""

from __future__ import annotations

import json
import time
from pathlib import Path

from fedgraft.common.errors import DataError
from fedgraft.common.logs.heads import Statement, keep_newest
from fedgraft.common.runtime.chained import Chain, Head
from fedgraft.server.deployment.folder import LIVE, Folder

LEDGER, LOST, HEADS = "ledger.jsonl", "ledger-lost.jsonl", "ledger-heads.jsonl"
"""In a run's folder: the ledger; its lines of rounds that were cut short and begun again; the coordinator's own newest
statement about it."""
COORDINATOR = "coordinator"


def ledger_chain(path: Path) -> Chain:
    """The chain that a ledger's file is; a run that is resumed must find all of it in one file."""
    return Chain(path, durable=False, most=None)


def coordinator_of(out: Path) -> Folder | None:
    """The folder of the coordinator that submitted the run in a folder; ``None`` if it left no word of it."""
    live = out / LIVE
    return Folder(Path(json.loads(live.read_text(encoding="utf-8"))["sites"]).parent) if live.is_file() else None


def say_head(out: Path, folder: Folder) -> Statement:
    """The head of a run's ledger, signed if the authority's key is here; kept in the run's folder, too."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        head = ledger_chain(out / LEDGER).head()
    except DataError:
        head = Head(0, "")
    found = Statement(COORDINATOR, stamp, {"ledger": head})
    signed = found.signed(folder.authority_key) if folder.authority_key.is_file() else found
    keep_newest(out / HEADS, signed)
    return signed


def keep_heads(folder: Folder, site: str, statement: Statement) -> bool:
    """Keep what a site says of its logs; whether it says that of itself, with a signature that holds or none."""
    if statement.of != site or (statement.signature and not statement.is_signed_by_own_key()):
        return False
    keep_newest(folder.heads / f"{site}.jsonl", statement)
    return True
