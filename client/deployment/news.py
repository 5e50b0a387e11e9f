"""What the terminal of ``fedgraft site start`` says of plans and runs: read from the site's folder, again and again.

A plan that waits, and what a person decided about it, a run that began, each round that was trained, the test of the
model, and that nothing came for long. That a run ended is what the coordinator says (`fedgraft.client.approval.asked`),
else it is concluded from silence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedgraft.client.approval.asked import RunOf, read_asked
from fedgraft.client.approval.deciding import waiting
from fedgraft.client.approval.decisions import APPROVED, FROM, PENDING, REFUSED, Decisions
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import whole_lines

LOOK_SECONDS = 1.0
OVER_SECONDS = 60.0
"""So long without a question after the last round, or after the test of the model, and a run is called over."""
SILENT_SECONDS = 600.0
"""So long without one in the middle of a run, and that is said."""
TRAINED = ("update", "gradient")
TESTED = ("evaluation", "noisy counts of scores")


@dataclass
class Run:
    """A run as its answers in the site's log show it. ``rounds``: of its plan; 0 if that is not known. ``heard``: by
    the clock of `News`; ``came``: the same in seconds since 1970."""

    number: int
    plan: str
    rounds: int
    heard: float
    came: float
    round: int = 0
    tested: bool = False
    silent: bool = False

    @property
    def done(self) -> bool:
        return self.tested or 0 < self.rounds <= self.round

    @property
    def reached(self) -> str:
        """After which round it is."""
        return f"after round {self.round}{_of(self.rounds)}" if self.round else "before its first round"


@dataclass
class News:
    """What is new since the last look.

    Attributes:
        busy: whether a message is being answered now, so that no silence counts.
        clock: seconds.
        wall: seconds since 1970.
    """

    site: SiteFile
    busy: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _looked: float = float("-inf")
    _read: tuple[int, int] = (0, 0)  # the log's inode, and how much of it was read
    _known: set[int] = field(default_factory=set)  # runs that were there before, or are over
    _plans: dict[int, set[str]] = field(default_factory=dict)  # of each run; a table's are two
    _runs: dict[int, Run] = field(default_factory=dict)
    _state: object = None
    _decided: int = 0
    _waited: frozenset[str] = frozenset()
    _said: frozenset[str] = frozenset()
    _broken: str = ""

    def __post_init__(self) -> None:
        for line in self._new_lines():
            self._known.add(self._noted(line))
        try:
            self._decided = len(Decisions(self.site).lines())
        except DataError:
            self._decided = 0  # it is said at the first look

    def look(self, at_once: bool = False) -> Iterator[str]:
        """Sentences of what is new; none if the last look was a moment ago.

        Args:
            at_once: look at the plans that wait even if nothing seems to have changed.
        """
        now = self.clock()
        if at_once:
            self._state = None
        elif now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        yield from self._of_plans()
        yield from self._of_runs(now)
        yield from self._of_silence(now)

    def _of_plans(self) -> Iterator[str]:
        """A plan waits if it does at two looks: one that follows from an approved one waits for a moment only."""
        decisions, asked_now = Decisions(self.site), read_asked(self.site.state)
        state = decisions.changed(), decisions.came_last(), asked_now
        if state == self._state and self._waited == self._said:
            return
        try:
            lines, asked = decisions.lines(), {one.plan: one for one in waiting(decisions)}
        except (DataError, ValueError, KeyError, OSError) as error:
            broken = f"a plan in {self.site.state / PENDING} can't be read, and what waits is not said; remove the file"
            broken = str(error) if isinstance(error, DataError) else broken
            yield from () if broken == self._broken else (broken,)
            self._broken = broken
            return
        self._state = state
        new, self._decided = lines[self._decided :], len(lines)
        for line in new:
            if FROM not in line:
                yield _decision(line)
        for plan in sorted(self._said - asked.keys() - {line["plan"] for line in new}):
            yield f"plan {plan[:8]} waits no more: the run that asked for it is over"
        for plan in sorted(self._waited & asked.keys() - self._said):
            one = asked[plan]
            yield (
                f"plan {plan[:8]} ({one.backbone}, {one.rounds} rounds) waits for a person here: fedgraft site review "
                f"{plan[:8]}, then approve or refuse; nothing is done for it until then"
            )
        self._said = (self._said | self._waited) & asked.keys()
        self._waited = frozenset(asked)

    def _of_runs(self, now: float) -> Iterator[str]:
        """A run that began, and the newest round of each: one line a look, however many rounds a second there are."""
        before = {number: run.round for number, run in self._runs.items()}
        tested = {number for number, run in self._runs.items() if run.tested}
        for line in self._new_lines():
            number = self._noted(line)
            if not number:
                continue  # facts, and figures of a published model: of no run
            if number not in self._runs:
                self._runs[number] = Run(number, str(line.get("plan") or ""), 0, now, self.wall())
                yield self._began(self._runs[number])
            run = self._runs[number]
            run.heard, run.came, run.silent = now, self.wall(), False
            run.plan = str(line.get("plan") or run.plan)
            run.rounds = self._rounds_of(run.plan)
            if line["what"] in TRAINED and isinstance(line.get("round"), int):
                run.round = line["round"]
            run.tested = run.tested or line["what"] in TESTED
        for number, run in self._runs.items():
            if run.round != before.get(number, 0):
                yield f"run {number}: round {run.round}{_of(run.rounds)} trained"
            if run.tested and number not in tested:
                yield f"run {number}: its model was tested on the cases here"

    def _began(self, run: Run) -> str:
        if run.number in self._known:
            return f"run {run.number} goes on (plan {run.plan[:8]})"
        rounds = self._rounds_of(run.plan)
        return f"run {run.number} began: plan {run.plan[:8]}{f', {rounds} rounds' if rounds else ''}"

    def _of_silence(self, now: float) -> Iterator[str]:
        for number, run in list(self._runs.items()):
            silent, said = now - run.heard, self._run_of(run)
            by_silence = run.done and said == "unknown"
            ends = said == "over" or (by_silence and silent >= OVER_SECONDS)
            if not (ends or (silent >= SILENT_SECONDS and not run.silent)) or self.busy():
                continue
            if ends:
                self._known.add(number)
                del self._runs[number]
                why = f": nothing more came of it for {silent:.0f} s" if by_silence else ", as the coordinator says"
                yield f"run {number} is over {run.reached}{why}"
                continue
            run.silent = True
            why = "the run goes on, as the coordinator says"
            if said != "goes on":
                why = "the coordinator waits for other hospitals, or ended the run: ask there"
            yield f"run {number}: nothing came for {silent / 60:.0f} minutes, {run.reached}; {why}"

    def _noted(self, line: Mapping[str, Any]) -> int:
        """The number of a line's run, whose plan is noted; 0 if it is of none."""
        found = line.get("run")
        number = found if isinstance(found, int) else 0
        if number:
            self._plans.setdefault(number, set()).add(str(line.get("plan") or ""))
        return number

    def _run_of(self, run: Run) -> RunOf:
        """Whether a run goes on, as far as the coordinator has said since its last message."""
        said = read_asked(self.site.state)
        if said is None:
            return "unknown"
        found = {said.run_of(plan, run.came, self.wall()) for plan in self._plans[run.number]}
        return "goes on" if "goes on" in found else "over" if found == {"over"} else "unknown"

    def _rounds_of(self, plan: str) -> int:
        """The rounds of a plan that this site keeps; 0 if it does not."""
        for run in self._runs.values():
            if run.plan == plan and run.rounds:
                return run.rounds
        if not plan.isalnum():
            return 0
        kept, came = self.site.state / "plans" / f"{plan}.json", Decisions(self.site).kept_at(plan)
        try:
            if kept.is_file():  # after a line of digests
                return int(json.loads(kept.read_text(encoding="utf-8").partition("\n")[2])["rounds"])
            return int(json.loads(came.read_text(encoding="utf-8"))["rounds"]) if came.is_file() else 0
        except (OSError, ValueError, KeyError):
            return 0  # what answers a message says that it is damaged

    def _new_lines(self) -> Iterator[Mapping[str, Any]]:
        """Whole lines that were added to the log; of one that was put aside meanwhile the rest is left out."""
        path = self.site.state / RELEASED
        inode, size = _size_of(path)
        begin = self._read[1] if inode == self._read[0] else 0
        if size <= begin:
            self._read = (inode, begin)
            return
        with path.open("rb") as stream:
            stream.seek(begin)
            whole, newline, _ = stream.read(size - begin).rpartition(b"\n")
        self._read = (inode, begin + len(whole) + len(newline))
        yield from (line for line in map(_line, whole.splitlines()) if "what" in line)


def said_of(state: Path, code: str) -> str:
    """What ``errors.jsonl`` says of the last failure beside its code, if it is of this one: names and numbers of the
    plan; else empty."""
    lines = whole_lines(state / "errors.jsonl")
    last = _line(lines[-1]) if lines else {}
    return str(last.get("said", "")) if last.get("code") == code else ""


def _line(text: str | bytes) -> dict[str, Any]:
    """A line of a log; empty if it is none. `fedgraft site audit` says that; no site ends for the sake of its news."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decision(line: Mapping[str, Any]) -> str:
    plan, by = str(line["plan"])[:8], line["by"]
    until = line.get("receipt", {}).get("until")
    if line["what"] == APPROVED:
        return f"plan {plan} was approved by {by}{f', to the end of {until}' if until else ''}; the coordinator is told"
    if line["what"] == REFUSED:
        return f"plan {plan} was refused by {by}; the coordinator learns that, not why"
    return f"the approval of plan {plan} was revoked by {by}; no further message of it is answered"


def _of(rounds: int) -> str:
    return f" of {rounds}" if rounds else ""


def _size_of(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_ino, status.st_size
