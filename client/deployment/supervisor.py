"""``fedgraft site start``: keep this site connected, and say in one sentence why it is not.

Two programs run: Flower's SuperNode, which talks to the coordinator (`fedgraft.client.deployment.supernode`), and our
executor, which runs the installed ClientApp (`fedgraft.client.deployment.executor`). If the
executor ends, or does nothing any more, it is started again; if the SuperNode does, both are. The SuperNode answers the
message that was being computed with an error. The coordinator is asked every two
seconds, for `REFUSED_SECONDS` if it refuses the site and for ``patience`` seconds if it can't be reached. A lasting
error (a wrong CA, a wrong name) ends the supervisor at once with exit code 1.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedgraft.client.deployment.announcing import announcing
from fedgraft.client.deployment.connection import (
    CONNECTED,
    PATIENCE_SECONDS,
    Trouble,
    explain_end,
    reach,
    trouble_of,
)
from fedgraft.client.deployment.executor import require_superexec
from fedgraft.client.deployment.message_process import require_flower
from fedgraft.client.deployment.news import News, said_of
from fedgraft.client.deployment.open_message import OpenMessage
from fedgraft.client.deployment.proxy import through
from fedgraft.client.deployment.signals import EXECUTOR_ENDED, EXECUTOR_STALLED_SECONDS, Life
from fedgraft.client.site.keys import check_private_key
from fedgraft.client.site.role import require_part_in_runs
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file
from fedgraft.common.causes import UNAPPROVED, what_to_do_here
from fedgraft.common.errors import DeploymentError, SiteFileError, code_of
from fedgraft.common.runtime.files import private_folder, write_private
from fedgraft.common.runtime.flower import module, quiet_environment
from fedgraft.common.runtime.only_one import Holder, only_one
from fedgraft.common.runtime.private import close_to_others
from fedgraft.common.runtime.processes import GRACE_SECONDS, Child, Program, free_port, say, start, stop, stop_requested

PAUSE_SECONDS = 2.0
REMINDER_SECONDS = 60.0
SAME_SECONDS = 600.0
"""For so long a failure is not said again that is the same as the last, unless something was answered meanwhile."""
LIVES, LIVES_SECONDS = 3, 120.0
"""So many ends of the executor within so many seconds are one too many."""


def require_coordinator(site: SiteFile, path: Path) -> Coordinator:
    """The ``coordinator`` section, after checking that the files which ``site start`` needs are there.

    Raises:
        SiteFileError: the section or its CA file is missing.
        DeploymentError: the key is unusable.
    """
    if site.coordinator is None:
        raise SiteFileError(f"{path} has no `coordinator` section; it needs address, ca and key")
    if not site.coordinator.ca.is_file():
        raise SiteFileError(f"coordinator.ca {site.coordinator.ca} does not exist; ask for the ca.crt")
    check_private_key(site.coordinator.key)
    return site.coordinator


def supernode_program(site: SiteFile, coordinator: Coordinator, site_file: Path, port: int) -> Program:
    """Flower's SuperNode in process isolation: it starts no process itself."""
    node_config = f"site-file={json.dumps(str(site_file), ensure_ascii=False)}"
    argv = (
        *module("fedgraft.client.deployment.supernode", "--state", str(site.state), "--"),
        *("--superlink", coordinator.address),
        *("--root-certificates", str(coordinator.ca), "--auth-supernode-private-key", str(coordinator.key)),
        *("--host", "127.0.0.1", "--port", str(port), "--isolation", "process"),
        *("--superexec-auth-secret-file", str(_secret(site)), "--node-config", node_config),
    )
    program = _program(site, "supernode", argv)
    return replace(program, environment=through(coordinator, program.environment))


def executor_program(site: SiteFile, port: int) -> Program:
    """Our executor, which runs the ClientApp in child processes."""
    arguments = ("--runtime-api-address", f"127.0.0.1:{port}", "--secret", str(_secret(site)))
    warm = ("--warm",) if site.warm else ()
    return _program(site, "executor", tuple(module("fedgraft.client.deployment.executor", *arguments, *warm)))


