"""While a site is connected, tell the coordinator what the site's file allows about it (`announce`), every 20 seconds.

By these the coordinator knows before a run whether a plan fits here, and during one that the site is there. What was
told is in ``state/released.jsonl``, a line whenever it changes.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from fedgraft.client.approval.asked import keep_asked
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.cohort.at_a_glance import Glance, glance
from fedgraft.client.cohort.manifest.own_words import in_words_of_plans
from fedgraft.client.deployment.connection import SECONDS, connection_to, split_address
from fedgraft.client.deployment.proxy import proxy_to
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.errors import DataError
from fedgraft.common.installed import version_of
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.signed_requests import signed_headers
from fedgraft.common.wire.site_facts import (
    CASES_FIGURES,
    MOST_APPROVED,
    MOST_CLASSES,
    MOST_COLUMNS,
    MOST_NAME,
    PATH,
    ROOM_FIGURES,
    WIRE,
    SiteFacts,
    pack_facts,
    rounded,
)

EVERY_SECONDS = 20.0
MOST_ANSWER = 1 << 20


class Announcer:
    """Tells what there is to tell; the manifest is looked at again only when it has changed."""

    def __init__(self, site: SiteFile, coordinator: Coordinator) -> None:
        self._site, self._coordinator = site, coordinator
        self._looked: tuple[object, Glance | None] = (object(), None)
        self._told: SiteFacts | None = None

    def facts(self) -> SiteFacts:
        """What may be told now."""
        site, looked = self._site, self._glance()
        lines = 0 if looked is None else looked.lines
        columns = None if looked is None else looked.columns
        long = columns is not None and (len(columns) > MOST_COLUMNS or any(len(name) > MOST_NAME for name in columns))
        may_tell = site.announce.cases and site.privacy is None  # a number without noise is outside any budget
        tells_cases = may_tell and lines >= max(1, site.release.min_count)
        return SiteFacts(
            fedgraft=version_of("fedgraft"),
            wire=WIRE,
            kind=None if looked is None else looked.kind,
            cases=rounded(lines, CASES_FIGURES) if tells_cases else None,
            columns=columns if site.announce.columns and not long else None,
            room=rounded(room_of(site.shared_store), ROOM_FIGURES) if self._tells_room else None,
            allow=site.allow,
            approval=site.approval,
            approved=Decisions(site).approved()[-MOST_APPROVED:],
            refused=Decisions(site).refused()[-MOST_APPROVED:],
            classes=None if looked is None or not site.announce.classes else self._classes(looked),
        )

    def _classes(self, looked: Glance) -> dict[str, int] | None:
        least = max(1, self._site.release.min_count)
        found = {name: rounded(count, CASES_FIGURES) for name, count in looked.labels.items() if count >= least}
        few = len(found) <= MOST_CLASSES and all(len(name) <= MOST_NAME for name in found)
        return dict(sorted(found.items())) if found and few else None

    @property
    def _tells_room(self) -> bool:
        return self._site.announce.room and self._site.keep == "disk"

    def announce(self) -> int:
        """Tell it once; returns the HTTP status of the answer.

        Raises:
            OSError, http.client.HTTPException: the coordinator can't be reached.
        """
        content = pack_facts(self._written_down())
        address = split_address(self._coordinator.address)
        assert address is not None, "checked before the site connects"
        asked_at = time.time()
        context = ssl.create_default_context(cafile=str(self._coordinator.ca))
        connection = connection_to(address, context, proxy_to(self._coordinator))
        try:
            connection.connect()
            connection.sock.settimeout(SECONDS)
            headers = signed_headers(self._coordinator.key, PATH, time.time(), content)
            connection.request("POST", PATH, body=content, headers={**headers, "content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read(MOST_ANSWER)
            if answer.status == 200:
                keep_asked(self._site.state, said, asked_at)
            return answer.status
        finally:
            connection.close()

    def _written_down(self) -> SiteFacts:
        """What may be told now, once it is in ``released.jsonl``; what was told last, if that can't be written to.

        Raises:
            OSError: it can't, and nothing was told yet.
        """
        facts = self.facts()
        if facts == self._told:
            return facts
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"time": stamp, "what": "facts", "run": 0, **asdict(facts)}
        try:
            Chain(self._site.state / RELEASED, durable=False).append(line)
        except (OSError, DataError):
            if self._told is None:
                raise
            return self._told
        self._told = facts
        return facts

    def _glance(self) -> Glance | None:
        manifest = self._site.manifest
        try:
            status = manifest.stat()
            state: object = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            return None
        if state != self._looked[0]:
            try:
                self._looked = state, in_words_of_plans(glance(manifest), self._site)
            except DataError:
                self._looked = state, None
        return self._looked[1]


def room_of(store: Path) -> int:
    """The bytes that a folder could hold in all: what is free on its disk, and what it holds."""
    held = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store.is_dir() else 0
    there = next(folder for folder in (store, *store.parents) if folder.exists())
    return shutil.disk_usage(there).free + held


@contextlib.contextmanager
def announcing(site: SiteFile, coordinator: Coordinator, every: float = EVERY_SECONDS) -> Iterator[threading.Event]:
    """Within the block, tell it at once and again and again while the event that is given is set: it says that the site
    is connected. What can't be told now is told the next time."""
    announcer, connected, ended = Announcer(site, coordinator), threading.Event(), threading.Event()

    def pause(seconds: float, decided: object) -> None:
        """Until it is time again, or a person has decided about a plan since ``decided``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not ended.wait(min(1.0, seconds)):
            if Decisions(site).changed() != decided:
                return

    def again() -> None:
        while not ended.is_set():
            if connected.wait(0.5):
                decided = Decisions(site).changed()  # before it is told: what is decided meanwhile is told at once
                with contextlib.suppress(OSError, http.client.HTTPException):
                    announcer.announce()
                pause(every, decided)

    thread = threading.Thread(target=again, name="announcing", daemon=True)
    thread.start()
    try:
        yield connected
    finally:
        ended.set()
        thread.join(2.0)