def run_site(path: Path, patience: float = PATIENCE_SECONDS) -> int:
    """Keep a site connected until SIGTERM or Ctrl-C (exit code 0), or until it gives up (exit code 1).

    Args:
        path: the site file.
        patience: seconds for which an unreachable coordinator is tried again.

    Raises:
        SiteFileError: the site file can't be used.
        RoleError: the site takes part in no run; `fetch` and `predict` need no connection that stays.
        DeploymentError: the key can't be used, this flwr can't be made safe, or the site is running already.
    """
    path = path.resolve()
    if '"' in str(path) or "\\" in str(path):
        raise SiteFileError(f"--site {path}: Flower can't be given a path with a quote or a backslash in it")
    site = read_site_file(path)
    require_part_in_runs(site)
    coordinator = require_coordinator(site, path)
    require_flower()
    require_superexec()
    try:
        if close_to_others(private_folder(site.state)):
            say(f"{site.state} was open to other accounts of this machine, and is not any more (mode 0700)")
        with only_one(site.state / "site.lock", f"site {site.name}") as holder, stop_requested() as stopping:
            _secret(site).unlink(missing_ok=True)
            write_private(_secret(site), secrets.token_bytes(48))
            with announcing(site, coordinator) as connected:
                return _Supervision(site, coordinator, path, patience, stopping, holder, connected).run()
    except OSError as error:
        code = code_of(error)
        raise DeploymentError(f"{site.state}: {error.strerror} (`{code}`): {what_to_do_here(code)}") from error


class _Supervision:
    """The state of one call of ``site start``: its two children, and since when the site is not connected."""

    def __init__(
        self,
        site: SiteFile,
        coordinator: Coordinator,
        path: Path,
        patience: float,
        stopping: threading.Event,
        holder: Holder,
        connected: threading.Event,
    ) -> None:
        self._site, self._coordinator, self._path, self._patience = site, coordinator, path, patience
        self._stopping, self._holder, self._connected = stopping, holder, connected
        self._port = free_port()
        self._executor: Child | None = None
        self._deaths: list[float] = []
        self._flagged = ""
        self._troubled_since: float | None = None
        self._said: tuple[str, float] = ("", 0.0)
        self._failed: tuple[str, float] = ("", 0.0)
        open_message = OpenMessage(site.state / "open-message")
        self._news = News(site, lambda: open_message.left() is not None)

    def run(self) -> int:
        """Connect, again and again if the connection ends; returns the exit code of ``site start``."""
        try:
            while not self._stopping.is_set():
                trouble = self._connect_once()
                if trouble is None:
                    break
                now = time.monotonic()
                self._troubled_since = now if self._troubled_since is None else self._troubled_since
                if now - self._troubled_since >= trouble.seconds:
                    self._say(f"giving up: {trouble.sentence}")
                    return 1
                self._say_once(trouble.sentence, now)
                self._stopping.wait(PAUSE_SECONDS)
        finally:
            self._stop_executor()
        self._say("stopped")
        return 0

    def _connect_once(self) -> Trouble | None:
        """Run one SuperNode until it ends, and return why; ``None`` if a stop was requested."""
        found = reach(self._coordinator)
        if not found.ok:
            return trouble_of(found, self._patience)
        if found.expiring:
            self._say(found.expiring)
        self._executor = self._executor or start(executor_program(self._site, self._port))
        node = start(supernode_program(self._site, self._coordinator, self._path, self._port))
        self._note(node)
        try:
            return self._watch(node)
        finally:
            self._connected.clear()
            self._flagged = ""
            stop([node])
            if CONNECTED in node.output():  # it may be computing for a SuperNode that is gone
                self._stop_executor()

    def _watch(self, node: Child) -> Trouble | None:
        node_life, executor_life = Life(), Life(stalled=EXECUTOR_STALLED_SECONDS)
        while not self._stopping.wait(0.2):
            for told in node.told():
                node_life.heard()
                self._pass_on(told)
            self._tell_news()
            if node_life.is_quiet or (self._executor is not None and self._executor.told()):
                executor_life.heard()  # it waits for a SuperNode that does nothing
            self._flag("SuperNode" if node_life.is_quiet else "executor" if executor_life.is_quiet else "")
            if node_life.is_stalled:
                return Trouble("the SuperNode does nothing, and is started again", self._patience)
            if not node.alive:
                code = node.process.returncode
                return explain_end(node.output(), code, self._site, self._coordinator, self._patience)
            ended = self._executor is None or not self._executor.alive
            if ended or executor_life.is_stalled:
                if not self._replace_executor(node, "ended" if ended else "does nothing"):
                    return Trouble(f"the executor keeps ending; its log is {self._log('executor')}", 0.0)
                executor_life = Life(stalled=EXECUTOR_STALLED_SECONDS)
        return None

    def _flag(self, idle: str) -> None:
        """Tell the coordinator nothing while one of the two programs does nothing, so that it says that the site is
        silent."""
        if idle and self._connected.is_set():
            self._connected.clear()
            self._flagged = idle
            self._say(f"the {idle} does nothing; until it does, the coordinator hears nothing of this site")
        elif self._flagged and not idle:
            self._connected.set()
            self._say(f"the {self._flagged} works again")
            self._flagged = ""

    def _pass_on(self, told: dict[str, Any]) -> None:
        """Say what the SuperNode told: that it is connected, that a message failed, that the link broke or is back."""
        if "connected" in told:
            self._troubled_since, self._said = None, ("", 0.0)
            self._connected.set()
            self._say(f"connected to {self._coordinator.address}; waiting for runs")
        elif "failed" in told:
            code, what = told["failed"], told["what"]
            if code == UNAPPROVED and self._site.approval == "ask":
                self._tell_news(at_once=True)
            else:
                said = f" ({said})" if (said := said_of(self._site.state, code)) else ""
                self._say_failed(f"a message of a run ({what}) failed: `{code}`: {what_to_do_here(code)}{said}")
        elif told.get("link") is False:
            found = reach(self._coordinator)
            why = "the connection broke off" if found.ok else found.sentence
            self._say(f"{why}; trying again every {PAUSE_SECONDS:.0f} s")
        elif told.get("link") is True:
            self._say(f"connected again to {self._coordinator.address}")

    def _tell_news(self, at_once: bool = False) -> None:
        for sentence in self._news.look(at_once):
            self._say(sentence)
            self._failed = ("", 0.0)

    def _say_failed(self, sentence: str) -> None:
        """A run that waits asks again and again."""
        now, (before, when) = time.monotonic(), self._failed
        if sentence != before or now - when >= SAME_SECONDS:
            self._failed = (sentence, now)
            self._say(sentence)

    def _replace_executor(self, node: Child, why: str) -> bool:
        """Start an executor in the place of one that ended or stands still; ``False`` if that happens too often."""
        self._stop_executor(grace=0.0)
        node.process.send_signal(EXECUTOR_ENDED)  # whoever worked on the present message ended with it
        now = time.monotonic()
        self._deaths = [*(death for death in self._deaths if now - death < LIVES_SECONDS), now]
        if len(self._deaths) < LIVES:
            self._say(f"the executor {why}; starting it again (log: {self._log('executor')})")
            self._executor = start(executor_program(self._site, self._port))
            self._note(node)
        return self._executor is not None

    def _note(self, node: Child) -> None:
        self._holder.note([node, *([self._executor] if self._executor is not None else [])])

    def _stop_executor(self, grace: float = GRACE_SECONDS) -> None:
        if self._executor is not None:
            stop([self._executor], grace)
            self._executor = None

    def _say_once(self, sentence: str, now: float) -> None:
        """Say why there is no connection, once a minute as long as it is the same."""
        before, when = self._said
        if sentence != before or now - when >= REMINDER_SECONDS:
            self._said = (sentence, now)
            self._say(f"{sentence}; trying again every {PAUSE_SECONDS:.0f} s")

    def _say(self, text: str) -> None:
        say(f"site {self._site.name}: {text}")

    def _log(self, name: str) -> Path:
        return self._site.state / "logs" / f"{name}.log"


def _secret(site: SiteFile) -> Path:
    return site.state / "superexec.secret"


def _program(site: SiteFile, name: str, argv: tuple[str, ...]) -> Program:
    flower_home = site.state / "flower"
    environment = {
        **quiet_environment(os.environ),
        "FLWR_HOME": str(flower_home),
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.25",
    }
    flower_home.mkdir(parents=True, exist_ok=True)
    return Program(name, argv, environment, site.state / "logs" / f"{name}.log", flower_home)
